"""The worker whole: real Redis, real Celery processes, real video. Only the captioner is a stand-in, since these tests
count what it is asked and make it slow or ill; it reads the number that each frame carries."""

import asyncio
import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.datastructures import UploadFile

from framesense.jobs.payloads import Attempts, StoredFile, VideoPayload
from framesense.jobs.queue import create_celery, enqueue
from framesense.schemas.arrays import EncodingFormat, encode
from framesense.schemas.captions import Caption, CaptionEmbeddings, CaptionResponse, CaptionToken
from framesense.schemas.jobs import Job, JobKind, JobState, Progress
from framesense.schemas.models import ModelInfo, ModelsResponse
from framesense.schemas.tags import ImageEmbeddings
from framesense.settings import JobSettings
from framesense.storage.analyses import AnalysisStore, Frames, video_key
from tests.support.videos import audio_only, cut_off, numbered_video, read_number
from tests.support.workers import WorkerStack
from tools.processes import free_port

INFO = {"service": "captioner", "family": "numbers", "device": "cpu", "dtype": "float32", "parameters": 0}


@dataclass
class NumberCaptioner:
    """Captions a frame with the number it carries, and remembers every frame it was sent."""

    delay: float = 0.0
    """Seconds a request takes."""
    ill: bool = False
    revision: str = "1"
    tagger_revision: str = "1"
    fickle: bool = False
    """Another model answers every time."""
    seen: list[int] = field(default_factory=list)
    url: str = ""

    @property
    def model(self) -> ModelInfo:
        return ModelInfo.model_validate({**INFO, "name": "numbers", "revision": self.revision})

    @property
    def tagger(self) -> ModelInfo:
        return self.model.model_copy(update={"service": "tagger", "revision": self.tagger_revision})

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/models")
        def models() -> ModelsResponse:
            return ModelsResponse(models=[self.model])

        @app.get("/tagger/models")
        def tagger_models() -> ModelsResponse:
            return ModelsResponse(models=[self.tagger])

        @app.post("/tagger/embed/images")
        async def embed(request: Request) -> ImageEmbeddings:
            """As a tagger: a frame's embedding is its number, and the tagger's revision."""
            async with request.form() as form:
                files = [file for file in form.getlist("images") if isinstance(file, UploadFile)]
                numbers = [read_number(np.load(io.BytesIO(await file.read()))) for file in files]
            model = self.tagger
            told = encode(np.array([[number, int(model.revision)] for number in numbers]), EncodingFormat.BASE64)
            return ImageEmbeddings(images=[str(file.filename) for file in files], embeddings=told, model=model)

        @app.post("/caption", response_model=None)
        async def caption(request: Request) -> CaptionResponse | Response:
            if self.ill:
                return Response(status_code=503, headers={"Retry-After": "0.2"})
            async with request.form() as form:
                files = [file for file in form.getlist("images") if isinstance(file, UploadFile)]
                pictures = [np.load(io.BytesIO(await file.read())) for file in files]
            numbers = [read_number(picture) for picture in pictures]
            self.seen += numbers
            await asyncio.sleep(self.delay)
            if self.fickle:
                self.revision = str(int(self.revision) + 1)
            captions = [_caption(number, int(self.revision)) for number in numbers]
            return CaptionResponse(captions=captions, model=self.model)

        return app


def _caption(number: int, revision: int) -> Caption:
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
    )


