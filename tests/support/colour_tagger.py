"""A tagger that speaks the real one's contract and knows only colours: a picture's embedding is its mean colour."""

import asyncio
import json
import threading
from dataclasses import dataclass, field

import numpy as np
from fastapi import Depends, FastAPI, Request, Response
from numpy.typing import NDArray

from framesense.http.app import create_service
from framesense.http.declared_names import ignore_unknown_names
from framesense.http.problems import ProblemError
from framesense.http.uploads import UploadLimits, read_form
from framesense.media.images import ImageLimits, decode_image
from framesense.schemas.arrays import EncodingFormat, encode
from framesense.schemas.models import ModelInfo, ModelsResponse
from framesense.schemas.tags import (
    ImageEmbeddings,
    ImageTags,
    LabelSet,
    Tag,
    TagsResponse,
    TextEmbeddings,
    TextsRequest,
    ThresholdOn,
)
from tests.support.photos import COLOURS

MODEL = ModelInfo(
    service="tagger", name="colours", family="mean", revision="1", device="cpu", dtype="float32", parameters=0
)
THRESHOLD = 0.9

LENIENT = [Depends(ignore_unknown_names)]
"""It takes what its clients send, and declares none of it."""


@dataclass
class ColourTagger:
    """``pictures``: how many it was sent. ``go``: permits, one for each answer. ``ill``: it answers 503. ``fickle``:
    another model answers every time. ``dimensions``: of a colour's embedding, 3 or more."""

    pictures: int = 0
    ill: bool = False
    revision: str = MODEL.revision
    fickle: bool = False
    dimensions: int = 3
    go: threading.Semaphore | None = None
    label_sets: dict[str, LabelSet] = field(default_factory=dict)

    @property
    def model(self) -> ModelInfo:
        return MODEL.model_copy(update={"revision": self.revision})

    def app(self) -> FastAPI:
        app = create_service("colour tagger")

        @app.get("/models", dependencies=LENIENT)
        def models() -> ModelsResponse:
            self._refuse_if_ill()
            return ModelsResponse(models=[self.model])

        @app.get("/label-sets/{name}")
        def label_set(name: str) -> LabelSet:
            if name not in self.label_sets:
                raise ProblemError(404, "unknown-label-set", "Unknown label set", f"There is no label set {name!r}.")
            return self.label_sets[name]

        @app.post("/tags", dependencies=LENIENT)
        async def tags(request: Request) -> Response:
            self._refuse_if_ill()
            form = await read_form(request, UploadLimits(10**8, 10**8, 100))
            while self.go is not None and not self.go.acquire(blocking=False):
                await asyncio.sleep(0.02)
            if await request.is_disconnected():  # its worker was killed meanwhile
                return Response(status_code=503)
            self.pictures += len(form.files)
            if self.fickle:
                self.revision = str(int(self.revision) + 1)
            labels = json.loads(form.values["labels"][0])
            if unknown := [label for label in labels if label not in COLOURS]:
                raise ProblemError(422, "unknown-colour", "Unknown colour", f"{unknown[0]!r} is no colour.")
            pictures = [decode_image(file.content, _LIMITS, media_type=file.media_type) for file in form.files]
            images = _directions(np.array([picture.mean(axis=(0, 1)) for picture in pictures]))
            cosine = images @ _directions(np.array([COLOURS[label] for label in labels])).T
            answer = TagsResponse(
                images=[
                    _tagged(file.filename, labels, row, float(form.values.get("threshold", [str(THRESHOLD)])[0]))
                    for file, row in zip(form.files, cosine, strict=True)
                ],
                labels=labels,
                templates=json.loads(form.values["template"][0]),
                threshold=THRESHOLD,
                threshold_on=ThresholdOn.COSINE,
                embeddings=encode(images, EncodingFormat.BASE64),
                warnings=["knows colours only"],
                model=self.model,
            )
            return Response(answer.model_dump_json(), media_type="application/json")

        @app.post("/embed/images", dependencies=LENIENT)
        async def embed_images(request: Request) -> Response:
            self._refuse_if_ill()
            form = await read_form(request, UploadLimits(10**8, 10**8, 1000))
            pictures = [decode_image(file.content, _LIMITS, media_type=file.media_type) for file in form.files]
            self.pictures += len(pictures)
            images = self._directions(np.array([picture.mean(axis=(0, 1)) for picture in pictures]))
            names = [file.filename for file in form.files]
            answer = ImageEmbeddings(images=names, embeddings=encode(images, EncodingFormat.BASE64), model=self.model)
            return Response(answer.model_dump_json(), media_type="application/json")

        @app.post("/embed/texts", dependencies=LENIENT)
        def embed_texts(asked: TextsRequest) -> TextEmbeddings:
            """A text is the colour that it names."""
            self._refuse_if_ill()
            colours = [[rgb for name, rgb in COLOURS.items() if name in text][:1] for text in asked.texts]
            if not all(colours):
                raise ProblemError(422, "unknown-colour", "Unknown colour", "The words name no colour.")
            texts = self._directions(np.array(colours)[:, 0])
            return TextEmbeddings(texts=asked.texts, embeddings=encode(texts, EncodingFormat.BASE64), model=self.model)

        return app

    def _directions(self, colours: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.pad(_directions(colours), ((0, 0), (0, self.dimensions - 3)))

    def _refuse_if_ill(self) -> None:
        if self.ill:
            raise ProblemError(503, "ill", "Ill", "The tagger is ill.", headers={"Retry-After": "0.1"})


_LIMITS = ImageLimits(10**8, 10**8)


def _directions(colours: NDArray[np.float64]) -> NDArray[np.float32]:
    centred = colours - 128
    directions: NDArray[np.float32] = (centred / np.linalg.norm(centred, axis=1, keepdims=True)).astype(np.float32)
    return directions


def _tagged(name: str, labels: list[str], cosine: NDArray[np.float32], threshold: float) -> ImageTags:
    scores = [
        Tag(label=label, cosine=float(value), probability=float(1 / (1 + np.exp(-10 * value))))
        for label, value in zip(labels, cosine, strict=True)
    ]
    ranked = sorted(scores, key=lambda tag: -tag.cosine)
    over = [tag for tag in ranked if tag.cosine >= threshold]
    return ImageTags(image=name, tags=over or ranked[:1], over_threshold=len(over), scores=scores)
