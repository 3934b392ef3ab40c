"""A captioner, and a tagger, that read the number each frame carries, remember it, and can be made slow or ill."""

import asyncio
import io
import threading
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from fastapi import FastAPI, Request, Response
from starlette.datastructures import UploadFile

from framesense.http.problems import ProblemError, model_loading
from framesense.schemas.arrays import Array, EncodingFormat, encode, to_numpy
from framesense.schemas.captions import Caption, CaptionEmbeddings, CaptionResponse, CaptionToken
from framesense.schemas.models import ModelInfo, ModelsResponse
from framesense.schemas.problems import MEDIA_TYPE
from framesense.schemas.tags import FeatureEmbeddings, FeaturesRequest, ImageEmbeddings
from tests.support.videos import read_number

INFO = {"service": "captioner", "family": "numbers", "device": "cpu", "dtype": "float32", "parameters": 0}


@dataclass
class NumberCaptioner:
    """Captions a frame with the number it carries, and remembers every frame it was sent."""

    delay: float = 0.0
    """Seconds a request takes."""
    go: threading.Semaphore | None = None
    """Permits, one for each answer."""
    waiting: int = 0
    """Callers that wait for a permit."""
    ill: bool = False
    loading: Counter[str] = field(default_factory=Counter)
    """So many questions to the captioner, and to the tagger, are answered that its model is being loaded."""
    revision: str = "1"
    tagger_revision: str = "1"
    encoder: str | None = None
    tagger_encoder: str | None = None
    """The image encoders of the captioner and of the tagger, which refuse what only another has."""
    embedded: Counter[str] = field(default_factory=Counter)
    """How many frames the tagger was sent as ``pictures`` and as ``features``."""
    fickle: bool = False
    """Another model answers every time."""
    seen: list[int] = field(default_factory=list)
    url: str = ""

    @property
    def model(self) -> ModelInfo:
        return ModelInfo.model_validate({**INFO, "name": "numbers", "revision": self.revision, "encoder": self.encoder})

    @property
    def tagger(self) -> ModelInfo:
        changed = {"service": "tagger", "revision": self.tagger_revision, "encoder": self.tagger_encoder}
        return self.model.model_copy(update=changed)

    async def _permitted(self, request: Request) -> bool:
        """Wait for a permit; False for a caller that hangs up meanwhile, as a killed worker does."""
        self.waiting += 1
        try:
            while self.go is not None and not self.go.acquire(blocking=False):
                if await request.is_disconnected():
                    return False
                await asyncio.sleep(0.02)
        finally:
            self.waiting -= 1
        return True

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/models")
        def models() -> ModelsResponse:
            return ModelsResponse(models=[self.model])

        @app.get("/tagger/models", response_model=None)
        def tagger_models() -> ModelsResponse | Response:
            if loading := self._loading("tagger"):
                return loading
            return ModelsResponse(models=[self.tagger])

        @app.post("/tagger/embed/images")
        async def embed(request: Request) -> ImageEmbeddings:
            async with request.form() as form:
                files = [file for file in form.getlist("images") if isinstance(file, UploadFile)]
                numbers = [read_number(np.load(io.BytesIO(await file.read()))) for file in files]
            self.embedded["pictures"] += len(numbers)
            names = [str(file.filename) for file in files]
            return ImageEmbeddings(images=names, embeddings=self._embeddings(numbers), model=self.tagger)

        @app.post("/tagger/embed/features", response_model=None)
        def embed_features(asked: FeaturesRequest) -> FeatureEmbeddings | Response:
            if asked.encoder != self.tagger_encoder:
                return _problem(ProblemError(409, "other-encoder", "Other encoder", f"not {self.tagger_encoder}"))
            numbers = [int(number) for (number,) in to_numpy(asked.features)]
            self.embedded["features"] += len(numbers)
            return FeatureEmbeddings(embeddings=self._embeddings(numbers), model=self.tagger)

        @app.post("/caption", response_model=None)
        async def caption(request: Request) -> CaptionResponse | Response:
            if self.ill:
                return Response(status_code=503, headers={"Retry-After": "0.2"})
            if loading := self._loading("captioner"):
                return loading
            pooled = "pooled" in request.query_params.getlist("return")
            if pooled and self.encoder is None:
                return _problem(ProblemError(422, "unsupported-option", "Unsupported option", "no pooled features"))
            async with request.form() as form:
                files = [file for file in form.getlist("images") if isinstance(file, UploadFile)]
                pictures = [np.load(io.BytesIO(await file.read())) for file in files]
            numbers = [read_number(picture) for picture in pictures]
            if not await self._permitted(request):
                return Response(status_code=503)
            self.seen += numbers
            await asyncio.sleep(self.delay)
            if self.fickle:
                self.revision = str(int(self.revision) + 1)
            captions = [_caption(number, int(self.revision), pooled) for number in numbers]
            return CaptionResponse(captions=captions, model=self.model)

        return app

    def _loading(self, service: str) -> Response | None:
        if self.loading[service] == 0:
            return None
        self.loading[service] -= 1
        return _problem(model_loading("The model numbers is being loaded."))

    def _embeddings(self, numbers: list[int]) -> Array:
        """A frame's embedding is its number, and the tagger's revision."""
        return encode(np.array([[number, int(self.tagger.revision)] for number in numbers]), EncodingFormat.BASE64)


def _problem(problem: ProblemError) -> Response:
    return Response(problem.document().model_dump_json(), problem.status, problem.headers, MEDIA_TYPE)


def _caption(number: int, revision: int, pooled: bool) -> Caption:
    words = encode(np.full((2, 4), number, dtype=np.float32), EncodingFormat.BASE64)
    sentence = encode(np.eye(4, dtype=np.float32)[number % 4], EncodingFormat.BASE64)
    return Caption(
        caption=f"number {number}",
        tokens=[CaptionToken(text=text, log_probability=-0.5) for text in ("number", str(number))],
        log_probability=-0.5,
        confidence=number % 8 / 8,
        embeddings=CaptionEmbeddings(words=words, sentence=sentence),
        visual=encode(np.array([number, revision]), EncodingFormat.BASE64),
        patches=encode(np.full((2, 3, 4), number), EncodingFormat.BASE64),
        pooled=encode(np.array([number]), EncodingFormat.BASE64) if pooled else None,
    )
