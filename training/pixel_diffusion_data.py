"""Captioned small photos for the pixel diffusion model: packed once, and varied in light, colour and weather.

What the embedded editor is for is light, colour and weather, and few captions speak of them. So a photo is *varied* as
it is drawn: darker and bluer and it is "at night", whiter and hazier and it is "in thick fog". The words of the variant
stand in the caption, in several phrasings, with what the caption said before or alone. Brightness and casts are brought
to absolute levels, not moved by a factor: what "at night" looks like is a fact about the result. Photos left as they
are get words for their light, too, read off the picture itself (:func:`read_off`).

Variants are computed in linear light (the sRGB curve undone), on the packed photo. Sources are a tar of photos in
folders named as their class, and a folder with ``captions.csv`` and ``images/`` (see training/data.py).
"""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Random = np.random.Generator

MAX_TOKENS = 32
SENTENCE_SCALE = 384**0.5
"""Of the sentence embeddings: their length is 1, and a network hears 384 numbers of about 1 better."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Of linear sRGB (ITU-R BT.709)."""

# ------------------------------------------------------------------------------------------------------------- light


def to_linear(srgb: Floats) -> Floats:
    """sRGB values → linear light, both 0…1 (IEC 61966-2-1)."""
    linear: Floats = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return linear


def to_srgb(linear: Floats) -> Floats:
    """Linear light → sRGB values, both 0…1; what is outside is clipped."""
    linear = np.clip(linear, 0, 1)
    srgb: Floats = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)
    return srgb


def luminance(linear: Floats) -> Floats:
    """H×W×3 → H×W×1."""
    return (linear @ LUMINANCE)[..., None]


def expose(linear: Floats, level: float, *, up: bool = True, down: bool = True) -> Floats:
    """Brought to a mean luminance (as an sRGB value) by a gain; highlights roll off rather than burn out.

    ``up`` and ``down``: may it become brighter, darker?
    """

    def render(gain: float) -> Floats:
        bright = linear * gain
        top = np.maximum(luminance(bright), 1e-5)
        rolled = np.where(top > 0.7, 0.7 + 0.3 * np.tanh((top - 0.7) / 0.6), top)
        scaled: Floats = (bright * (rolled / top)).astype(np.float32)
        return scaled

    low, high = (0.01 if down else 1.0), (12.0 if up else 1.0)
    for _ in range(12):
        middle = (low * high) ** 0.5
        if float(to_srgb(luminance(render(middle))).mean()) < level:
            low = middle
        else:
            high = middle
    return render((low * high) ** 0.5)


def cast(linear: Floats, tint: Sequence[float], amount: float) -> Floats:
    """The picture's mean colour brought towards ``tint`` (red, green, blue; of any scale), luminance kept.

    ``amount``: 0 leaves the picture, 1 gives its mean exactly that colour.
    """
    mean = linear.reshape(-1, 3).mean(axis=0) + 0.02
    wanted = np.array(tint, np.float32)
    wanted = wanted * float(mean @ LUMINANCE) / float(wanted @ LUMINANCE)
    tinted = linear * (wanted / mean) ** np.float32(amount)
    kept: Floats = tinted * float(luminance(linear).mean() + 1e-4) / float(luminance(tinted).mean() + 1e-4)
    return kept


def saturate(linear: Floats, factor: float) -> Floats:
    """0: black and white, 1: as it is, 2: twice as colourful."""
    grey = luminance(linear)
    result: Floats = np.maximum(grey + (linear - grey) * np.float32(factor), 0)
    return result


def contrast(linear: Floats, factor: float) -> Floats:
    """Around the picture's mean, in sRGB values."""
    srgb = to_srgb(linear)
    middle = srgb.mean()
    return to_linear(np.clip(middle + (srgb - middle) * np.float32(factor), 0, 1).astype(np.float32))


def from_top(linear: Floats, top: float, bottom: float) -> Floats:
    """H×1×1: a weight that goes from ``top`` to ``bottom``."""
    return np.linspace(top, bottom, linear.shape[0], dtype=np.float32)[:, None, None]


# ----------------------------------------------------------------------------------------------------------- variants


