"""Measure the embedded dual encoder on photos it was not trained on.

    python -m training.evaluate_tagger --data DIR... --model models/tagger-dual-encoder [--rooms DIR] [--emoji FONT.ttf]

Prints its figures and writes figures.json into the model's folder.

- Retrieval: the test photos of each DIR (see training/data.py) and their first captions, both ways: R@1, R@5, R@10.
- Rooms: photos in folders named as their label, none of which was used in training. "a photo of a {label}" with the
  labels' names.
- Light: each photo of rooms by day and drawn at night, in fog, in the snow, in warm and in cold light
  (training/photo_variants.py): how often the words for it fit the drawn one better than the plain one.
- Animals: ten drawn animals, emoji of the font NotoColorEmoji.ttf (Debian: fonts-noto-color-emoji), on white.
- Calibration: how well scores tell right labels from wrong ones, by average precision over all pairs of photo and label
  at once, so that labels' levels matter: on rooms (6 labels) and on the validation captions (each photo against the
  first captions of 20 photos).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from framesense.models.spec import choose_dtype
from framesense.schemas.tags import DEFAULT_TEMPLATE
from tagger.labels.prompts import fill
from tagger.models.embedded import EmbeddedDualEncoder
from tagger.tags.calibration import NEUTRAL_PROMPTS, BackgroundCalibration, shares
from training.config import parse_recipe
from training.data import default_cache, read_captions, read_photos
from training.dual_encoder import ranks, recall
from training.dual_encoder_data import cached_pooled, cached_sentences
from training.photo_variants import vary

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

ANIMALS = {
    "cat": "🐈🐱",
    "dog": "🐕🐶",
    "horse": "🐎🐴",
    "elephant": "🐘",
    "monkey": "🐒🐵",
    "rabbit": "🐇🐰",
    "fish": "🐟🐠",
    "bird": "🐦🐤",
    "tiger": "🐅🐯",
    "bear": "🐻",
}


LIGHTS = {
    "night": "at night",
    "daylight": "in bright daylight",
    "fog": "in fog",
    "snow": "in the snow",
    "warm": "warm light",
    "cold": "cold light",
}


@dataclass(frozen=True)
class EvaluateTaggerRecipe:
    """The options of the command line."""

    data: Annotated[tuple[Path, ...], "folders with captions.csv and images/"]
    model: Annotated[Path, "folder that training.dual_encoder wrote"]
    rooms: Annotated[Path | None, "folder with a folder of photos for each label"] = None
    emoji: Annotated[Path | None, "NotoColorEmoji.ttf"] = None
    cache: Annotated[Path | None, "where features and sentences are kept; by default the training cache"] = None
    threads: Annotated[int, "CPU threads (0: torch decides)"] = 0


def average_precision(scores: Floats, right: Flags) -> float:
    """Compute the area under precision and recall, as a sum over the right ones in the order of their scores."""
    hits = right.ravel()[np.argsort(-scores.ravel(), kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, hits.size + 1)
    return float(precision[hits].mean())


def separations(
    images: Floats, texts: Floats, right: Flags, model: EmbeddedDualEncoder, calibration: BackgroundCalibration
) -> dict[str, float]:
    """Compute the average precision of each way to score n × m pairs."""
    cosine = images @ texts.T
    neutral = model.encode_texts(NEUTRAL_PROMPTS).mean(axis=0)
    mean, _ = calibration.level(texts)
    z = calibration.z_scores(images, texts)
    return {
        "cosine": average_precision(cosine, right),
        "cosine − neutral prompts": average_precision(cosine - (images @ neutral)[:, None], right),
        "softmax at the temperature of training": average_precision(shares(model.logit_scale * cosine), right),
        "cosine − background mean": average_precision(cosine - mean, right),
        "z-score": average_precision(z, right),
        "softmax of z-scores": average_precision(shares(z), right),
    }


def retrieval_vectors(model: EmbeddedDualEncoder, folder: Path, split: str, cache: Path) -> tuple[Floats, Floats]:
    """Embed the N×384 photos of a split and N×384 first captions."""
    photos, captions = read_photos(folder, split), read_captions(folder, split)
    images = model.embed_pooled(cached_pooled(photos, "plain", cache, model.encoder))
    sentences = cached_sentences([captions[photo.path.name][0] for photo in photos], cache, torch.device("cpu"))
    with torch.inference_mode():
        vectors: Floats = model.text_head(torch.from_numpy(sentences)).numpy()
    return images, vectors


def light_words(model: EmbeddedDualEncoder, photos: Sequence[NDArray[np.uint8]], plain: Floats) -> dict[str, float]:
    """Return, for each light, the percentage of photos whose rendering fits its words better than the photo does."""
    chance = np.random.default_rng(0)
    figures = {}
    for name, words in LIGHTS.items():
        drawn = embed_pictures(model, [vary(photo, name, chance) for photo in photos])
        text = model.encode_texts([words])[0]
        figures[words] = 100 * float((drawn @ text > plain @ text).mean())
    return figures


def embed_pictures(model: EmbeddedDualEncoder, pictures: Sequence[NDArray[np.uint8]]) -> Floats:
    batches = [pictures[start : start + 32] for start in range(0, len(pictures), 32)]
    return np.concatenate(
        [model.encode_images(torch.stack([model.preprocess(picture) for picture in batch])) for batch in batches]
    )


def draw_animals(font_file: Path) -> tuple[list[NDArray[np.uint8]], list[str]]:
    """Draw emoji at the one size that the font has, on white."""
    font = ImageFont.truetype(str(font_file), 109)
    pictures, labels = [], []
    for label, signs in ANIMALS.items():
        for sign in signs:
            image = Image.new("RGB", (160, 160), "white")
            ImageDraw.Draw(image).text((12, 20), sign, font=font, embedded_color=True)
            pictures.append(np.array(image))
            labels.append(label)
    return pictures, labels


def zero_shot(
    model: EmbeddedDualEncoder, calibration: BackgroundCalibration, images: Floats, truth: Sequence[str]
) -> tuple[dict[str, float], Floats, Flags]:
    """Measure the accuracy in percent by calibrated score and by bare cosine.

    Returns it with the label vectors, and which label is right.
    """
    labels = sorted(set(truth))
    texts = model.encode_texts([fill(DEFAULT_TEMPLATE, label) for label in labels])
    right = np.array([[label == true for label in labels] for true in truth])
    odds, cosine = calibration.log_odds(images, texts), images @ texts.T
    rows = np.arange(len(truth))
    figures = {
        "accuracy": 100 * float(right[rows, odds.argmax(1)].mean()),
        "accuracy by cosine": 100 * float(right[rows, cosine.argmax(1)].mean()),
    }
    return figures, texts, right


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(EvaluateTaggerRecipe, __doc__, argv)
    cache = recipe.cache or default_cache()
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    device = torch.device("cpu")
    model = EmbeddedDualEncoder.load(recipe.model, device, choose_dtype("auto", device))
    calibration = BackgroundCalibration.load(recipe.model)
    figures: dict[str, dict[str, float]] = {}

    embedded: dict[str, tuple[Floats, Floats]] = {}
    for folder in recipe.data:
        for split in ("val", "test"):
            images, first_captions = retrieval_vectors(model, folder, split, cache)
            embedded.setdefault(split, (images, first_captions))  # the first folder's measure the calibration below
            pictures, first = torch.from_numpy(images), torch.from_numpy(first_captions)
            for way, ranked in (("text → photo", ranks(first, pictures)), ("photo → text", ranks(pictures, first))):
                name = f"{folder.name} {split}, {len(images)} photos, {way}"
                figures[name] = {f"R@{k}": recall(ranked, k) for k in (1, 5, 10)}

    images, first_captions = embedded["val"]
    blocks = [slice(start, start + 20) for start in range(0, len(images) - 19, 20)]
    right = np.eye(20, dtype=bool)
    parts = [separations(images[b], first_captions[b], right, model, calibration) for b in blocks]
    figures["average precision, val captions"] = {k: float(np.mean([part[k] for part in parts])) for k in parts[0]}

    if recipe.rooms:
        files = sorted(recipe.rooms.glob("*/*.jpg"))
        pictures_of_rooms = [np.array(Image.open(file).convert("RGB")) for file in files]
        rooms = embed_pictures(model, pictures_of_rooms)
        scores, labels, fits = zero_shot(model, calibration, rooms, [f.parent.name.replace("_", " ") for f in files])
        figures["rooms"] = scores
        evenly = slice(None, None, 6)
        figures["light, of 40 rooms"] = light_words(model, pictures_of_rooms[evenly], rooms[evenly])
        figures["average precision, rooms"] = separations(rooms, labels, fits, model, calibration)
    if recipe.emoji:
        drawn, names = draw_animals(recipe.emoji)
        figures["drawn animals, zero-shot"] = zero_shot(model, calibration, embed_pictures(model, drawn), names)[0]

    for name, values in figures.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in values.items()))
    rounded = {name: {key: round(value, 3) for key, value in values.items()} for name, values in figures.items()}
    (recipe.model / "figures.json").write_text(json.dumps(rounded, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
