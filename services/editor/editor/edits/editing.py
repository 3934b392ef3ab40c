"""Take an edit from its prepared pictures to finished ones: find the region, run the model, restore, measure, encode.

The only place that knows the order of things; each of them is in a module of its own.
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from editor.edits.edit_queue import EditTask
from editor.edits.previews import Previews
from editor.edits.resolve import CLASSICAL
from editor.edits.sources import PreparedEdit
from editor.imaging.change import change_map, measure
from editor.imaging.masks import encode_mask, feather
from editor.imaging.preservation import Region, keep, region_of_words
from editor.imaging.restoration import denoise, plain_upscale, upscale
from editor.imaging.sizing import model_size, resize, resize_mask
from editor.metrics import EditMetrics
from editor.models.base import Edited, LoadedModel, ModelRequest, Step
from editor.settings import EditorSettings
from framesense.edits.rules import ENLARGEMENTS, schedule_steps
from framesense.http.problems import ProblemError
from framesense.media.images import RGB
from framesense.models.errors import is_out_of_memory
from framesense.schemas.edits import EditedImage, EditEvent, ImageEvent, Preserve, StepEvent, Task
from framesense.serving.memory import release

log = logging.getLogger(__name__)

EventTask = EditTask[EditEvent]

ENLARGED = 1.5
"""From this factor on, a note says that the result was enlarged."""


@dataclass(frozen=True)
class _RawPicture:
    """A picture that is to be finished."""

    index: int
    seed: int
    picture: RGB
    method: str
    notes: list[str]
    seconds: float


class EditExecutor:
    """Run edits with one model; called on the queue's threads, by one edit at a time."""

    def __init__(self, loaded: LoadedModel, settings: EditorSettings, metrics: EditMetrics) -> None:
        self._loaded, self._settings, self._metrics = loaded, settings, metrics
        self._batch_limit: int | None = None

    @property
    def batch_limit(self) -> int | None:
        """Return the most pictures a call, once a larger batch ran out of memory."""
        return self._batch_limit

    def run(self, prepared: PreparedEdit, task: EventTask) -> None:
        """Run a whole edit and emit its events.

        Raises:
            Cancelled, QueueClosed: from the task.
            ProblemError: the model cannot do it, or has not the memory for it.
        """
        try:
            if prepared.resolved.by_model:
                self._by_model(prepared, task)
            else:
                self._classically(prepared, task)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        else:
            return
        release()  # outside of the handler: its traceback holds the failed call's tensors
        raise _out_of_memory()

    def warm_up(self) -> None:
        """Take a first step, so that the first edit takes no longer than the next."""
        abilities = self._loaded.model.abilities
        if not abilities.tasks & {Task.EDIT, Task.GENERATE}:
            return  # an upscaler, whose first step is not much slower than the next
        side = abilities.size
        task = Task.EDIT if Task.EDIT in abilities.tasks else Task.GENERATE
        request = ModelRequest(
            task=task,
            prompt="a photo",
            negative_prompt="",
            strength=1.0,
            steps=1,
            guidance_scale=abilities.default_guidance_scale,
            scheduler=abilities.default_scheduler,
            seeds=(0,),
            width=side,
            height=side,
            photo=np.full((side, side, 3), 128, np.uint8) if task is Task.EDIT else None,
            mask=np.ones((side, side), np.float32) if abilities.needs_mask else None,
        )
        self._loaded.model.edit(request, lambda step: None)

    # ------------------------------------------------------------------------------------------- by the model

    def _by_model(self, prepared: PreparedEdit, task: EventTask) -> None:
        resolved = prepared.resolved
        began = time.perf_counter()
        source = _source(prepared)
        request = self._request(prepared, source)
        region = self._region(prepared, request, task)
        request = self._where(request, region)
        previews = Previews(self._settings.editor_preview_interval, self._settings.editor_preview_side)
        done = 0
        while done < len(resolved.seeds):
            task.check()
            seeds = resolved.seeds[done : done + self._batch]
            edited = self._call(request, seeds, done, region, source, previews, task)
            if edited is None:
                continue
            seconds, began = time.perf_counter() - began, time.perf_counter()
            notes = [*resolved.notes, *self._sizing_notes(prepared, request), *_region_notes(region), *edited.notes]
            for index, (seed, picture) in enumerate(zip(seeds, edited.pictures, strict=True), done):
                raw = _RawPicture(index, seed, picture, edited.method, notes, seconds / len(seeds))
                task.finish(partial(self._finish, prepared, source, region, raw, task))
            done += len(seeds)

    @property
    def _batch(self) -> int:
        return min(self._loaded.model.abilities.batch, self._batch_limit or 2**31)

    def _request(self, prepared: PreparedEdit, source: RGB | None) -> ModelRequest:
        parameters, abilities = prepared.resolved.parameters, self._loaded.model.abilities
        assert parameters.steps and parameters.scheduler and parameters.guidance_scale is not None
        width, height = prepared.width, prepared.height
        photo = prepared.photo
        if not abilities.any_size or photo is None:
            width, height = model_size(width, height, abilities.size, abilities.multiple_of)
            photo = None if source is None else resize(source, width, height)
        return ModelRequest(
            task=parameters.task,
            prompt=parameters.prompt,
            negative_prompt=parameters.negative_prompt,
            strength=parameters.strength,
            steps=schedule_steps(parameters.steps, parameters.strength),
            guidance_scale=parameters.guidance_scale,
            scheduler=parameters.scheduler,
            seeds=(),
            width=width,
            height=height,
            photo=photo,
        )

    def _region(self, prepared: PreparedEdit, request: ModelRequest, task: EventTask) -> Region | None:
        """Return the region in which the result may change; None for the whole picture."""
        parameters, drawn = prepared.resolved.parameters, _drawn_region(prepared)
        if parameters.preserve is not Preserve.AUTO:
            return drawn
        request = replace(request, seeds=(prepared.resolved.seeds[0],))
        relevance = self._loaded.model.relevance(request, task.check)
        if relevance is None:
            detail = "This model cannot tell where words apply. Send a mask instead of preserve=auto."
            raise ProblemError(422, "unsupported-option", "Unsupported option", detail)
        found = region_of_words(relevance, prepared.width, prepared.height, parameters.mask_blur)
        return found if drawn is None else Region(found.weights * drawn.weights, found.note)

    def _where(self, request: ModelRequest, region: Region | None) -> ModelRequest:
        if region is not None:
            return replace(request, mask=resize_mask(region.weights, request.width, request.height))
        if self._loaded.model.abilities.needs_mask and request.task is not Task.GENERATE:
            return replace(request, mask=np.ones((request.height, request.width), np.float32))
        return request

    def _call(
        self,
        request: ModelRequest,
        seeds: Sequence[int],
        first: int,
        region: Region | None,
        source: RGB | None,
        previews: Previews,
        task: EventTask,
    ) -> Edited | None:
        """Call the model; return None where the batch did not fit into memory and a smaller one is to be tried."""
        if region is not None and source is not None and not region.weights.any():
            return Edited([source] * len(seeds), "left as it was")

        def on_step(step: Step) -> None:
            task.check()
            for offset, preview in enumerate(previews.take(step.preview) or [None] * len(seeds)):
                task.emit(StepEvent(image=first + offset, step=step.done, steps=step.total, preview=preview))

        try:
            return self._loaded.model.edit(replace(request, seeds=tuple(seeds)), on_step)
        except ValueError as error:
            raise ProblemError(422, "unsupported-option", "Unsupported option", str(error)) from error
        except Exception as error:
            if len(seeds) == 1 or not is_out_of_memory(error):
                raise
        self._batch_limit = len(seeds) // 2
        log.warning("%d pictures a call ran out of memory; from now on at most %d", len(seeds), self._batch_limit)
        release()
        return None

    def _sizing_notes(self, prepared: PreparedEdit, request: ModelRequest) -> list[str]:
        notes = []
        if prepared.width > ENLARGED * request.width or prepared.height > ENLARGED * request.height:
            notes.append(
                f"changed at the model's {request.width} × {request.height} pixels, then enlarged to "
                f"{prepared.width} × {prepared.height}: what changed is less sharp than the photo"
            )
        note = self._loaded.model.abilities.note or self._loaded.info.note
        return [*notes, note] if note else notes

    # -------------------------------------------------------------------------------------------- classically

    def _classically(self, prepared: PreparedEdit, task: EventTask) -> None:
        began = time.perf_counter()
        parameters, photo = prepared.resolved.parameters, prepared.photo
        assert photo is not None
        previews = Previews(self._settings.editor_preview_interval, self._settings.editor_preview_side)

        def on_tile(done: int, total: int, picture: RGB) -> None:
            task.check()
            shown = previews.take(lambda: [picture])
            task.emit(StepEvent(image=0, step=done, steps=total, preview=shown[0] if shown else None))

        factor = ENLARGEMENTS.get(parameters.task)
        picture = denoise(photo, parameters.strength, on_tile) if factor is None else upscale(photo, factor, on_tile)
        source, region = _source(prepared), _drawn_region(prepared)
        (seed,) = prepared.resolved.seeds
        notes = prepared.resolved.notes
        raw = _RawPicture(0, seed, picture, CLASSICAL[parameters.task], notes, time.perf_counter() - began)
        task.finish(partial(self._finish, prepared, source, region, raw, task))

    # ---------------------------------------------------------------------------------------------- finishing

    def _finish(
        self, prepared: PreparedEdit, source: RGB | None, region: Region | None, raw: _RawPicture, task: EventTask
    ) -> None:
        """Bring a picture to the result's size, put the photo back where it is kept, measure the change and encode."""
        began = time.perf_counter()
        picture = resize(raw.picture, prepared.width, prepared.height)
        if region is not None and source is not None:
            picture = keep(source, picture, region.weights)
        counted = region.weights if region is not None else prepared.mask
        change = None if source is None else measure(source, picture, counted)
        map_ = None if source is None else _base64(change_map(source, picture))
        seconds = raw.seconds + time.perf_counter() - began
        image = EditedImage(
            index=raw.index,
            seed=raw.seed,
            width=prepared.width,
            height=prepared.height,
            parameters=prepared.resolved.parameters.model_copy(update={"seed": raw.seed, "images": 1}),
            change=change,
            seconds=seconds,
            model=self._loaded.info,
            method=raw.method,
            notes=raw.notes,
            photo=prepared.name,
        )
        self._metrics.picture_made(prepared.resolved.parameters.task.value, seconds)
        task.emit(
            ImageEvent(
                image=image,
                png=_base64(_png(picture)),
                change_map=map_,
                mask=None if region is None else _base64(encode_mask(region.weights)),
            )
        )


def _source(prepared: PreparedEdit) -> RGB | None:
    """Return the photo at the size of the result, which is compared with it."""
    factor = ENLARGEMENTS.get(prepared.resolved.parameters.task)
    if prepared.photo is None or factor is None:
        return prepared.photo
    return plain_upscale(prepared.photo, factor)


def _drawn_region(prepared: PreparedEdit) -> Region | None:
    """Return the feathered mask as a region. It also bounds preserve=auto; with preserve=none it only counts."""
    parameters = prepared.resolved.parameters
    if prepared.mask is None or parameters.preserve is Preserve.NONE:
        return None
    return Region(feather(prepared.mask, parameters.mask_blur))


def _region_notes(region: Region | None) -> list[str]:
    return [region.note] if region is not None and region.note else []


def _out_of_memory() -> ProblemError:
    detail = "There is not enough memory for this edit. Send a smaller photo, or ask for a smaller picture."
    return ProblemError(413, "out-of-memory", "Out of memory", detail)


def _png(picture: RGB) -> bytes:
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return encoded.tobytes()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
