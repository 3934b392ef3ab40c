"""Measure the embedded editor on photos it was not trained on.

    python -m training.evaluate_editor --model models/editor-pixel-diffusion --tagger models/tagger-dual-encoder \\
        --rooms DIR

DIR holds a folder of photos for each label. Prints its figures, writes figures.json into the model's folder and, with
--sheet, a picture of some edits of scikit-image's photos.

- Does the edit follow the words? *Direction similarity* (Gal et al., StyleGAN-NADA, 2022): the cosine, in the tagger's
  space, of what changed in the picture and what changed in the words, "a photo of a bedroom at night" − "a photo of a
  bedroom". And the attribute itself: lightness and warmth as CIE L* and b*, colourfulness as the mean chroma.
- How much of the rest is kept? *Structure*: the third factor of SSIM (Wang et al., 2004), the local correlation of the
  two pictures' luminance, which does not ask whether the light is the same. *Feature distance*, after LPIPS (Zhang et
  al., 2018): squared differences of EfficientNet-Lite2's features at three stages, each place's vector normalised to
  length 1 (not calibrated on people's judgement, as LPIPS is). Both also outside the changed region: where the picture,
  blurred, changed by less than 5 % of the range; and there SSIM as it is.
- Compared with: the network's picture enlarged (SDEdit as it comes), its difference from the photo enlarged, plain
  SDEdit carried by guided upsampling.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from editor.imaging.upsampling import carry, shrink
from editor.models.base import ModelRequest
from editor.models.embedded import PixelDiffusionEditor
from framesense.models.encoders.efficientnet_lite2 import normalise, squash
from framesense.schemas.edits import Task
from tagger.models.embedded import EmbeddedDualEncoder
from training.config import parse_recipe

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

PROMPTS = ("at night", "in bright daylight", "warm light", "in the snow", "cold light", "in fog")
STRENGTHS = (0.2, 0.4, 0.6, 0.9)
METHODS = ("as committed", "SDEdit, enlarged", "SDEdit, difference enlarged", "SDEdit, guided upsampling")
WANTED = {
    "at night": ("L*", -1),
    "in bright daylight": ("L*", 1),
    "warm light": ("b*", 1),
    "in the snow": ("L*", 1),
    "cold light": ("b*", -1),
    "in fog": ("chroma", -1),
}
"""What of the look the words are about, and which way it should go."""
STAGES = (2, 3, 4)
"""Of EfficientNet-Lite2's seven, counted from 0: 33, 17 and 17 places a side."""
UNCHANGED = 0.05
"""Of the range: what a blurred pixel may change and still count as outside the changed region."""


@dataclass(frozen=True)
class EvaluateEditorRecipe:
    """The options of the command line."""

    model: Annotated[Path, "folder that training.pixel_diffusion wrote"]
    tagger: Annotated[Path, "folder that training.dual_encoder wrote"]
    rooms: Annotated[Path, "folder with a folder of photos for each label"]
    photos: Annotated[int, "how many of them, evenly spread"] = 16
    compared: Annotated[int, "photos that the methods are compared on"] = 8
    sheet: Annotated[Path | None, "where a picture of some edits goes"] = None
    threads: Annotated[int, "CPU threads (0: torch decides)"] = 0


# ------------------------------------------------------------------------------------------------------------ measures


class Likeness:
    """How much two pictures have in common, whatever the light."""

    def __init__(self, encoder: nn.Module) -> None:
        self._encoder: Any = encoder

    @torch.inference_mode()
    def features(self, picture: Pixels) -> list[Tensor]:
        """Compute the features of each stage, C×h×w, each place's vector of length 1."""
        x = normalise(squash(picture)[None], torch.device("cpu"))
        x = self._encoder.bn1(self._encoder.conv_stem(x))
        found = []
        for number, stage in enumerate(self._encoder.blocks[: max(STAGES) + 1]):
            x = stage(x)
            if number in STAGES:
                found.append(F.normalize(x, dim=1)[0])
        return found

    def distance(self, before: Sequence[Tensor], after: Sequence[Tensor], weights: Floats | None = None) -> float:
        """Measure the distance of features, 0 for the same picture; ``weights``: H×W, where it counts."""
        total = 0.0
        for one, other in zip(before, after, strict=True):
            apart = (one - other).square().sum(dim=0).numpy()
            if weights is None:
                total += float(apart.mean())
            else:
                share = cv2.resize(weights, apart.shape[::-1], interpolation=cv2.INTER_AREA)
                total += float((apart * share).sum() / max(share.sum(), 1e-6))
        return total / len(before)


