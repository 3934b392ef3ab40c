"""A decoder of captions small enough to train in a test, and what it is trained on."""

from pathlib import Path

import numpy as np
from PIL import Image

from captioner.models.show_attend_tell import DecoderSizes

SIZES = DecoderSizes(20, features=12, embedding=16, hidden=32, attention=8)


def save_captioned_photos(folder: Path) -> Path:
    """Save six photos of noise with two captions each, four of them to train on and two to validate; the folder."""
    (folder / "images").mkdir()
    lines = ["image,split,caption"]
    for number in range(6):
        chance = np.random.default_rng(number)
        Image.fromarray(chance.integers(0, 255, (64, 64, 3), np.uint8)).save(folder / "images" / f"{number}.jpg")
        split = "val" if number > 3 else "train"
        lines += [f"{number}.jpg,{split},A {('red', 'blue')[number % 2]} dog runs .", f"{number}.jpg,{split},A dog"]
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    return folder