@pytest.fixture
def captioner() -> Iterator[NumberCaptioner]:
    stand_in = NumberCaptioner()
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(stand_in.app(), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    stack.waitwait_until(lambda: server.started)
    stand_in.url = f"http://127.0.0.1:{port}"
    yield stand_in
    server.should_exit = True
    thread.join()


class VideoStack(WorkerStack):
    """Video jobs on as many workers as a test starts."""

    def __init__(self, redis_url: str, folder: Path, captioner: NumberCaptioner) -> None:
        super().__init__(redis_url, folder, captioner_url=captioner.url, job_visibility_timeout=600, worker_batch=4)
        self.analyses = AnalysisStore(self.storage)
        self._celery = create_celery(JobSettings(redis_url=redis_url))

    def submit(self, video: Path, every_n_second: float = 0.04, *, queue: bool = True) -> Job:
        data = video.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        self.storage.write(video_key(sha256), data)
        source = StoredFile(sha256=sha256, name=video.name, bytes=len(data))
        payload = VideoPayload(video=source, every_n_second=every_n_second, beams=4, max_tokens=24)
        job = self.jobs.create(JobKind.VIDEO, name=video.name, parameters={}, payload=payload)
        if queue:
            enqueue(self._celery, JobKind.VIDEO, job.id)
        return job

    def enqueue(self, job: Job) -> None:
        enqueue(self._celery, JobKind.VIDEO, job.id)

    def until_done(self, job: Job, frames: int) -> None:
        self.wait_until(lambda: self.get(job).progress.done >= frames or self.get(job).state.finished)

    def frames(self, job: Job) -> Frames:
        loaded = self.analyses.load(self.jobs.payload(job.id, VideoPayload).work)
        assert loaded is not None
        return loaded[1]


@pytest.fixture
def stack(redis_url: str, tmp_path: Path, captioner: NumberCaptioner) -> Iterator[VideoStack]:
    running = VideoStack(redis_url, tmp_path, captioner)
    yield running
    running.close()


def numbers(frames: Frames) -> list[int]:
    found = [int(caption.removeprefix("number ")) for caption in frames.captions]
    assert frames.chances() == [number % 8 / 8 for number in found], "each caption's own"
    return found


def test_every_frame_is_captioned_once_and_stored(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    stack.start_worker()
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 30))
    finished = stack.finished(job)
    assert finished.state is JobState.SUCCEEDED, stack.logs
    assert finished.result_url == f"/jobs/{job.id}/result"
    assert (finished.progress.done, finished.progress.total) == (30, 30)
    key = stack.jobs.payload(job.id, VideoPayload).work
    loaded = stack.analyses.load(key)
    assert loaded is not None
    summary, frames = loaded
    assert numbers(frames) == list(range(30)) == sorted(captioner.seen)
    assert frames.times == pytest.approx(np.arange(30) / 25)
    assert frames.words[7] == pytest.approx([7] * 4)
    assert (summary.video.width, summary.video.height, summary.video.codec) == (192, 128, "h264")
    assert summary.video.duration == pytest.approx(1.2)
    assert summary.models == [captioner.model]
    assert frames.visual == pytest.approx(np.stack([np.arange(30), np.ones(30)], axis=1))
    looks, motions = zip(*stack.analyses.patches_and_motion(key), strict=True)
    assert [grid.mean() for grid in looks] == pytest.approx(np.arange(30))
    assert [motion.shape for motion in motions if motion is not None] == [(2, 3, 2)] * 30
    assert frames.aligned is None, "no tagger runs"
    assert all(stack.analyses.thumbnail(key, index).startswith(b"\xff\xd8") for index in range(30))

    again = stack.finished(stack.submit(tmp_path / "clip.mp4"))
    assert again.state is JobState.SUCCEEDED
    assert len(captioner.seen) == 30, "the same question is answered from what is stored"


def test_a_killed_worker_s_job_is_finished_by_another_without_captioning_twice(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.delay = 0.3
    first = stack.start_worker()
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 60))
    stack.until_done(job, 12)
    stack.kill(first)
    assert stack.get(job).state is JobState.RUNNING
    checkpoint = stack.analyses.checkpoint(stack.jobs.payload(job.id, VideoPayload).work)
    assert checkpoint is not None
    kept = len(checkpoint)
    assert 12 <= kept < 60
    captioner.seen.clear()
    stack.start_worker()
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    assert numbers(stack.frames(job)) == list(range(60))
    assert sorted(captioner.seen) == list(range(kept, 60))


