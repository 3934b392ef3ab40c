"""Draw captioned photos in another light, colour or weather, so that the tagger learns the words for it.

    python -m training.relit_photos --data DIR DIR --out RELIT

Few captions speak of the light. Some training photos are rendered as the editor's training renders them ("at night",
"in fog", "in warm light"; training/photo_variants.py), and the words are put to a caption of the photo.

OUT holds captions.csv and images/, as training/data.py reads them.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image

from training.config import parse_recipe
from training.data import read_captions
from training.photo_variants import NAMES, VARIANTS, WEIGHTS, vary

SENTENCES = ("{caption}, {phrase}", "{phrase}: {caption}", "{caption} {phrase}")


@dataclass(frozen=True)
class RelitPhotosRecipe:
    """The options of the command line."""

    data: Annotated[tuple[Path, ...], "folders with captions.csv and images/"]
    out: Annotated[Path, "a folder, made if need be"]
    photos: Annotated[tuple[int, ...], "how many training photos of each folder"] = (1000, 600)
    seed: int = 5


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(RelitPhotosRecipe, __doc__, argv)
    (recipe.out / "images").mkdir(parents=True, exist_ok=True)
    chance, random_state = random.Random(recipe.seed), np.random.default_rng(recipe.seed)
    with (recipe.out / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "split", "caption"])
        for folder, count in zip(recipe.data, recipe.photos, strict=True):
            captions = read_captions(folder, "train")
            for name in chance.sample(sorted(captions), min(count, len(captions))):
                variant = str(random_state.choice(NAMES, p=WEIGHTS / WEIGHTS.sum()))
                caption = chance.choice(captions[name]).strip().rstrip(".").strip()
                with Image.open(folder / "images" / name) as opened:
                    relit = vary(np.array(opened.convert("RGB")), variant, random_state)
                target = f"{variant}-{Path(name).stem}.png"
                Image.fromarray(relit).save(recipe.out / "images" / target)
                for sentence in SENTENCES:
                    phrase = chance.choice(VARIANTS[variant][2])
                    writer.writerow([target, "train", sentence.format(caption=caption, phrase=phrase)])
    print(f"photos in another light in {recipe.out}")


if __name__ == "__main__":
    main()
