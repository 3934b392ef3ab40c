"""The video task: takes a job, has its video analysed, and says how it ended."""

import logging
import time
from collections.abc import Callable

from celery import Celery
from redis import Redis, RedisError

from framesense.analyses import AnalysisStore, Summary, analysis_key, video_key
from framesense.clients import FIRST_PAUSE, LONGEST_PAUSE, CaptionerClient, CaptionerUnavailable
from framesense.jobs import JobStore
from framesense.problems import ProblemError
from framesense.queue import QUEUES, TASKS, enqueue
from framesense.schemas.jobs import JobKind, Progress
from framesense.storage import Storage
from worker.analysis import Question, analyse
from worker.frames import Video, open_video
from worker.keeper import JobKeeper, ShutdownFlag, StopReason
from worker.pipeline import Stopped
from worker.recovery import Recovery
from worker.settings import WorkerSettings

log = logging.getLogger("worker.video")


def register(app: Celery, settings: WorkerSettings, shutdown: ShutdownFlag) -> None:
    """Adds the task to a Celery application."""

    @app.task(name=TASKS[JobKind.VIDEO], queue=QUEUES[JobKind.VIDEO])  # type: ignore[untyped-decorator]
    def analyse_video(job_id: str) -> None:
        with Redis.from_url(settings.redis_url, decode_responses=True) as redis:
            VideoTask(app, settings, redis, shutdown).run(job_id)