def test_two_jobs_that_ask_for_the_same_do_it_once(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.delay = 1.0
    for _ in range(2):
        stack.start_worker()
    video = numbered_video(tmp_path / "clip.mp4", 40)
    first, second = stack.submit(video), stack.submit(video)
    for job in (first, second):
        assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
        assert numbers(stack.frames(job)) == list(range(40))
    assert sorted(captioner.seen) == list(range(40))
    assert "another job is at the same work" in stack.logs


def test_a_job_goes_on_with_the_same_work_of_one_that_was_cancelled(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.delay = 3.0
    for _ in range(2):
        stack.start_worker()
    video = numbered_video(tmp_path / "clip.mp4", 60)
    first = stack.submit(video)
    stack.until_done(first, 8)
    second = stack.submit(video)
    stack.wait_until(lambda: "waiting" in stack.get(second).progress.message)
    stack.jobs.cancel(first.id)
    captioner.delay = 0
    assert stack.finished(second).state is JobState.SUCCEEDED, stack.logs
    assert numbers(stack.frames(second)) == list(range(60))
    assert len(captioner.seen) < 90, "what the first had stored was not done again"


@pytest.mark.parametrize(("service", "changed"), [("captioner", "revision"), ("tagger", "tagger_revision")])
def test_a_job_begins_again_when_a_model_changes(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path, service: str, changed: str
) -> None:
    captioner.delay = 0.2
    stack.start_worker(TAGGER_URL=f"{captioner.url}/tagger", WORKER_MAX_ATTEMPTS="1")
    video = numbered_video(tmp_path / "clip.mp4", 60)
    job = stack.submit(video)
    stack.until_done(job, 8)
    before = stack.get(job)
    former = stack.jobs.payload(job.id, VideoPayload).work
    setattr(captioner, changed, "2")
    finished = stack.finished(job)
    assert finished.state is JobState.SUCCEEDED, stack.logs
    assert numbers(stack.frames(job)) == list(range(60))
    _assert_of_the_present_models(stack, job, captioner)

    told = [event.progress for event in stack.events(job)]
    announced = [f"the {service} changed its model" in progress.message for progress in told].index(True)
    assert told[announced] == Progress(message=f"the {service} changed its model: starting again with numbers")
    assert told[announced - 1].done >= 8
    frames = [progress for progress in told[announced:] if progress.total]
    assert (frames[0].done, frames[-1].done) == (0, 60)
    assert {progress.message for progress in frames} == {
        f"captioning frames, again: the {service} changed its model to numbers"
    }
    assert before.started_at and finished.started_at and finished.started_at > before.started_at

    payload = stack.jobs.payload(job.id, VideoPayload)
    kept = stack.analyses.checkpoint(former)
    assert kept is not None and 8 <= len(kept) < 60
    assert payload.earlier == (former,) and payload.work != former
    setattr(captioner, changed, "1")
    captioner.seen.clear()
    again = stack.submit(video)
    assert stack.finished(again).state is JobState.SUCCEEDED, stack.logs
    assert stack.jobs.payload(again.id, VideoPayload).work == former
    assert sorted(captioner.seen) == list(range(len(kept), 60)), "the former model goes on where it was left"
    _assert_of_the_present_models(stack, again, captioner)


def _assert_of_the_present_models(stack: VideoStack, job: Job, captioner: NumberCaptioner) -> None:
    loaded = stack.analyses.load(stack.jobs.payload(job.id, VideoPayload).work)
    assert loaded is not None
    summary, frames = loaded
    assert summary.models == [captioner.model, captioner.tagger]
    assert frames.visual is not None and set(frames.visual[:, 1]) == {int(captioner.revision)}
    assert frames.aligned is not None and set(frames.aligned[:, 1]) == {int(captioner.tagger_revision)}


def test_jobs_that_wait_for_one_another_do_it_once_with_the_new_model_too(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.delay = 0.5
    for _ in range(2):
        stack.start_worker(WORKER_REQUESTS="1")
    video = numbered_video(tmp_path / "clip.mp4", 40)
    first, second = stack.submit(video), stack.submit(video)
    stack.wait_until(lambda: any("waiting" in stack.get(job).progress.message for job in (first, second)))
    captioner.seen.clear()
    captioner.revision = "2"
    for job in (first, second):
        assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
        assert numbers(stack.frames(job)) == list(range(40))
    assert stack.jobs.payload(first.id, VideoPayload).work == stack.jobs.payload(second.id, VideoPayload).work
    assert len(captioner.seen) <= 40 + 2 * 4, "every frame once, and a batch each that told of the new model"


def test_a_model_that_changes_again_and_again_fails_the_job(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.fickle = True
    stack.start_worker()
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 20))
    failed = stack.finished(job)
    assert failed.error is not None
    assert (failed.error.status, failed.error.type) == (503, "urn:framesense:problem:model-changed")
    assert "4 times" in failed.error.detail and "captioner" in failed.error.detail
    assert stack.storage.list("analyses") == [], "not one frame was stored"


def test_a_job_longer_than_the_visibility_timeout_runs_once(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.delay = 0.8
    stack.environment["JOB_VISIBILITY_TIMEOUT"] = "2"
    for _ in range(2):
        stack.start_worker(WORKER_REQUESTS="1")
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 40))
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    assert "another worker has it" in stack.logs, "the message came back while the job ran"
    assert captioner.seen == list(range(40))
    assert stack.logs.count(f"job {job.id}: started") == 1


def test_a_worker_told_to_stop_hands_its_job_over_at_once(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.delay = 0.5
    first = stack.start_worker()
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 200))
    stack.until_done(job, 8)
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=60) == 0
    stopped = stack.get(job)
    assert stopped.state is JobState.RUNNING
    assert stopped.progress.done < 200, "it did not wait for the job to end"
    captioner.delay = 0
    stack.start_worker()
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    assert numbers(stack.frames(job)) == list(range(200))


