"""Self-critical training on two views of each photo, for captions that stay when a photo is lightly changed.

Captions are drawn for both views. Each is rewarded as in training/self_critical.py, and also for how similar it is to
those drawn for the *other* view: words that hang on what a light change moves are given up, and the decoder grows
surer of the rest. A caption is compared with all others of its photo, whichever view they were drawn for.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from captioner.models.show_attend_tell import Decoder
from training.caption_batches import Batch
from training.self_critical import Reward, advantages, sample
from training.show_attend_tell import LONGEST, write


def agreements(drawn: list[list[int]], reward: Reward) -> list[float]:
    """Compute the mean CIDEr-D of each caption to those of the other view, 0 to 10.

    ``drawn``: ids of all captions of a photo; the first half was drawn for one view, the second for the other.
    """
    vectors, half = [reward.cider.vector(caption) for caption in drawn], len(drawn) // 2
    first, second = vectors[:half], vectors[half:]
    return [
        *(reward.cider.similarity(one, second) for one in first),
        *(reward.cider.similarity(one, first) for one in second),
    ]


def two_view_loss(
    decoder: Decoder, batch: Batch, reward: Reward, samples: int, agreement: float
) -> tuple[Tensor, dict[str, float]]:
    """Compute - Σ advantage · log p(drawn caption), a word of all captions; they are drawn without dropout.

    Args:
        decoder: is trained.
        batch: B photos, with 2B×81×1280 features: rows 2i and 2i + 1 are two views of photo i.
        reward: of a caption of a photo.
        samples: captions drawn for each view.
        agreement: weight of :func:`agreements` in the reward.
    """
    decoder.eval()
    with torch.no_grad():
        drawn = sample(decoder, decoder.remember(batch.features), samples, LONGEST - 1)
    decoder.train()
    of_photo = [drawn[row] + drawn[row + 1] for row in range(0, len(drawn), 2)]
    rewards = torch.tensor(
        [[reward(photo, text) for text in texts] for photo, texts in zip(batch.photos, of_photo, strict=True)]
    )
    agreed = torch.tensor([agreements(texts, reward) for texts in of_photo])
    better = advantages(rewards + agreement * agreed)
    better = (better / better.std().clamp_min(1e-3)).view(-1, samples)
    written = write(decoder, decoder.remember(batch.features), drawn)
    weights = better.to(written.mask.device).unsqueeze(-1).expand(written.mask.shape)[written.mask]
    loss = (weights * nn.functional.cross_entropy(written.logits, written.targets, reduction="none")).mean()
    figures = {"reward": rewards, "agreement": agreed, "sample length": written.mask.sum(-1).float()}
    return loss, {name: float(values.mean()) for name, values in figures.items()}