def at_night(x: Floats, chance: Random) -> Floats:
    lamps = np.clip(luminance(x) / max(float(np.quantile(luminance(x), 0.97)), 0.05) - 0.85, 0, 0.5) * 2
    x = saturate(contrast(x, chance.uniform(0.8, 1.2)), chance.uniform(0.4, 0.9))
    x = cast(x, (chance.uniform(0.55, 0.85), 0.8, chance.uniform(1.1, 1.7)), chance.uniform(0.6, 1.0))
    x = expose(x, chance.uniform(0.07, 0.19))
    if chance.random() < 0.3:  # what shone by day shines on, as lamps
        x = x + lamps.astype(np.float32) * np.array([0.5, 0.36, 0.16], np.float32) * np.float32(chance.uniform(0.3, 1))
    return x


def at_dusk(x: Floats, chance: Random) -> Floats:
    x = cast(saturate(x, chance.uniform(0.7, 1.1)), (0.95, 0.8, chance.uniform(1.15, 1.5)), chance.uniform(0.6, 1.0))
    return expose(x, chance.uniform(0.22, 0.34))


def at_sunset(x: Floats, chance: Random) -> Floats:
    x = cast(x, (chance.uniform(1.6, 2.0), 0.95, chance.uniform(0.3, 0.5)), chance.uniform(0.7, 1.0))
    x = x * from_top(x, chance.uniform(0.9, 1.6), 1.0)
    return expose(contrast(x, chance.uniform(1.0, 1.25)), chance.uniform(0.33, 0.5))


def in_daylight(x: Floats, chance: Random) -> Floats:
    x = cast(x, (1.0, 1.0, chance.uniform(0.92, 1.06)), chance.uniform(0.3, 0.7))
    return expose(contrast(x, chance.uniform(0.95, 1.2)), chance.uniform(0.58, 0.72))


def in_sunshine(x: Floats, chance: Random) -> Floats:
    x = cast(x, (1.15, 1.02, chance.uniform(0.75, 0.9)), chance.uniform(0.4, 0.8))
    return expose(
        contrast(saturate(x, chance.uniform(1.05, 1.3)), chance.uniform(1.05, 1.2)), chance.uniform(0.5, 0.63)
    )


def in_warm_light(x: Floats, chance: Random) -> Floats:
    x = cast(x, (chance.uniform(1.35, 1.6), 1.0, chance.uniform(0.4, 0.65)), chance.uniform(0.7, 1.0))
    return expose(x, chance.uniform(0.35, 0.55))


def in_cold_light(x: Floats, chance: Random) -> Floats:
    x = cast(x, (chance.uniform(0.55, 0.8), 0.98, chance.uniform(1.3, 1.7)), chance.uniform(0.7, 1.0))
    return expose(x, chance.uniform(0.35, 0.55))


def by_candle(x: Floats, chance: Random) -> Floats:
    rows = np.linspace(-1, 1, x.shape[0], dtype=np.float32)[:, None, None]
    columns = np.linspace(-1, 1, x.shape[1], dtype=np.float32)[None, :, None]
    at_y, at_x = chance.uniform(-0.4, 0.5), chance.uniform(-0.6, 0.6)
    glow = 0.15 + np.exp(-((rows - at_y) ** 2 + (columns - at_x) ** 2) / np.float32(chance.uniform(0.4, 0.9)))
    x = cast(x, (chance.uniform(1.8, 2.2), 0.9, chance.uniform(0.2, 0.35)), chance.uniform(0.7, 1.0))
    return expose(x * glow, chance.uniform(0.16, 0.28))


def dim(x: Floats, chance: Random) -> Floats:
    return expose(saturate(x, chance.uniform(0.8, 1.0)), chance.uniform(0.16, 0.27), up=False)


def bright(x: Floats, chance: Random) -> Floats:
    return expose(x, chance.uniform(0.57, 0.7), down=False)


def in_fog(x: Floats, chance: Random) -> Floats:
    fog = np.array([0.94, 0.97, 1.0], np.float32) * np.float32(chance.uniform(0.42, 0.65))
    thick = from_top(x, chance.uniform(0.75, 0.95), chance.uniform(0.3, 0.75))
    return saturate(x, 0.6) * (1 - thick) + fog * thick


