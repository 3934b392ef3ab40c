"""Make the example of the page *Video novelty*: ``python -m tools.example_video``.

A camera looks at a cup of coffee; a picture of a cat slides through, and later a rocket starts elsewhere. It is made of
the photos of the other examples, so that it may be given away as they are.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tools.mp4 import write_mp4
from tools.settings import ROOT

EXAMPLES = ROOT / "services" / "ui" / "ui" / "assets" / "examples"
WIDTH, HEIGHT, FPS, SECONDS = 480, 270, 12, 20
CAT, ROCKET = (6, 9), (14, 16)
"""From and to which second each is to be seen."""
NOISE = 3.0
"""Standard deviation of a pixel's noise, of 255: no camera gives the same picture twice."""


def _pictures() -> Iterator[NDArray[np.uint8]]:
    table, rocket = (_fill(name, (WIDTH, HEIGHT)) for name in ("coffee.jpg", "rocket.jpg"))
    cat = _fill("cat.jpg", (200, 150))
    noise = np.random.default_rng(0)
    for number in range(FPS * SECONDS):
        second = number / FPS
        picture = (rocket if ROCKET[0] <= second < ROCKET[1] else table).copy()
        if CAT[0] <= second < CAT[1]:
            way = (second - CAT[0]) / (CAT[1] - CAT[0])
            picture.paste(cat, (round(WIDTH - way * (WIDTH + cat.width)), HEIGHT - cat.height))
        pixels = np.asarray(picture, dtype=np.float32)
        yield np.clip(pixels + noise.normal(0, NOISE, pixels.shape), 0, 255).astype(np.uint8)


def _fill(name: str, size: tuple[int, int]) -> Image.Image:
    return ImageOps.fit(Image.open(EXAMPLES / name).convert("RGB"), size, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    (EXAMPLES / "video").mkdir(exist_ok=True)
    write_mp4(EXAMPLES / "video" / "coffee-table.mp4", _pictures(), (WIDTH, HEIGHT), fps=FPS, crf=30, preset="veryslow")
