"""The colours of pictures in words."""

import numpy as np
import pytest
from PIL import Image

from framesense.media.colour_words import colour_words


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ((128, 128, 130), "mostly grey"),
        ((250, 250, 250), "mostly white"),
        ((5, 10, 5), "mostly dark"),
        ((220, 20, 30), "mostly red"),
        ((30, 60, 200), "mostly blue"),
        ((240, 200, 20), "mostly yellow"),
        ((10, 150, 60), "mostly green"),
    ],
)
def test_colours_have_names(colour: tuple[int, int, int], words: str) -> None:
    assert colour_words(Image.new("RGB", (50, 20), colour)) == words


def test_a_colourful_picture_is_of_no_one_colour() -> None:
    picture = np.zeros((30, 30, 3), np.uint8)
    picture[:10], picture[10:20], picture[20:] = (220, 20, 30), (30, 60, 200), (10, 150, 60)
    assert colour_words(Image.fromarray(picture)) == "in many colours"
