"""Stable Diffusion's ×4 upscaler (Rombach et al., 2022): detail where enlarging has none, drawn from what it learnt.

It sees a small picture, noised a little, beside its latents, and draws one of four times the size; the more noise, the
freer it draws, so the strength asked for sets that: 20 of 1000 steps of noise, diffusers' default, at a strength of
0.5. A photo is done in tiles of the size that the model was trained at, each one running over into the next. ×2 is ×4,
halved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import cv2
import numpy as np
import torch

from editor.models.base import Check, Edited, Floats, ModelRequest, OnStep, Step
from editor.models.latent import Call, LatentDiffusion, PipelineComponents, as_image
from editor.models.schedulers import make_scheduler, watch
from framesense.media.images import RGB
from framesense.schemas.edits import Task

FACTOR = 4
OVERLAP = 16
"""Pixels of the photo by which neighbouring tiles run into each other; there, one fades into the other."""
NOISE_AT_FULL_STRENGTH = 40
_MULTIPLE = 8
PREVIEW_SIDE = 512


@dataclass(frozen=True)
class _Tile:
    """Rows and columns of the photo."""

    top: int
    bottom: int
    left: int
    right: int


class Upscaler(LatentDiffusion):
    """A U-Net of seven channels: four noisy ones, the small picture's three."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.UPSCALE_X2, Task.UPSCALE_X4})
    steps = 25
    note = "An upscaler: it enlarges photos and does not edit them. The detail it adds is likely, not true."

    def __init__(self, components: PipelineComponents, *, batch: int = 1, multiple_of: int | None = None) -> None:
        super().__init__(components, batch=1, multiple_of=multiple_of)
        self.abilities = replace(self.abilities, any_size=True, relevance=False)

    @torch.no_grad()
    def edit(self, request: ModelRequest, on_step: OnStep) -> Edited:
        """Enlarge ``photo``, the small one: see :meth:`editor.models.base.DiffusionModel.edit`."""
        self._check(request)
        photo = request.photo
        assert photo is not None, "there is nothing to enlarge"
        call = self._call(request)
        tiles = list(_tiles(photo.shape[0], photo.shape[1], self._side))
        each = len(tiles) * request.steps
        pictures = list[RGB]()
        for number, seed in enumerate(request.seeds):

            def tell(done: float, canvas: RGB, before: int = number * each) -> None:
                at, total = before + round(done * each), len(request.seeds) * each
                on_step(Step(at, total, lambda: [*pictures, _at_most(canvas, PREVIEW_SIDE)]))

            enlarged = self._enlarge(photo, tiles, request, call, seed, tell)
            pictures.append(_fitted(enlarged, request.width, request.height))
        return Edited(pictures, call.method, self._unread(request))

    def relevance(self, request: ModelRequest, check: Check) -> Floats | None:
        """Return None: an upscaler edits nothing."""
        return None

    @property
    def _side(self) -> int:
        """Of a tile, in pixels of the photo: one of them is one latent pixel."""
        size = self._unet.config.sample_size
        return int(size if isinstance(size, int) else min(size))

    def _call(self, request: ModelRequest) -> Call:
        import diffusers

        method = "Stable Diffusion ×4 upscaler" + (", then halved" if request.task is Task.UPSCALE_X2 else "")
        noise = round(NOISE_AT_FULL_STRENGTH * request.strength)
        return Call(diffusers.StableDiffusionUpscalePipeline, {"noise_level": noise}, method)

    def _enlarge(self, photo: RGB, tiles: list[_Tile], request: ModelRequest, call: Call, seed: int, tell: Any) -> RGB:
        """Enlarge a photo tile by tile, to 4·height × 4·width × 3.

        ``tell(done, canvas)``: the part of the work that is done, the picture so far.
        """
        height, width = photo.shape[:2]
        canvas = cv2.resize(photo, (FACTOR * width, FACTOR * height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        pipeline = self._pipeline(call.pipeline)
        for index, tile in enumerate(tiles):

            def after_step(done: int, total: int, denoised: Any, index: int = index) -> None:
                tell((index + done / total) / len(tiles), canvas)

            part = _padded(photo[tile.top : tile.bottom, tile.left : tile.right])
            pipeline.scheduler = watch(make_scheduler(request.scheduler, self._config), after_step)
            one = replace(request, seeds=((seed + index) % 2**32,))
            arguments = {**call.arguments, "image": [as_image(part)]}
            try:
                large = self._run(pipeline, one, replace(call, arguments=arguments))[0]
            finally:
                pipeline.scheduler = self._components.parts["scheduler"]
            self._require_finite(large)
            _lay_on(canvas, large, tile)
        return canvas


def _tiles(height: int, width: int, side: int) -> Iterator[_Tile]:
    """Yield the tiles that cover a photo, row by row; each runs :data:`OVERLAP` pixels into those before it."""
    for top, bottom in _spans(height, side):
        for left, right in _spans(width, side):
            yield _Tile(top, bottom, left, right)


def _spans(length: int, side: int) -> Iterator[tuple[int, int]]:
    """Yield the begin and end of each tile along a side.

    The last one ends at the end, as long as the others where there is room.
    """
    overlap = min(OVERLAP, side // 4)
    start = 0
    while start + side < length:
        yield start, start + side
        start += side - overlap
    yield max(0, min(start, length - side)), length


def _padded(part: RGB) -> RGB:
    """Repeat a picture's last rows and columns up to a size that the network takes."""
    height, width = part.shape[:2]
    more = ((0, -height % _MULTIPLE), (0, -width % _MULTIPLE), (0, 0))
    return np.pad(part, more, mode="edge")


def _lay_on(canvas: RGB, large: Floats, tile: _Tile) -> None:
    """Put an enlarged tile where it belongs; over the part that tiles before it have drawn, it fades in."""
    height, width = FACTOR * (tile.bottom - tile.top), FACTOR * (tile.right - tile.left)
    rows = slice(FACTOR * tile.top, FACTOR * tile.bottom)
    columns = slice(FACTOR * tile.left, FACTOR * tile.right)
    down = _fade(height, begins=tile.top == 0)
    across = _fade(width, begins=tile.left == 0)
    weights = np.minimum(down[:, None], across[None, :])[:, :, None]
    mixed = (1 - weights) * canvas[rows, columns] + weights * 255 * large[:height, :width]
    canvas[rows, columns] = mixed.round().clip(0, 255).astype(np.uint8)


def _fade(length: int, *, begins: bool) -> Floats:
    """Return weights from 0 to 1 over the overlap, unless the tile is the first."""
    overlap = min(FACTOR * OVERLAP, length)
    weights = np.ones(length, np.float32)
    if not begins:
        weights[:overlap] = (np.arange(overlap, dtype=np.float32) + 0.5) / overlap
    return weights


def _fitted(picture: RGB, width: int, height: int) -> RGB:
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _at_most(picture: RGB, side: int) -> RGB:
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    return _fitted(picture, max(1, round(width * scale)), max(1, round(height * scale)))
