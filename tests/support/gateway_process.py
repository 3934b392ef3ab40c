"""A gateway on a port of its own, with a real Redis, and model servers that cost nothing and can be made to fail."""

import asyncio
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from fastapi import Depends, FastAPI, Query, Request, Response
from starlette.requests import ClientDisconnect

from framesense.http.app import create_service
from framesense.http.declared_names import ignore_unknown_names
from framesense.http.problems import ProblemError
from framesense.http.uploads import UploadLimits, read_uploads
from framesense.jobs.payloads import VideoPayload
from framesense.jobs.store import JobStore
from framesense.schemas.arrays import EncodingFormat, encode
from framesense.schemas.captions import Caption, CaptionEmbeddings, CaptionResponse, CaptionToken
from framesense.schemas.jobs import Job, Progress
from framesense.schemas.models import ModelInfo, ModelsResponse
from framesense.schemas.novelty import VideoInfo
from framesense.schemas.problems import MEDIA_TYPE, Problem
from framesense.storage.analyses import AnalysisStore, Frames, Summary, VideoModels, analysis_key
from framesense.storage.blobs import Storage
from gateway.app import create_app
from gateway.dependencies import Dependencies
from gateway.settings import GatewaySettings
from tests.support.waiting import wait_until
from tests.support.workers import NOBODY

MODEL = ModelInfo(
    service="captioner", name="stub", family="hash", revision="1", device="cpu", dtype="float32", parameters=0
)
TAGGER_MODEL = MODEL.model_copy(update={"service": "tagger", "name": "stub tagger"})
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
"""How an MP4 file begins: enough for the gateway, which does not decode."""
WORDS = ("a", "red", "dog", "cat", "street", "<b>bold</b>")

LENIENT = [Depends(ignore_unknown_names)]
"""It takes what its clients send, and declares none of it."""


class StubCaptioner:
    """Captions a picture by its checksum. ``failure``: the status it answers instead."""

    def __init__(self) -> None:
        self.failure: int | None = None
        self.model = MODEL
        self.calls = 0
        self.stop: Callable[[], None] = lambda: None

    def app(self) -> FastAPI:
        app = create_service("stub captioner")

        @app.post("/caption", dependencies=LENIENT)
        async def caption(request: Request, extras: list[str] = Query([], alias="return")) -> Response:
            self.calls += 1
            images = await read_uploads(request, UploadLimits(10**8, 10**8, 100))
            if self.failure:
                raise ProblemError(self.failure, "busy", "Busy", "The queue is full.", headers={"Retry-After": "3"})
            captions = [self._caption(image.content, extras) for image in images]
            body = CaptionResponse(captions=captions, model=self.model).model_dump_json()
            return Response(body, media_type="application/json")

        @app.get("/models", dependencies=LENIENT)
        async def models() -> ModelsResponse:
            if self.failure:
                raise ProblemError(self.failure, "loading", "Loading", "The model is being loaded.")
            return ModelsResponse(models=[self.model])

        return app

    def _caption(self, image: bytes, extras: list[str]) -> Caption:
        seed = zlib.crc32(image)
        rng = np.random.default_rng(seed)
        words = [WORDS[0], WORDS[1 + seed % (len(WORDS) - 1)]]
        embeddings = CaptionEmbeddings(
            words=encode(rng.normal(size=(len(words), 8)), EncodingFormat.BASE64),
            sentence=encode(rng.normal(size=4), EncodingFormat.BASE64),
        )
        return Caption(
            caption=" ".join(words),
            tokens=[CaptionToken(text=word, log_probability=-1) for word in words],
            log_probability=-1,
            embeddings=embeddings if "embeddings" in extras else None,
            features=encode(rng.normal(size=(9, 9, 1280)), EncodingFormat.BASE64) if "features" in extras else None,
        )


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it reached the tagger."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class StubTagger:
    """Keeps the requests it receives, and answers each with ``answer``. What the real one answers:
    tests/integration/gateway/test_tagger.py."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.answer = Response(b"{}", media_type="application/json")
        self.arrived = 0
        """Bytes of the body that is arriving."""
        self.go = threading.Event()
        """It answers once this is set."""
        self.hung_up = threading.Event()
        """Set when a caller did not wait for the answer."""
        self.stop: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        self.requests.clear()
        self.answer = Response(b"{}", media_type="application/json")
        self.arrived = 0
        self.go.set()
        self.hung_up.clear()

    def app(self) -> FastAPI:
        app = create_service("stub tagger")

        @app.get("/models", dependencies=LENIENT)
        def models() -> ModelsResponse:
            return ModelsResponse(models=[TAGGER_MODEL])

        @app.api_route("/{path:path}", dependencies=LENIENT, methods=["GET", "POST", "PUT", "DELETE"])
        async def anything(request: Request, path: str) -> Response:
            body = b""
            async for chunk in request.stream():
                body += chunk
                self.arrived = len(body)
            received = ReceivedRequest(
                request.method, request.url.path, dict(request.query_params), dict(request.headers), body
            )
            self.requests.append(received)
            while not self.go.is_set():
                if await request.is_disconnected():
                    self.hung_up.set()
                    raise ClientDisconnect
                await asyncio.sleep(0.01)
            return self.answer

        return app


@contextmanager
def served(app: FastAPI) -> Iterator[tuple[str, Callable[[], None]]]:
    """The application on a free port, in a thread; its URL, and what stops it before the context ends."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive(), interval=0.01)
    assert server.started, "the server ended at once"

    def stop() -> None:
        server.should_exit = True
        thread.join()

    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", stop
    finally:
        stop()


