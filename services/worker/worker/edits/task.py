"""Run edit jobs: edit a photo once, or in a series of edits to compare."""

import logging
from abc import abstractmethod

from celery import Celery
from redis import Redis

from framesense.clients.editor import EditorClient, EditorUnavailable
from framesense.clients.retry import RetryPolicy
from framesense.clients.tagger import TaggerClient
from framesense.edits.series import Cell, SeriesPlan, plan_series
from framesense.http.problems import ProblemError
from framesense.jobs.payloads import EditPayload
from framesense.jobs.queue import QUEUES, TASKS, priority, waits
from framesense.media.images import ImageLimits, decode_image
from framesense.schemas.edits import (
    EditedImage,
    EditorCapabilities,
    EditParameters,
    EditResult,
    SeriesParameters,
)
from framesense.schemas.jobs import Job, JobKind, Progress
from framesense.storage.edits import EditStore
from worker.edits.contact_sheet import Sheet, SheetPicture, draw_sheet
from worker.edits.progress import ProgressReporter, expected_steps
from worker.edits.prompt_similarity import SimilarityMeter, best_of
from worker.edits.runner import EditPlan, EditRunner, seed_after, thumbnail
from worker.jobs.concurrency import Stopped
from worker.jobs.lease_heartbeat import LeaseHeartbeat, ShutdownFlag
from worker.jobs.task import JobTask, Requeued, sleep_unless_stopped
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)

TAGGER_RETRY_SECONDS, TAGGER_LOADING_SECONDS = 0.5, 60.0
"""For so long a tagger that is away, or loads its model, is asked again before pictures go unchecked."""


def register(app: Celery, settings: WorkerSettings, shutdown: ShutdownFlag) -> None:
    """Add the tasks to a Celery application."""

    @app.task(name=TASKS[JobKind.EDIT], queue=QUEUES[JobKind.EDIT])  # type: ignore[untyped-decorator]
    def make_edit(job_id: str) -> None:
        with Redis.from_url(settings.redis_url, decode_responses=True) as redis:
            SingleEditTask(app, settings, redis, shutdown).run(job_id)

    @app.task(name=TASKS[JobKind.EDIT_SERIES], queue=QUEUES[JobKind.EDIT_SERIES])  # type: ignore[untyped-decorator]
    def make_series(job_id: str) -> None:
        with Redis.from_url(settings.redis_url, decode_responses=True) as redis:
            SeriesEditTask(app, settings, redis, shutdown).run(job_id)


class _EditJobTask(JobTask):
    """Carries out edit jobs, as far as single edits and series have it in common."""

    def __init__(self, app: Celery, settings: WorkerSettings, redis: Redis, shutdown: ShutdownFlag) -> None:
        super().__init__(app, settings, redis, shutdown)
        self._store = EditStore(self._storage)

    @abstractmethod
    def _between(self) -> None:
        """Decide between two pictures whether to go on."""

    @abstractmethod
    def _plan(self, job: Job, photos: list[str]) -> SeriesPlan:
        """Return the pictures to make."""

    @abstractmethod
    def _finish(
        self, job: Job, photos: list[str], plan: SeriesPlan, images: list[EditedImage], abilities: EditorCapabilities
    ) -> None:
        """Store the result."""

    def work(self, job_id: str, heartbeat: LeaseHeartbeat) -> None:
        try:
            self._edit(job_id, heartbeat)
        except EditorUnavailable as error:
            log.error("job %s: %s", job_id, error)
            detail = f"The editor gave no answer in time ({error}). Once it runs, send the edit again."
            raise ProblemError(503, "editor-unavailable", "Editor unavailable", detail) from error
        except Stopped:
            if self._jobs.get(job_id) is None:  # cancelled and deleted while a picture was being stored
                self._store.delete(job_id)
            raise

    def _edit(self, job_id: str, heartbeat: LeaseHeartbeat) -> None:
        job, source = self._jobs.get(job_id), self._jobs.payload(job_id, EditPayload).edit
        if job is None:
            return
        photos = source.photos
        plan = self._plan(job, photos)
        self._count_attempt(job_id, len(self._store.images(job_id)), source="edit", unit="pictures")
        settings = self._settings
        editor = EditorClient(
            settings.editor_url,
            token=settings.token,
            timeout=settings.worker_editor_timeout,
            retry=RetryPolicy(settings.worker_editor_retry_seconds, settings.worker_loading_seconds),
            sleep=lambda seconds: self._wait(job_id, seconds, heartbeat),
        )
        tagger = TaggerClient(
            settings.tagger_url,
            token=settings.token,
            timeout=settings.worker_tagger_timeout,
            retry=RetryPolicy(TAGGER_RETRY_SECONDS, TAGGER_LOADING_SECONDS),
            sleep=lambda seconds: sleep_unless_stopped(seconds, heartbeat),
        )
        with editor, tagger:
            abilities = editor.capabilities()
            expected = [expected_steps(cell.parameters, abilities) for cell in plan.cells]
            runner = EditRunner(
                EditPlan(job_id, plan.cells, photos, source.mask),
                editor,
                SimilarityMeter(tagger, side=settings.worker_photo_side),
                self._store,
                ProgressReporter(self._jobs, job_id, expected, interval=settings.worker_progress_interval),
                settings,
                heartbeat,
            )
            images = runner.run(self._between)
        if heartbeat.stop.is_set():
            raise Stopped
        first = images[0].model or abilities.model
        self._finish(job, photos, plan, images, abilities.model_copy(update={"model": first}))

    def _wait(self, job_id: str, seconds: float, heartbeat: LeaseHeartbeat) -> None:
        job = self._jobs.get(job_id)
        waiting = "waiting for the editor"
        if job is not None and job.progress.message != waiting:
            self._jobs.progress(job_id, job.progress.model_copy(update={"message": waiting}))
        sleep_unless_stopped(seconds, heartbeat)


