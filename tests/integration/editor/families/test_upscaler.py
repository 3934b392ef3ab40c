"""The ×4 upscaler enlarges in tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from editor.models.base import Cancelled, LoadedModel, Step
from editor.models.upscaler import _lay_on, _tiles
from framesense.schemas.edits import Task
from tests.support.tiny_edits import (
    HEIGHT,
    PHOTO,
    WIDTH,
    difference,
    edit,
    request,
)


def enlarge(loaded: LoadedModel, **changes: Any) -> np.ndarray[Any, Any]:
    asked = {"task": Task.UPSCALE_X4, "prompt": "", "width": 4 * WIDTH, "height": 4 * HEIGHT, "steps": 2}
    return edit(loaded, **(asked | changes))


def test_an_upscaler_enlarges_in_tiles(upscaler: LoadedModel) -> None:
    """The tiny one sees 32 × 32 pixels, so the photo is 3 × 2 tiles, each 8 pixels over the one before it."""
    assert upscaler.info.family == "stable-diffusion-upscaler"
    abilities = upscaler.model.abilities
    assert abilities.tasks == {Task.UPSCALE_X2, Task.UPSCALE_X4}
    assert abilities.any_size
    steps, shapes = list[tuple[int, int]](), set[tuple[int, ...]]()

    def on_step(step: Step) -> None:
        steps.append((step.done, step.total))
        shapes.update(preview.shape for preview in step.preview())

    asked = request(upscaler, task=Task.UPSCALE_X4, prompt="", width=4 * WIDTH, height=4 * HEIGHT, steps=2)
    made = upscaler.model.edit(asked, on_step)
    assert steps == [(done, 12) for done in range(1, 13)]
    assert shapes == {(4 * HEIGHT, 4 * WIDTH, 3)}
    assert made.pictures[0].shape == (4 * HEIGHT, 4 * WIDTH, 3)
    assert made.method == "Stable Diffusion ×4 upscaler"
    np.testing.assert_array_equal(made.pictures[0], enlarge(upscaler))
    assert difference(made.pictures[0], enlarge(upscaler, seeds=(4,))) > 0
    assert difference(made.pictures[0], enlarge(upscaler, strength=1.0)) > 0
    assert upscaler.model.relevance(asked, lambda: None) is None


@pytest.mark.parametrize(("width", "height"), [(64, 48), (37, 21), (5, 33), (32, 32)])
def test_an_upscaler_takes_photos_of_any_size(upscaler: LoadedModel, width: int, height: int) -> None:
    photo = PHOTO[:height, :width]
    for task, factor in ((Task.UPSCALE_X4, 4), (Task.UPSCALE_X2, 2)):
        size = {"width": factor * width, "height": factor * height}
        assert enlarge(upscaler, task=task, photo=photo, steps=1, **size).shape == (factor * height, factor * width, 3)


def test_tiles_cover_a_photo_and_show_no_seam() -> None:
    """Laid onto a picture of the same grey, tiles of a grey leave it one grey; onto black, they cover all of it."""
    for start, least in ((128, 128), (0, 1)):
        canvas = np.full((4 * HEIGHT, 4 * WIDTH, 3), start, np.uint8)
        for tile in _tiles(HEIGHT, WIDTH, 32):
            size = (4 * (tile.bottom - tile.top), 4 * (tile.right - tile.left), 3)
            _lay_on(canvas, np.full(size, 128 / 255, np.float32), tile)
        assert canvas.max() == 128
        assert canvas.min() >= least


def test_an_upscaler_stops_and_refuses(upscaler: LoadedModel) -> None:
    def stop(step: Step) -> None:
        if step.done == 3:
            raise Cancelled

    asked = request(upscaler, task=Task.UPSCALE_X4, prompt="", width=4 * WIDTH, height=4 * HEIGHT, steps=2)
    with pytest.raises(Cancelled):
        upscaler.model.edit(asked, stop)
    with pytest.raises(ValueError, match="cannot edit"):
        edit(upscaler)
