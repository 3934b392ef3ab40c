"""The video task: has a job's video analysed."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from math import ceil
from pathlib import Path

from celery import Celery
from redis import Redis

from framesense.clients.captioner import CaptionerClient, CaptionerUnavailable
from framesense.clients.retry import RetryPolicy
from framesense.clients.tagger import TaggerClient, TaggerUnavailable
from framesense.http.problems import ProblemError
from framesense.jobs.payloads import StoredFile, VideoPayload
from framesense.jobs.queue import QUEUES, TASKS
from framesense.jobs.store import UnknownJobError
from framesense.novelty.sampling import default_interval, too_many_frames
from framesense.schemas.jobs import JobKind, Progress
from framesense.schemas.models import ModelInfo
from framesense.storage.analyses import AnalysisStore, Summary, VideoModels, analysis_key, video_key
from worker.jobs.concurrency import Stopped
from worker.jobs.lease_heartbeat import LeaseHeartbeat, ShutdownFlag
from worker.jobs.task import JobTask, sleep_unless_stopped
from worker.settings import WorkerSettings
from worker.videos.analysis import Question, analyse
from worker.videos.isolated import DecoderLimits, IsolatedVideo

log = logging.getLogger(__name__)

TAGGER_RETRY_SECONDS = 1.5
"""For so long a tagger that is away is asked again before a job goes on without it."""


def register(app: Celery, settings: WorkerSettings, shutdown: ShutdownFlag) -> None:
    """Add the task to a Celery application."""

    @app.task(name=TASKS[JobKind.VIDEO], queue=QUEUES[JobKind.VIDEO])  # type: ignore[untyped-decorator]
    def analyse_video(job_id: str) -> None:
        with Redis.from_url(settings.redis_url, decode_responses=True) as redis:
            VideoTask(app, settings, redis, shutdown).run(job_id)


class VideoTask(JobTask):
    """Carries out video jobs."""

    kind = JobKind.VIDEO

    def __init__(self, app: Celery, settings: WorkerSettings, redis: Redis, shutdown: ShutdownFlag) -> None:
        super().__init__(app, settings, redis, shutdown)
        self._store = AnalysisStore(self._storage)

    def work(self, job_id: str, heartbeat: LeaseHeartbeat) -> None:
        try:
            self._analyse(job_id, heartbeat)
        except CaptionerUnavailable as error:
            log.error("job %s: %s", job_id, error)
            detail = (
                f"The captioner gave no answer in time ({error}). Frames captioned so far are kept: once it runs, "
                "submit the video again and the job goes on from there."
            )
            raise ProblemError(503, "captioner-unavailable", "Captioner unavailable", detail) from error
        except TaggerUnavailable as error:
            log.error("job %s: %s", job_id, error)
            detail = (
                f"The tagger was there when the job began and is gone ({error}). Frames seen so far are kept: once it "
                "runs, submit the video again and the job goes on from there; without it, it can be analysed anew."
            )
            raise ProblemError(503, "tagger-unavailable", "Tagger unavailable", detail) from error

    def _analyse(self, job_id: str, heartbeat: LeaseHeartbeat) -> None:
        with ExitStack() as opened:
            self._analyse_opened(job_id, heartbeat, opened)

    def _analyse_opened(self, job_id: str, heartbeat: LeaseHeartbeat, opened: ExitStack) -> None:
        """Analyse a job's video. ``opened``: what closes the video, which is opened once, when it is wanted."""
        payload, video = self._with_interval(job_id, self._jobs.payload(job_id, VideoPayload), opened)
        source = payload.video
        captioner = CaptionerClient(
            self._settings.captioner_url,
            token=self._settings.token,
            timeout=self._settings.worker_caption_timeout,
            retry=RetryPolicy(self._settings.worker_caption_retry_seconds, self._settings.worker_loading_seconds),
            sleep=lambda seconds: sleep_unless_stopped(seconds, heartbeat),
        )
        tagger = TaggerClient(
            self._settings.tagger_url,
            token=self._settings.token,
            timeout=self._settings.worker_tagger_timeout,
            retry=RetryPolicy(self._settings.worker_tagger_retry_seconds, self._settings.worker_loading_seconds),
            sleep=lambda seconds: sleep_unless_stopped(seconds, heartbeat),
        )
        with captioner, tagger:
            models = VideoModels(captioner.model(), self._tagger_model(heartbeat))
            sampling = payload.model_dump(include={"every_n_second", "beams", "max_tokens", "video_stream"})
            key = analysis_key(sha256=source.sha256, models=models, **sampling)
            self._take_up(job_id, key)
            if not self._store.is_whole(key):
                self._wait_for_turn(job_id, key, heartbeat)
            if not self._store.is_whole(key):
                question = Question(key=key, models=models, **sampling)
                open_video = partial(self._open, source, question.video_stream, opened)
                tagger_or_none = tagger if models.tagger else None
                self._complete(
                    job_id,
                    source,
                    question,
                    captioner,
                    tagger_or_none,
                    heartbeat,
                    (lambda: video) if video else open_video,
                )

    def _with_interval(
        self, job_id: str, payload: VideoPayload, opened: ExitStack
    ) -> tuple[VideoPayload, IsolatedVideo | None]:
        """Return the payload with the interval that suits the video's length, where it leaves that to us, and the video
        where it was opened for that.

        The length is that of what can be decoded, not what the file's header says. Raises ProblemError for a video that
        cannot be opened.
        """
        if payload.every_n_second != "auto":
            return payload, None
        self._count_attempt(job_id, 0, source="video", unit="frames")
        self._jobs.progress(job_id, Progress(message="reading the video"))
        video = self._open(payload.video, payload.video_stream, opened)
        every = default_interval(video.covered, video.frame_interval)
        # What kills workers was passed: what they may die of next counts anew.
        resolved = self._jobs.payload(job_id, VideoPayload).model_copy(
            update={"every_n_second": every, "attempts": None}
        )
        self._jobs.save_payload(job_id, resolved)
        job = self._jobs.get(job_id)
        if job is None:
            raise UnknownJobError(job_id)
        self._jobs.save_parameters(job_id, {**job.parameters, "every_n_second": every})
        return resolved, video

    @contextmanager
    def _local_video(self, source: StoredFile) -> Iterator[Path]:
        """Give the stored video as a local file. Raises ProblemError 410 where it is no longer stored."""
        if not self._storage.exists(video_key(source.sha256)):
            raise ProblemError(410, "video-gone", "Video gone", "The video is no longer stored. Upload it again.")
        with self._storage.local_file(video_key(source.sha256)) as path:
            yield path

    def _tagger_model(self, heartbeat: LeaseHeartbeat) -> ModelInfo | None:
        """Return the tagger's model, or None where no tagger runs, which is no fault: then there is no search in words.

        One that is away is soon given up; one that loads its model is waited for, as frames are embedded only once.
        """
        tagger = TaggerClient(
            self._settings.tagger_url,
            token=self._settings.token,
            timeout=10,
            retry=RetryPolicy(TAGGER_RETRY_SECONDS, self._settings.worker_loading_seconds),
            sleep=lambda seconds: sleep_unless_stopped(seconds, heartbeat),
        )
        try:
            with tagger:
                return tagger.model()
        except (TaggerUnavailable, ProblemError) as error:
            log.info("no search in words: %s", error)
            return None

    def _complete(
        self,
        job_id: str,
        source: StoredFile,
        question: Question,
        captioner: CaptionerClient,
        tagger: TaggerClient | None,
        heartbeat: LeaseHeartbeat,
        open_video: Callable[[], IsolatedVideo],
    ) -> None:
        """Add what an analysis still lacks."""
        finished = self._store.checkpoint(question.key)
        done = len(finished) if finished else 0
        self._count_attempt(job_id, done, source="video", unit="frames")
        try:
            self._jobs.progress(job_id, Progress(done=done, message="reading the video"))
            video = open_video()
            report = self._reporter(job_id, self._count_frames(video, question.every_n_second), "captioning frames")
            report(done)
            analyse(
                video,
                question,
                captioner,
                tagger,
                self._store,
                self._settings,
                done=done,
                on_progress=report,
                stop=heartbeat.stop,
            )
            info = video.info(name=source.name, sha256=source.sha256, size=source.bytes)
        except Exception as error:
            if not isinstance(error, Stopped) and self._store.checkpoint(question.key) is None:
                self._store.delete(question.key)
            raise
        self._store.finish(question.key, Summary(video=info, models=question.models.all()))

    def _open(self, source: StoredFile, number: int | None, opened: ExitStack) -> IsolatedVideo:
        path, settings = opened.enter_context(self._local_video(source)), self._settings
        limits = DecoderLimits(
            max_pixels=settings.worker_max_frame_pixels,
            memory=settings.worker_decoder_memory,
            idle_seconds=settings.worker_decoder_idle_seconds,
            cpu_seconds=ceil(settings.worker_video_seconds * (os.cpu_count() or 1)),
        )
        return opened.enter_context(IsolatedVideo(path, limits, number=number))

    def _count_frames(self, video: IsolatedVideo, every_n_second: float) -> int:
        total, most = video.count(every_n_second), self._settings.max_video_frames
        if total > most:
            raise too_many_frames(total, most, every_n_second, video.covered)
        return total