def in_snow(x: Floats, chance: Random) -> Floats:
    x = cast(saturate(x, chance.uniform(0.25, 0.6)), (0.9, 1.0, chance.uniform(1.05, 1.25)), chance.uniform(0.5, 0.9))
    x = expose(x, chance.uniform(0.5, 0.62))
    white = np.array([0.86, 0.9, 0.97], np.float32) * np.float32(chance.uniform(0.8, 1.0))
    shade = cv2.GaussianBlur(luminance(x), (0, 0), 1.2)[..., None]
    lying = from_top(x, chance.uniform(0.0, 0.35), chance.uniform(0.7, 0.95)) * np.clip(0.35 + 1.4 * shade, 0, 1)
    return x * (1 - lying) + white * (0.55 + 0.45 * np.clip(shade * 2, 0, 1)) * lying


def overcast(x: Floats, chance: Random) -> Floats:
    x = cast(saturate(x, chance.uniform(0.35, 0.65)), (0.93, 1.0, chance.uniform(1.04, 1.15)), chance.uniform(0.5, 0.9))
    return expose(contrast(x, chance.uniform(0.55, 0.8)), chance.uniform(0.34, 0.48))


def black_and_white(x: Floats, chance: Random) -> Floats:
    return contrast(saturate(x, 0.0), chance.uniform(0.9, 1.3))


def sepia(x: Floats, chance: Random) -> Floats:
    brown = np.array([1.3, 1.0, chance.uniform(0.55, 0.7)], np.float32)
    return luminance(contrast(x, chance.uniform(0.7, 1.0))) * brown + np.float32(0.02)


def faded(x: Floats, chance: Random) -> Floats:
    grey = np.float32(chance.uniform(0.2, 0.4))
    return contrast(saturate(x, chance.uniform(0.3, 0.6)), chance.uniform(0.45, 0.65)) * (1 - grey / 2) + grey / 3


def vivid(x: Floats, chance: Random) -> Floats:
    return contrast(saturate(x, chance.uniform(1.6, 2.3)), chance.uniform(1.05, 1.25))


def dull(x: Floats, chance: Random) -> Floats:
    return saturate(contrast(x, chance.uniform(0.8, 1.0)), chance.uniform(0.2, 0.45))


def high_contrast(x: Floats, chance: Random) -> Floats:
    return contrast(x, chance.uniform(1.5, 2.0))


def low_contrast(x: Floats, chance: Random) -> Floats:
    return contrast(x, chance.uniform(0.35, 0.6))


def lit(red: float, green: float, blue: float) -> Callable[[Floats, Random], Floats]:
    """Coloured light; luminance is kept dim enough for the colour to be seen."""

    def render(x: Floats, chance: Random) -> Floats:
        white = chance.uniform(0.05, 0.25)
        x = cast(x, (red + white, green + white, blue + white), chance.uniform(0.8, 1.0))
        return expose(x, chance.uniform(0.25, 0.42))

    return render


def in_autumn(x: Floats, chance: Random) -> Floats:
    turn = np.array([[0.75, 0.55, 0.0], [0.2, 0.68, 0.05], [0.1, 0.1, 0.6]], np.float32)  # greens become golden
    return contrast(cast(x @ turn.T, (1.35, 1.0, 0.5), chance.uniform(0.4, 0.8)), chance.uniform(1.0, 1.2))


