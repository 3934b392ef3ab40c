"""Embed pictures by the embedded captioner: all that a novelty signal compares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from captioner.models.show_attend_tell import ShowAttendTell
from framesense.models.encoders.minilm import SentenceEncoder
from framesense.models.spec import choose_dtype
from framesense.storage.analyses import Frames

BATCH = 16
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class EmbeddedPictures:
    """n pictures: their embeddings (without times), and n × rows × columns × d patch descriptors."""

    frames: Frames
    patches: NDArray[np.float32]

    def take(self, indices: Sequence[int]) -> Frames:
        """Take some of the pictures, as the frames of a video sampled once a second."""
        frames, chosen = self.frames, list(indices)
        assert frames.visual is not None
        captions = [frames.captions[index] for index in chosen]
        times = np.arange(len(chosen), dtype=np.float64)
        return Frames(times, captions, frames.words[chosen], frames.sentences[chosen], frames.visual[chosen])


def embed_pictures(pictures: Iterable[Picture], folder: Path, *, keep_patches: bool) -> EmbeddedPictures:
    """Embed pictures as the captioner service does with beams=4; ``folder`` holds its weights."""
    device = torch.device("cpu")
    model = ShowAttendTell.load(folder, device, choose_dtype("auto", device))
    sentences, remaining = SentenceEncoder(device), iter(pictures)
    captions, words, meanings, visual, patches = list[str](), [], [], [], []
    while batch := list(islice(remaining, BATCH)):
        pixels = torch.stack([model.preprocess(picture) for picture in batch])
        answers = model.caption(pixels, beams=4, max_tokens=24, views=True)
        captions += [one.text for one in answers]
        words += [one.word_embeddings.mean(axis=0) for one in answers]
        visual += [one.visual for one in answers]
        patches += [one.patches for one in answers if keep_patches]
        meanings.append(sentences.encode([one.text for one in answers]))
    frames = Frames(
        np.arange(len(captions), dtype=np.float64),
        captions,
        np.stack(words),
        np.concatenate(meanings),
        np.stack([one for one in visual if one is not None]),
    )
    kept = [one for one in patches if one is not None]
    return EmbeddedPictures(frames, np.stack(kept) if kept else np.zeros((0, 1, 1, 1), dtype=np.float32))