class SingleEditTask(_EditJobTask):
    """Runs single edits."""

    kind = JobKind.EDIT

    def _between(self) -> None:
        pass

    def _plan(self, job: Job, photos: list[str]) -> SeriesPlan:
        requested = EditParameters.model_validate(job.parameters)
        one = requested.model_copy(update={"images": 1})
        seeds = [seed_after(requested.seed or 0, further) for further in range(requested.images)]
        cells = [Cell(0, one.model_copy(update={"seed": seed}), None, None) for seed in seeds]
        return SeriesPlan(cells, [], [])

    def _finish(
        self, job: Job, photos: list[str], plan: SeriesPlan, images: list[EditedImage], abilities: EditorCapabilities
    ) -> None:
        requested = EditParameters.model_validate(job.parameters)
        result = EditResult(
            job_id=job.id,
            name=job.name,
            parameters=images[0].parameters.model_copy(update={"images": requested.images, "seed": requested.seed}),
            images=images,
            best=best_of(images),
            model=abilities.model,
        )
        self._store.finish(job.id, result, None)


class SeriesEditTask(_EditJobTask):
    """Runs series; a single edit that waits goes first after every picture."""

    kind = JobKind.EDIT_SERIES

    def _between(self) -> None:
        if waits(self._redis, [QUEUES[JobKind.EDIT]], priority(JobKind.EDIT, 1)):
            raise Requeued

    def _plan(self, job: Job, photos: list[str]) -> SeriesPlan:
        return plan_series(SeriesParameters.model_validate(job.parameters), photos)

    def _finish(
        self, job: Job, photos: list[str], plan: SeriesPlan, images: list[EditedImage], abilities: EditorCapabilities
    ) -> None:
        steps = sum(expected_steps(cell.parameters, abilities) for cell in plan.cells)
        self._jobs.progress(job.id, Progress(done=steps, total=steps, message="drawing the contact sheet"))
        series = SeriesParameters.model_validate(job.parameters)
        result = EditResult(
            job_id=job.id,
            name=job.name,
            parameters=series.base,
            images=images,
            rows=[row for row in plan.rows if row is not None],
            columns=[column for column in plan.columns if column is not None],
            best=best_of(images),
            model=abilities.model,
        )
        settings = self._settings
        limits = ImageLimits(settings.max_image_bytes, settings.max_image_pixels)
        cell = settings.worker_sheet_cell
        thumbnails = [
            thumbnail(decode_image(self._store.photo(job.id, index), limits, name=name, least_side=cell), cell)
            for index, name in enumerate(photos)
        ]
        sheet = Sheet(
            title=job.name if "prompt" in series.varied else series.base.prompt or job.name,
            subtitle=_constants(series, job.name, abilities),
            note=abilities.note,
            photos=thumbnails,
            pictures=[SheetPicture(image, self._store.thumbnail(job.id, image.index)) for image in images],
            rows=result.rows,
            columns=result.columns,
            best=result.best,
            order=series.sort,
        )
        self._store.finish(job.id, result, draw_sheet(sheet, cell=cell))


def _constants(series: SeriesParameters, name: str, abilities: EditorCapabilities) -> str:
    """List the parameters that all pictures of a series share, for its heading."""
    base = series.base
    guidance = abilities.default_guidance_scale if base.guidance_scale is None else base.guidance_scale
    shared = {
        "strength": f"strength {base.strength:g}",
        "steps": f"{base.steps or abilities.default_steps} steps",
        "guidance_scale": f"guidance {guidance:g}",
        "seed": f"seed {base.seed}",
        "scheduler": (base.scheduler or abilities.default_scheduler).label,
    }
    parts = [text for parameter, text in shared.items() if parameter not in series.varied]
    return ", ".join([name, *parts, f"model {abilities.model.name}"])