def structure(before: Pixels, after: Pixels) -> Floats:
    """Measure the local correlation of luminance, H×W, by an 11×11 Gaussian window of sigma 1.5, as SSIM has it."""

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float32)

    x, y = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) for picture in (before, after))
    stable = (0.03 * 255) ** 2 / 2
    deviation_x, deviation_y = (np.sqrt(np.maximum(mean(v * v) - mean(v) ** 2, 0)) for v in (x, y))
    # a flat or very dark place has no structure to lose: the constant of SSIM makes it 1 there
    structure: Floats = (mean(x * y) - mean(x) * mean(y) + stable) / (deviation_x * deviation_y + stable)
    return structure


def unchanged(before: Pixels, after: Pixels) -> Floats:
    """Mark with 1, H×W, where the blurred picture changed by less than UNCHANGED."""
    apart = cv2.GaussianBlur(after.astype(np.float32) - before, (0, 0), before.shape[0] / 64)
    small: Floats = (np.abs(apart).mean(axis=2) < 255 * UNCHANGED).astype(np.float32)
    return small


def look(picture: Pixels) -> dict[str, float]:
    """Measure a picture's look: mean CIE L* (0–100), mean b* (yellow above 0, blue below), mean chroma."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return {
        "L*": float(lab[..., 0].mean()),
        "b*": float(lab[..., 2].mean()),
        "chroma": float(np.hypot(lab[..., 1], lab[..., 2]).mean()),
    }


@dataclass(frozen=True)
class Photo:
    """A photo and what is measured of it once."""

    picture: Pixels
    label: str
    embedding: Floats
    features: list[Tensor]


class Bench:
    """The editor, and everything that its pictures are measured with."""

    def __init__(self, recipe: EvaluateEditorRecipe) -> None:
        device = torch.device("cpu")
        self.editor = PixelDiffusionEditor.load(recipe.model, device)
        self.tagger = EmbeddedDualEncoder.load(recipe.tagger, device)
        self.likeness = Likeness(self.tagger.encoder)
        self._texts: dict[str, Floats] = {}

    def photo(self, file: Path) -> Photo:
        picture = np.array(Image.open(file).convert("RGB"))
        label = file.parent.name.replace("_", " ")
        return Photo(picture, label, self.embed(picture), self.likeness.features(picture))

    def embed(self, picture: Pixels) -> Floats:
        return np.asarray(self.tagger.encode_images(self.tagger.preprocess(picture)[None])[0], np.float32)

    def text(self, words: str) -> Floats:
        if words not in self._texts:
            self._texts[words] = np.asarray(self.tagger.encode_texts([words])[0], np.float32)
        return self._texts[words]

    def edit(self, photo: Pixels, prompt: str, strength: float, method: str = METHODS[0], seed: int = 7) -> Pixels:
        abilities = self.editor.abilities
        request = ModelRequest(
            task=Task.EDIT,
            prompt=prompt,
            negative_prompt="",
            strength=strength,
            steps=abilities.default_steps,
            guidance_scale=abilities.default_guidance_scale,
            scheduler=abilities.default_scheduler,
            seeds=(seed,),
            width=photo.shape[1],
            height=photo.shape[0],
            photo=photo,
        )
        if method == METHODS[0]:
            return self.editor.edit(request, lambda step: None).pictures[0]
        small = shrink(photo, self.editor.side)
        with torch.inference_mode():
            painted = self.editor.run_twice(request, small, seed, noises=1, paired=False).with_words
        if method == "SDEdit, guided upsampling":
            return carry(photo, small, painted)
        alone = method == "SDEdit, enlarged"
        large = cv2.resize(painted if alone else painted - small, photo.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        return np.clip((large if alone else photo / 255 + large) * 255 + 0.5, 0, 255).astype(np.uint8)

    def measure(self, photo: Photo, edited: Pixels, prompt: str) -> dict[str, float]:
        words = self.text(f"a photo of a {photo.label}, {prompt}") - self.text(f"a photo of a {photo.label}")
        moved = self.embed(edited) - photo.embedding
        features = self.likeness.features(edited)
        rest = unchanged(photo.picture, edited)
        shapes = structure(photo.picture, edited)
        before, after = look(photo.picture), look(edited)
        length = float(np.linalg.norm(moved) * np.linalg.norm(words))
        found = {
            "direction similarity": float(moved @ words) / length if length > 1e-6 else 0.0,
            "gain": float(moved @ self.text(f"a photo of a {photo.label}, {prompt}")),
            "structure": float(shapes.mean()),
            "feature distance": self.likeness.distance(photo.features, features),
            "unchanged share": float(rest.mean()),
            **{f"change of {name}": after[name] - before[name] for name in before},
        }
        if prompt in WANTED:
            name, way = WANTED[prompt]
            found["right way"] = float(way * (after[name] - before[name]) > 0)
        if rest.mean() > 0.02:
            ssim = structural_similarity(photo.picture, edited, channel_axis=2, data_range=255, full=True)[1].mean(
                axis=2
            )
            found["SSIM outside"] = float((ssim * rest).sum() / rest.sum())
            found["feature distance outside"] = self.likeness.distance(photo.features, features, rest)
        return found


# --------------------------------------------------------------------------------------------------------------- report


def averages(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Average each figure over those rows that have it."""
    columns: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.items():
            columns[name].append(value)
    return {name: round(float(np.mean(values)), 4) for name, values in columns.items()}