VARIANTS: dict[str, tuple[Callable[[Floats, Random], Floats], float, tuple[str, ...]]] = {
    "night": (
        at_night,
        3.0,
        (
            "at night",
            "by night",
            "in the dark",
            "in moonlight",
            "a dark night",
            "night time",
            "in darkness",
            "midnight",
        ),
    ),
    "dusk": (at_dusk, 1.0, ("at dusk", "in the evening", "in twilight", "at the blue hour", "before dawn")),
    "sunset": (at_sunset, 1.5, ("at sunset", "at sunrise", "in golden light", "at golden hour", "in evening sun")),
    "daylight": (
        in_daylight,
        2.0,
        (
            "in bright daylight",
            "in daylight",
            "on a bright day",
            "by day",
            "at noon",
            "in the daytime",
            "full of daylight",
        ),
    ),
    "sunshine": (in_sunshine, 1.5, ("in sunshine", "on a sunny day", "in the sun", "sunny", "sunlit")),
    "warm": (
        in_warm_light,
        2.0,
        (
            "in warm light",
            "with warm light",
            "warm light",
            "warm colours",
            "in cosy lamp light",
            "in warm yellow light",
        ),
    ),
    "cold": (
        in_cold_light,
        1.5,
        (
            "in cold light",
            "with cold light",
            "cold blue light",
            "cool colours",
            "in cool white light",
            "in bluish light",
        ),
    ),
    "candle": (by_candle, 1.0, ("by candlelight", "by firelight", "lit by a single lamp", "in the glow of a fire")),
    "dim": (dim, 1.5, ("in dim light", "dimly lit", "dark", "in the shade", "underexposed", "with the lights off")),
    "bright": (bright, 1.5, ("bright", "brightly lit", "light and airy", "in bright light", "with the lights on")),
    "fog": (in_fog, 1.5, ("in fog", "in thick fog", "in the mist", "hazy", "misty", "foggy", "in smoke")),
    "snow": (
        in_snow,
        2.0,
        (
            "in the snow",
            "covered in snow",
            "in winter",
            "with snow on the ground",
            "snowy",
            "under fresh snow",
            "in ice",
        ),
    ),
    "overcast": (overcast, 1.0, ("on a cloudy day", "on a rainy day", "in the rain", "under grey skies", "overcast")),
    "grey": (black_and_white, 1.0, ("in black and white", "black and white photo", "monochrome", "without colour")),
    "sepia": (sepia, 0.7, ("in sepia", "an old photo", "a vintage photo", "an antique photograph")),
    "faded": (faded, 0.7, ("faded", "a faded photo", "washed out", "pale colours", "in pastel colours")),
    "vivid": (vivid, 1.0, ("in vivid colours", "colourful", "in bright colours", "saturated colours")),
    "dull": (dull, 0.7, ("in dull colours", "in muted colours", "almost without colour", "drab")),
    "contrast": (high_contrast, 0.7, ("with high contrast", "in harsh light", "with deep shadows", "dramatic light")),
    "flat": (low_contrast, 0.7, ("with low contrast", "in soft light", "in flat light", "in diffuse light")),
    "red": (lit(1.0, 0.05, 0.05), 0.6, ("in red light", "lit in red", "red colours", "all red")),
    "green": (lit(0.1, 0.9, 0.1), 0.6, ("in green light", "lit in green", "green colours", "all green")),
    "blue": (lit(0.05, 0.2, 1.0), 0.6, ("in blue light", "lit in blue", "blue colours", "all blue")),
    "purple": (lit(0.6, 0.1, 1.0), 0.6, ("in purple light", "in violet neon light", "purple colours")),
    "pink": (lit(1.0, 0.3, 0.6), 0.6, ("in pink light", "in pink neon light", "pink colours")),
    "orange": (lit(1.0, 0.45, 0.08), 0.6, ("in orange light", "orange colours")),
    "yellow": (lit(1.0, 0.85, 0.1), 0.6, ("in yellow light", "yellow colours")),
    "autumn": (in_autumn, 0.8, ("in autumn", "in the fall", "autumn colours")),
}
"""Name → how it is rendered, how often, and how people say it."""

WEIGHTS = np.array([weight for _, weight, _ in VARIANTS.values()])
NAMES = tuple(VARIANTS)


def vary(photo: Pixels, variant: str, chance: Random) -> Pixels:
    """An H×W×3 photo in another light, colour or weather."""
    render = VARIANTS[variant][0]
    srgb = to_srgb(render(to_linear(photo.astype(np.float32) / 255), chance))
    result: Pixels = np.round(srgb * 255).astype(np.uint8)
    return result


