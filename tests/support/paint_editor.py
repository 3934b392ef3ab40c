"""An editor that speaks the real one's contract and only mixes colours: the photo is drawn towards the colour that the
words name, by the strength. It counts, and can be made slow, ill, or broken in the middle of an answer.
"""

import asyncio
import base64
import io
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
from fastapi import Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from PIL import Image

from framesense.http.app import create_service
from framesense.http.declared_names import ignore_unknown_names
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload, UploadLimits, read_named_form
from framesense.media.images import RGB, ImageLimits, decode_image
from framesense.schemas.edits import (
    Change,
    EditedImage,
    EditorCapabilities,
    EditParameters,
    FailureEvent,
    ImageEvent,
    Preserve,
    SamplerInfo,
    SchedulerName,
    StepEvent,
    Task,
)
from framesense.schemas.models import ModelInfo, ModelsResponse
from framesense.schemas.problems import Problem
from tests.support.photos import COLOURS

MODEL = ModelInfo(
    service="editor", name="paint", family="mixing", revision="1", device="cpu", dtype="float32", parameters=0
)
CAPABILITIES = EditorCapabilities(
    tasks=[Task.EDIT, Task.GENERATE, Task.DENOISE],
    preserve=list(Preserve),
    schedulers=[SamplerInfo(name=name, title=name.label) for name in (SchedulerName.DDIM, SchedulerName.EULER_A)],
    default_scheduler=SchedulerName.DDIM,
    default_steps=4,
    default_guidance_scale=5,
    size=64,
    multiple_of=8,
    note="knows colours only",
    model=MODEL,
)
_LIMITS = ImageLimits(10**8, 10**8)

LENIENT = [Depends(ignore_unknown_names)]
"""It takes what its clients send, and declares none of it."""


@dataclass
class PaintEditor:
    """``seeds``: of every picture it sent. ``go``: permits, one for each step. ``ill``: it answers 503.
    ``breaks``: answers that it breaks off before their first picture. ``failure``: what it fails with, midway.
    ``left``: callers who hung up. ``revision``: of its model, that the next answer is of."""

    seeds: list[int] = field(default_factory=list)
    requests: list[EditParameters] = field(default_factory=list)
    ill: bool = False
    breaks: int = 0
    failure: Problem | None = None
    go: threading.Semaphore | None = None
    left: int = 0
    revision: str = MODEL.revision

    @property
    def model(self) -> ModelInfo:
        return MODEL.model_copy(update={"revision": self.revision})

    def app(self) -> FastAPI:
        app = create_service("paint editor")

        @app.get("/models", dependencies=LENIENT)
        def models() -> ModelsResponse:
            return ModelsResponse(models=[self.model])

        @app.get("/capabilities")
        def capabilities() -> EditorCapabilities:
            self._refuse_if_ill()
            return CAPABILITIES.model_copy(update={"model": self.model})

        @app.post("/edits", dependencies=LENIENT, response_model=None)
        async def edits(request: Request) -> StreamingResponse:
            self._refuse_if_ill()
            form = await read_named_form(request, UploadLimits(10**8, 10**8, 2), fields=("image", "mask"))
            parameters = EditParameters.model_validate_json(form.values["parameters"][0])
            model = self.model
            self.requests.append(parameters)
            if "zebra" in parameters.prompt:
                raise ProblemError(422, "unknown-colour", "Unknown colour", "A zebra is no colour.")
            lines = self._lines(parameters, form.file("image"), form.file("mask"), model)
            return StreamingResponse(lines, media_type="application/x-ndjson")

        return app

    async def _lines(
        self, asked: EditParameters, image: Upload | None, mask: Upload | None, model: ModelInfo
    ) -> AsyncIterator[str]:
        photo = decode_image(image.content, _LIMITS) if image else np.full((48, 64, 3), 128, np.uint8)
        region = decode_image(mask.content, _LIMITS)[..., :1] / 255 if mask else np.ones((1, 1, 1))
        steps = max(1, round(asked.strength * (asked.steps or CAPABILITIES.default_steps)))
        finished = False
        try:
            for index in range(asked.images):
                for step in range(1, steps + 1):
                    while self.go is not None and not self.go.acquire(blocking=False):
                        yield "\n"
                        await asyncio.sleep(0.02)
                    preview = base64.b64encode(_file(photo, "JPEG")).decode()
                    yield StepEvent(image=index, step=step, steps=steps, preview=preview).model_dump_json() + "\n"
                if self.breaks:
                    self.breaks -= 1
                    raise ConnectionError("broken off")
                if self.failure:
                    yield FailureEvent(problem=self.failure).model_dump_json() + "\n"
                    return
                event = _painted(
                    asked, photo, region, index, model, has_photo=image is not None, masked=mask is not None
                )
                self.seeds.append(event.image.seed)
                yield event.model_dump_json() + "\n"
            finished = True
        finally:
            self.left += not finished

    def _refuse_if_ill(self) -> None:
        if self.ill:
            raise ProblemError(503, "ill", "Ill", "The editor is ill.", headers={"Retry-After": "0.2"})


def _painted(
    asked: EditParameters,
    photo: RGB,
    region: np.ndarray,
    index: int,
    model: ModelInfo,
    *,
    has_photo: bool,
    masked: bool,
) -> ImageEvent:
    seed = (asked.seed or 0) + index
    named = [np.array(colour) for name, colour in COLOURS.items() if name in asked.prompt]
    colour = named[0] if named else np.full(3, 128)
    grain = np.random.default_rng(seed).integers(-3, 4, photo.shape)
    share = asked.strength * region
    edited = np.clip((1 - share) * photo + share * colour + grain * share, 0, 255).astype(np.uint8)
    difference = np.abs(edited.astype(int) - photo).mean(axis=2)
    filled = {
        "seed": seed,
        "steps": asked.steps or CAPABILITIES.default_steps,
        "guidance_scale": CAPABILITIES.default_guidance_scale if asked.guidance_scale is None else asked.guidance_scale,
        "scheduler": asked.scheduler or CAPABILITIES.default_scheduler,
        "images": 1,
    }
    image = EditedImage(
        index=index,
        seed=seed,
        width=photo.shape[1],
        height=photo.shape[0],
        parameters=asked.model_copy(update=filled),
        change=Change(inside=float(difference.mean()) / 255, outside=0, region=float(region.mean()))
        if has_photo
        else None,
        seconds=0.01,
        model=model,
        method="mixing",
        notes=["knows colours only"],
    )
    return ImageEvent(
        image=image,
        png=base64.b64encode(_file(edited, "PNG")).decode(),
        change_map=base64.b64encode(_file(difference.astype(np.uint8), "PNG")).decode() if has_photo else None,
        mask=base64.b64encode(_file((region[..., 0] * 255).astype(np.uint8), "PNG")).decode() if masked else None,
    )


def _file(pixels: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()
