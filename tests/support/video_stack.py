"""Video jobs on real workers, and what they store."""

import hashlib
from pathlib import Path

from framesense.jobs.payloads import StoredFile, VideoPayload
from framesense.jobs.queue import create_celery, enqueue
from framesense.schemas.jobs import Job, JobKind
from framesense.settings import JobSettings
from framesense.storage.analyses import AnalysisStore, Frames, Summary, video_key
from tests.support.number_captioner import NumberCaptioner
from tests.support.workers import WorkerStack


class VideoStack(WorkerStack):
    """Video jobs on as many workers as a test starts."""

    def __init__(self, redis_url: str, folder: Path, captioner: NumberCaptioner) -> None:
        settings = {"worker_batch": 4, "worker_progress_interval": 0, "job_visibility_timeout": 600}
        super().__init__(redis_url, folder, captioner_url=captioner.url, **settings)
        self.analyses = AnalysisStore(self.storage)
        self._celery = create_celery(JobSettings(redis_url=redis_url))

    def submit(
        self, video: Path, every_n_second: float = 0.04, *, queue: bool = True, video_stream: int | None = None
    ) -> Job:
        data = video.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        self.storage.write(video_key(sha256), data)
        source = StoredFile(sha256=sha256, name=video.name, bytes=len(data))
        payload = VideoPayload(
            video=source, every_n_second=every_n_second, video_stream=video_stream, beams=4, max_tokens=24
        )
        job = self.jobs.create(JobKind.VIDEO, name=video.name, parameters={}, payload=payload)
        if queue:
            enqueue(self._celery, JobKind.VIDEO, job.id)
        return job

    def load(self, job: Job) -> tuple[Summary, Frames]:
        """Return what is stored of the job's video."""
        loaded = self.analyses.load(self.jobs.payload(job.id, VideoPayload).work)
        assert loaded is not None
        return loaded

    def enqueue(self, job: Job) -> None:
        enqueue(self._celery, JobKind.VIDEO, job.id)

    def until_done(self, job: Job, frames: int) -> None:
        self.wait_until(lambda: self.get(job).progress.done >= frames or self.get(job).state.finished)

    def frames(self, job: Job) -> Frames:
        return self.load(job)[1]


def numbers(frames: Frames) -> list[int]:
    """Return the numbers that the captions say."""
    found = [int(caption.removeprefix("number ")) for caption in frames.captions]
    assert frames.chances() == [number % 8 / 8 for number in found], "each caption's own"
    return found