def test_cancelling_stops_the_work(stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path) -> None:
    captioner.delay = 0.3
    stack.start_worker()
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 200))
    stack.until_done(job, 4)
    stack.jobs.cancel(job.id)
    stack.wait_until(lambda: f"job {job.id}: stopped: cancelled" in stack.logs)
    captioner.delay = 0
    following = stack.submit(numbered_video(tmp_path / "next.mp4", 5))
    assert stack.finished(following).state is JobState.SUCCEEDED
    assert stack.get(job).state is JobState.CANCELLED
    assert len(captioner.seen) < 100


def test_bad_videos_fail_with_a_problem_and_leave_nothing(stack: VideoStack, tmp_path: Path) -> None:
    stack.start_worker()
    text = tmp_path / "text.mp4"
    text.write_text("not a video\n" * 50)
    whole = numbered_video(tmp_path / "clip.mp4", 50)
    bad = {
        text: (415, "urn:framesense:problem:not-a-video"),
        audio_only(tmp_path / "sound.mp4"): (422, "urn:framesense:problem:no-video-track"),
        cut_off(whole, tmp_path / "cut.mp4", 0.6): (422, "urn:framesense:problem:no-index"),
    }
    for video, expected in bad.items():
        job = stack.finished(stack.submit(video))
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert (job.error.status, job.error.type) == expected
        assert "Traceback" not in job.error.detail
    assert stack.storage.list("analyses") == []
    assert stack.finished(stack.submit(whole)).state is JobState.SUCCEEDED


def test_sampling_far_too_often_is_refused(stack: VideoStack, tmp_path: Path) -> None:
    stack.start_worker(WORKER_MAX_FRAMES="100")
    job = stack.finished(stack.submit(numbered_video(tmp_path / "clip.mp4", 50), every_n_second=0.001))
    assert job.error is not None
    assert (job.error.status, job.error.type) == (422, "urn:framesense:problem:too-many-frames")


def test_a_captioner_that_stays_ill_fails_the_job_and_keeps_what_is_done(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.delay = 0.2
    stack.start_worker(WORKER_CAPTION_PATIENCE="1")
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 60))
    stack.until_done(job, 8)
    captioner.ill = True
    failed = stack.finished(job)
    assert failed.error is not None
    assert (failed.state, failed.error.status) == (JobState.FAILED, 503)
    assert "submit the video again" in failed.error.detail
    captioner.ill, captioner.delay = False, 0
    finished_before = len(stack.analyses.checkpoint(stack.jobs.payload(job.id, VideoPayload).work) or ())
    assert finished_before >= 8
    captioner.seen.clear()
    again = stack.submit(tmp_path / "clip.mp4")
    assert stack.finished(again).state is JobState.SUCCEEDED
    assert sorted(captioner.seen) == list(range(finished_before, 60))


def test_a_video_that_kills_every_worker_is_given_up(stack: VideoStack, tmp_path: Path) -> None:
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 10), queue=False)
    payload = stack.jobs.payload(job.id, VideoPayload)
    stack.jobs.save_payload(job.id, payload.model_copy(update={"attempts": Attempts(count=3, done=0)}))
    stack.start_worker()
    stack.enqueue(job)
    failed = stack.finished(job)
    assert failed.error is not None
    assert failed.error.type == "urn:framesense:problem:workers-died"


def test_health_follows_the_heartbeat(stack: VideoStack, tmp_path: Path) -> None:
    def health() -> int:
        environment = {**os.environ, **stack.environment, "WORKER_HEARTBEAT_MAX_AGE": "6"}
        return subprocess.run([sys.executable, "-m", "worker.health"], env=environment, check=False).returncode

    assert health() == 1
    worker = stack.start_worker()
    stack.wait_until(stack.heartbeat.exists)
    assert health() == 0
    stack.kill(worker)
    stale = time.time() - 10
    os.utime(stack.heartbeat, (stale, stale))
    assert health() == 1


def test_the_worker_imports_no_torch() -> None:
    program = "import sys, worker.celery_app, worker.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_with_a_tagger_frames_can_be_searched_in_words(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    stack.start_worker(TAGGER_URL=f"{captioner.url}/tagger")
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 10))
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    loaded = stack.analyses.load(stack.jobs.payload(job.id, VideoPayload).work)
    assert loaded is not None
    summary, frames = loaded
    assert frames.aligned == pytest.approx(np.stack([np.arange(10), np.ones(10)], axis=1))
    assert summary.models == [captioner.model, captioner.tagger]