def read_off(photo: Pixels) -> list[str]:
    """Name what a photo's own light may be called: the names of variants that it looks like already; often none."""
    srgb = photo.astype(np.float32) / 255
    level = float((srgb @ LUMINANCE).mean())
    red, green, blue = srgb.reshape(-1, 3).mean(axis=0)
    colourful = float((srgb.max(axis=2) - srgb.min(axis=2)).mean())
    spread = float((srgb @ LUMINANCE).std())
    found = []
    if level < 0.15:
        found.append("night")
    elif level < 0.27:
        found.append("dim")
    elif level > 0.62:
        found.append("bright")
        if abs(red - blue) < 0.06:
            found.append("daylight")
    if colourful < 0.015:
        found.append("grey")
    elif red - blue > 0.17 and red > green:
        found.append("warm")
    elif blue - red > 0.05:
        found.append("cold")
    elif colourful > 0.36:
        found.append("vivid")
    if spread > 0.31:
        found.append("contrast")
    elif spread < 0.13:
        found.append("flat")
    return found


# ----------------------------------------------------------------------------------------------------------- captions

PHRASE_TEMPLATES = ("{phrase}", "a photo {phrase}", "a picture {phrase}", "make it look {phrase}", "the same, {phrase}")
CLASS_TEMPLATES = ("a {name}, {phrase}", "a photo of a {name} {phrase}", "{name} {phrase}", "{phrase}, a {name}")
PLAIN_TEMPLATES = ("a {name}", "a photo of a {name}", "{name}")
CLASS_NAMES = {
    "bathroom": ("bathroom",),
    "bedroom": ("bedroom",),
    "dining_room": ("dining room",),
    "entrance_hall": ("entrance hall", "hallway"),
    "kitchen": ("kitchen",),
    "living_room": ("living room",),
}
ANY_ROOM = "room"


def phrase_captions(variant: str) -> list[str]:
    """The words of a variant alone."""
    return [template.format(phrase=phrase) for phrase in VARIANTS[variant][2] for template in PHRASE_TEMPLATES]


def class_captions(names: Sequence[str], variant: str | None) -> list[str]:
    """A class, by any of its names, with the words of a variant if there is one."""
    names = (*names, ANY_ROOM)
    if variant is None:
        return [template.format(name=name) for name in names for template in PLAIN_TEMPLATES]
    phrases = VARIANTS[variant][2]
    return [t.format(name=name, phrase=phrase) for name in names for t in CLASS_TEMPLATES for phrase in phrases]


# -------------------------------------------------------------------------------------------------------------- packing


def pack(image: Image.Image, side: int) -> Pixels:
    """The whole picture, squashed to a square; every pixel is the mean of those it covers."""
    small = cv2.resize(np.asarray(image.convert("RGB")), (side, side), interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8)


@dataclass(frozen=True)
class Photos:
    """N packed photos and, for each, the caption ids that it may be drawn with."""

    pixels: Pixels  # N×S×S×3
    plain: list[list[int]]
    """By photo: captions of the photo as it is."""
    varied: list[dict[str, list[int]]]
    """By photo, then by variant: captions of the photo so varied."""