def draw_sheet(bench: Bench, strength: float, file: Path) -> None:
    """Draw edits of scikit-image's own photos, which anyone may show: a row a photo, then an edit a prompt."""
    photos = [skimage.data.coffee(), skimage.data.chelsea(), skimage.data.astronaut(), skimage.data.rocket()]
    side, head = 192, 16
    sheet = Image.new("RGB", (side * (len(PROMPTS) + 1), head + side * len(photos)), "white")
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(("photo", *PROMPTS)):
        pen.text((column * side + 4, 2), title, fill="black")
    for row, photo in enumerate(photos):
        pictures = [photo, *(bench.edit(photo, prompt, strength) for prompt in PROMPTS)]
        for column, picture in enumerate(pictures):
            small = ImageOps.fit(Image.fromarray(picture), (side, side))
            sheet.paste(small, (column * side, head + row * side))
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(EvaluateEditorRecipe, __doc__, argv)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    bench = Bench(recipe)
    files = sorted(recipe.rooms.glob("*/*.jpg"))
    photos = [bench.photo(file) for file in files[:: max(1, len(files) // recipe.photos)]]
    figures: dict[str, Any] = {
        "photos": len(photos),
        "prompts": {},
        "methods": {},
        "words that ask for nothing, strength 0.5": averages(
            [bench.measure(photo, bench.edit(photo.picture, f"a {photo.label}", 0.5), "by day") for photo in photos]
        ),
    }
    for prompt in PROMPTS:
        by_strength = {}
        for strength in tqdm(STRENGTHS, desc=prompt, mininterval=5):
            rows = [bench.measure(photo, bench.edit(photo.picture, prompt, strength), prompt) for photo in photos]
            by_strength[str(strength)] = averages(rows)
        figures["prompts"][prompt] = by_strength
    compared = photos[:: max(1, len(photos) // recipe.compared)]
    for method in METHODS:
        figures["methods"][method] = {
            prompt: averages(
                [bench.measure(photo, bench.edit(photo.picture, prompt, 0.5, method), prompt) for photo in compared]
            )
            for prompt in PROMPTS[:4]
        }
    (recipe.model / "figures.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for prompt, by_strength in figures["prompts"].items():
        for strength, values in by_strength.items():
            print(f"{prompt}, {strength}: " + ", ".join(f"{name} {value:.3g}" for name, value in values.items()))
    for method, by_prompt in figures["methods"].items():
        for prompt, values in by_prompt.items():
            print(f"{method}, {prompt}: " + ", ".join(f"{name} {value:.3g}" for name, value in values.items()))
    if recipe.sheet:
        draw_sheet(bench, 0.5, recipe.sheet)


if __name__ == "__main__":
    main()