@dataclass
class Gateway:
    """A running gateway, a client of it, and what it keeps."""

    http: httpx.Client
    captioner: StubCaptioner
    tagger: StubTagger
    settings: GatewaySettings
    dependencies: Dependencies
    jobs: JobStore
    storage: Storage
    analyses: AnalysisStore

    def submit(self, video: bytes, name: str = "clip.mp4", **parameters: object) -> Job:
        """Submit a video, every 10 s unless told otherwise: its bytes are made up, so it has no length to go by."""
        asked = {"every_n_second": 10, **parameters}
        answer = self.http.post("/video_captions", files={"video": (name, video)}, params=asked)
        assert answer.status_code == 202, answer.text
        return Job.model_validate(answer.json())

    def analyse(self, job: Job, captions: list[str], words: list[list[float]]) -> str:
        """What a worker does, with an analysis made up: stores it in two chunks and finishes the job; its key."""
        payload = self.jobs.payload(job.id, VideoPayload)
        assert payload.every_n_second != "auto"
        video = payload.video
        key = analysis_key(
            sha256=video.sha256,
            every_n_second=payload.every_n_second,
            beams=payload.beams,
            max_tokens=payload.max_tokens,
            models=VideoModels(MODEL, TAGGER_MODEL),
        )
        self.jobs.save_payload(job.id, payload.with_work(key))
        assert self.jobs.start(job.id)
        vectors = np.array(words, np.float32)
        times = np.arange(len(captions)) * payload.every_n_second
        for part in (slice(0, 1), slice(1, None)):
            frames = Frames(times[part], captions[part], vectors[part], vectors[part])
            if len(frames):
                thumbnails = [f"jpeg {index}".encode() for index in range(part.start, part.start + len(frames))]
                self.analyses.append(key, part.start, frames, thumbnails)
        info = VideoInfo(**video.model_dump(), duration=float(times[-1]) + 1, width=64, height=48, fps=25, codec="h264")
        self.analyses.finish(key, Summary(video=info, models=[MODEL]))
        self.jobs.progress(job.id, Progress(done=len(captions), total=len(captions)))
        assert self.jobs.succeed(job.id, f"/jobs/{job.id}/result")
        return key

    def left_behind(self) -> list[str]:
        """The files in the upload folder."""
        return sorted(path.name for path in self.settings.upload_folder.iterdir())


@contextmanager
def running_gateway(redis_url: str, folder: Path, **changes: object) -> Iterator[Gateway]:
    captioner, tagger = StubCaptioner(), StubTagger()
    with (
        served(captioner.app()) as (captioner_url, captioner.stop),
        served(tagger.app()) as (tagger_url, tagger.stop),
    ):
        own: dict[str, object] = {
            "redis_url": redis_url,
            "storage_url": str(folder / "blobs"),
            "upload_folder": folder / "incoming",
            "captioner_url": captioner_url,
            "tagger_url": tagger_url,
            "editor_url": NOBODY,
            "keys_file": folder / "keys.json",
        }
        settings = GatewaySettings(**{**own, **changes})  # type: ignore[arg-type]  # the tests' own words
        app = create_app(settings)
        dependencies = app.state.dependencies
        with served(app) as (url, _), httpx.Client(base_url=url, timeout=30) as client:
            yield Gateway(
                client,
                captioner,
                tagger,
                settings,
                dependencies,
                dependencies.jobs,
                dependencies.storage,
                dependencies.analyses,
            )


def problem(answer: httpx.Response, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    found = Problem.model_validate(answer.json())
    assert found.status == status
    assert found.request_id == answer.headers["x-request-id"]
    return found