class CaptionList:
    """Texts, each once, by number."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._ids: dict[str, int] = {}

    def ids(self, texts: Sequence[str]) -> list[int]:
        """The numbers of texts, given where they are new."""
        for text in texts:
            if text not in self._ids:
                self._ids[text] = len(self.texts)
                self.texts.append(text)
        return [self._ids[text] for text in texts]


def read_tar(archive: Path, side: int, captions: CaptionList) -> Photos:
    """Photos in folders named as their class."""
    pixels: list[Pixels] = []
    classes: list[str] = []
    with tarfile.open(archive) as opened:
        for member in tqdm(opened, desc=archive.name, unit="photo", mininterval=5):
            if not member.name.endswith(".jpg"):
                continue
            file = opened.extractfile(member)
            assert file is not None, "a file, as its name says"
            with Image.open(file) as image:
                pixels.append(pack(image, side))
            classes.append(member.name.split("/")[-2])
    names = {label: CLASS_NAMES.get(label, (label.replace("_", " "),)) for label in sorted(set(classes))}
    plain = {label: captions.ids(class_captions(names[label], None)) for label in names}
    varied = {
        label: {variant: captions.ids(class_captions(names[label], variant)) for variant in NAMES} for label in names
    }
    own, others = [], []
    for photo, label in zip(pixels, classes, strict=True):
        seen = [identifier for variant in read_off(photo) for identifier in varied[label][variant]]
        own.append(plain[label] * max(1, len(seen) // len(plain[label])) + seen)  # with and without, alike often
        others.append(varied[label])
    return Photos(np.stack(pixels), own, others)


def read_captioned(data: Path, side: int, captions: CaptionList, chance: Random) -> Photos:
    """The photos of the train split; each of a photo's captions goes with one variant, too."""
    texts: dict[str, list[str]] = {}
    with (data / "captions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "train":
                texts.setdefault(row["image"], []).append(row["caption"].rstrip(" .").lower())
    pixels, plain, varied = [], [], []
    for name, own in tqdm(texts.items(), desc="captioned", unit="photo", mininterval=5):
        with Image.open(data / "images" / name) as image:
            pixels.append(pack(image, side))
        plain.append(captions.ids(own))
        drawn: dict[str, list[int]] = {}
        for text in own:
            variant = str(chance.choice(NAMES, p=WEIGHTS / WEIGHTS.sum()))
            phrase = str(chance.choice(VARIANTS[variant][2]))
            joined = f"{text}, {phrase}" if chance.random() < 0.8 else f"{phrase}, {text}"
            drawn.setdefault(variant, []).extend(captions.ids([joined]))
        varied.append(drawn)
    return Photos(np.stack(pixels), plain, varied)


# ---------------------------------------------------------------------------------------------------------- embeddings


@dataclass(frozen=True)
class Words:
    """Encode n captions with MiniLM: the states of their word pieces, end to end, and the sentence embeddings."""

    states: NDArray[np.float16]  # T×384
    starts: NDArray[np.int64]  # n + 1
    sentences: NDArray[np.float16]  # n×384

    def batch(self, chosen: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """→ B×L×384 states, B×L mask, B×384 sentences (times SENTENCE_SCALE); −1 is the empty caption: zeros."""
        lengths = [int(self.starts[i + 1] - self.starts[i]) if i >= 0 else 1 for i in chosen]
        states = np.zeros((len(chosen), max(lengths), self.states.shape[1]), np.float32)
        mask = np.zeros(states.shape[:2], bool)
        sentences = np.zeros((len(chosen), self.sentences.shape[1]), np.float32)
        for row, (i, length) in enumerate(zip(chosen, lengths, strict=True)):
            mask[row, :length] = True
            if i >= 0:
                states[row, :length] = self.states[self.starts[i] : self.starts[i + 1]]
                sentences[row] = self.sentences[i] * np.float32(SENTENCE_SCALE)
        return torch.from_numpy(states), torch.from_numpy(mask), torch.from_numpy(sentences)


def cached_words(texts: Sequence[str], cache: Path, device: torch.device) -> Words:
    """Every caption through MiniLM once, kept on disk in float16 (about 14 kB a caption)."""
    from framesense.models.encoders.minilm import SentenceEncoder

    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    folder = cache / f"words-{key}"
    if not (folder / "starts.npy").exists():
        folder.mkdir(parents=True, exist_ok=True)
        encoder = SentenceEncoder(device)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        found: list[NDArray[np.float16]] = [np.empty(0, np.float16)] * len(texts)
        sentences = np.empty((len(texts), encoder.dimensions), np.float16)
        for start in tqdm(range(0, len(order), 128), desc="captions", unit="batch", mininterval=5):
            chosen = order[start : start + 128]
            encoded = encoder.encode_words([texts[place] for place in chosen], MAX_TOKENS)
            for place, states, sentence in zip(chosen, encoded.states, encoded.sentences, strict=True):
                found[place], sentences[place] = states.astype(np.float16), sentence.astype(np.float16)
        np.save(folder / "states.npy", np.concatenate(found))
        np.save(folder / "sentences.npy", sentences)
        np.save(folder / "starts.npy", np.concatenate([[0], np.cumsum([len(states) for states in found])]))
    return Words(
        np.load(folder / "states.npy", mmap_mode="r"),
        np.load(folder / "starts.npy"),
        np.load(folder / "sentences.npy"),
    )