class VideoTask:
    """Carries out video jobs, one :meth:`run` a message."""

    def __init__(self, app: Celery, settings: WorkerSettings, redis: Redis, shutdown: ShutdownFlag) -> None:
        self._app, self._settings, self._shutdown = app, settings, shutdown
        self._jobs = JobStore(redis, lease_seconds=settings.job_lease, retention_seconds=settings.job_retention)
        self._recovery = Recovery(redis, self._jobs, app, mark_seconds=settings.job_visibility_timeout)
        self._storage = Storage(settings.storage_url)
        self._store = AnalysisStore(self._storage)

    def run(self, job_id: str) -> None:
        """Does nothing when the job is finished or another worker has it."""
        lease = self._jobs.lease(job_id)
        if lease is None:
            log.info("job %s: another worker has it", job_id)
            return
        try:
            self._recovery.taken(job_id)
            if not self._jobs.start(job_id):
                log.info("job %s: is finished or unknown", job_id)
                return
            keeper = JobKeeper(
                self._jobs, job_id, lease, lease_seconds=self._settings.job_lease, shutdown=self._shutdown
            )
            with keeper:
                self._carry_out(job_id, keeper)
        finally:
            lease.release()
        if keeper.reason is StopReason.SHUTTING_DOWN and self._jobs.is_running(job_id):
            enqueue(self._app, JobKind.VIDEO, job_id)

    def _carry_out(self, job_id: str, keeper: JobKeeper) -> None:
        log.info("job %s: started", job_id)
        started = time.monotonic()
        try:
            self._analyse(job_id, keeper)
        except Stopped:
            log.info("job %s: stopped: %s", job_id, keeper.reason)
            if keeper.reason is StopReason.SHUTTING_DOWN:
                self._jobs.amend_payload(job_id, attempts=None)
        except ProblemError as error:
            log.info("job %s: failed: %s", job_id, error)
            self._fail(job_id, error)
        except CaptionerUnavailable as error:
            log.error("job %s: failed: %s", job_id, error)
            detail = (
                f"The captioner could not be reached for {self._settings.worker_caption_patience:.0f} s ({error}). "
                "Frames captioned so far are kept: once it runs, submit the video again and the job goes on from there."
            )
            self._fail(job_id, ProblemError(503, "captioner-unavailable", "Captioner unavailable", detail))
        except RedisError:
            log.exception("job %s: lost Redis; another worker will go on", job_id)
        except Exception:
            log.exception("job %s: failed unexpectedly", job_id)
            detail = f"Something failed here that should not have. The worker's log has the reason under job {job_id}."
            self._fail(job_id, ProblemError(500, "internal-error", "Internal Server Error", detail))
        else:
            log.info("job %s: succeeded after %.1f s", job_id, time.monotonic() - started)

    def _analyse(self, job_id: str, keeper: JobKeeper) -> None:
        payload = self._jobs.payload(job_id)
        source = payload["video"]
        captioner = CaptionerClient(
            self._settings.captioner_url,
            timeout=self._settings.worker_caption_timeout,
            retries=_attempts_within(self._settings.worker_caption_patience) - 1,
            sleep=lambda seconds: _sleep_unless_stopped(seconds, keeper),
        )
        with captioner:
            model = captioner.model()
            asked = {name: payload[name] for name in ("every_n_second", "beams", "max_tokens")}
            key = analysis_key(sha256=source["sha256"], model=model, **asked)
            self._jobs.amend_payload(job_id, analysis=key)
            if self._store.load(key) is None:
                self._complete(job_id, source, Question(key=key, model=model, **asked), captioner, keeper)
        self._jobs.succeed(job_id, f"/jobs/{job_id}/result")

    def _complete(
        self, job_id: str, source: dict[str, str], question: Question, captioner: CaptionerClient, keeper: JobKeeper
    ) -> None:
        """Adds what an analysis still lacks."""
        finished = self._store.checkpoint(question.key)
        done = len(finished) if finished else 0
        self._count_attempt(job_id, done)
        if not self._storage.exists(video_key(source["sha256"])):
            raise ProblemError(410, "video-gone", "Video gone", "The video is no longer stored. Upload it again.")
        try:
            with self._storage.local_file(video_key(source["sha256"])) as path:
                self._jobs.progress(job_id, Progress(done=done, message="reading the video"))
                video = open_video(path, max_pixels=self._settings.worker_max_frame_pixels)
                report = self._reporter(job_id, self._count_frames(video, question.every_n_second))
                report(done)
                analyse(
                    video,
                    question,
                    captioner,
                    self._store,
                    self._settings,
                    done=done,
                    on_progress=report,
                    stop=keeper.stop,
                )
                info = video.info(name=source["name"], sha256=source["sha256"], size=path.stat().st_size)
        except Exception as error:
            if not isinstance(error, Stopped) and self._store.checkpoint(question.key) is None:
                self._store.delete(question.key)
            raise
        self._store.finish(question.key, Summary(video=info, models=[question.model]))

    def _count_attempt(self, job_id: str, done: int) -> None:
        """A video that kills every worker that touches it is given up, as long as they finish no frame of it."""
        tried = self._jobs.payload(job_id).get("attempts") or {"count": 0, "done": done}
        count = tried["count"] + 1 if tried["done"] == done else 1
        if count > self._settings.worker_max_attempts:
            detail = (
                f"{count - 1} workers died at this video after {done} frames. Their logs have the reason; it may need "
                "more memory than a worker has."
            )
            raise ProblemError(500, "workers-died", "Workers died", detail)
        self._jobs.amend_payload(job_id, attempts={"count": count, "done": done})

    def _count_frames(self, video: Video, every_n_second: float) -> int:
        total, limit = video.count(every_n_second), self._settings.worker_max_frames
        if total > limit:
            raise ProblemError(
                422,
                "too-many-frames",
                "Too many frames",
                f"A frame every {every_n_second} s makes {total} frames of this video; at most {limit} are allowed. "
                f"Choose at least {video.timeline.duration / limit:.3g} s.",
            )
        return total

    def _reporter(self, job_id: str, total: int) -> Callable[[int], None]:
        """Tells the job's progress, not too often, but always the first and the last."""
        interval, told = self._settings.worker_progress_interval, float("-inf")

        def report(done: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told >= interval or done >= total:
                told = now
                self._jobs.progress(job_id, Progress(done=done, total=total, message="captioning frames"))

        return report

    def _fail(self, job_id: str, error: ProblemError) -> None:
        self._jobs.fail(job_id, error.document(request_id=job_id))


def _sleep_unless_stopped(seconds: float, keeper: JobKeeper) -> None:
    if keeper.stop.wait(seconds):
        raise Stopped


def _attempts_within(patience: float) -> int:
    """How many attempts the captioner's client makes in ``patience`` seconds of pauses."""
    attempts, pause, waited = 1, FIRST_PAUSE, 0.0
    while waited + pause <= patience:
        attempts, waited, pause = attempts + 1, waited + pause, min(LONGEST_PAUSE, 2 * pause)
    return attempts
