"""The photo-set task: has a job's photos tagged, and the set described."""

import logging

from celery import Celery
from redis import Redis

from framesense.clients.retry import RetryPolicy
from framesense.clients.tagger import TaggerClient, TaggerUnavailable, TagQuestion
from framesense.http.problems import ProblemError
from framesense.jobs.payloads import PhotoSetPayload, StoredFile
from framesense.jobs.queue import QUEUES, TASKS
from framesense.media.archives import ArchiveLimits, PhotoArchive
from framesense.schemas.jobs import JobKind, Progress
from framesense.schemas.models import ModelInfo
from framesense.schemas.photo_sets import PhotoSetParameters
from framesense.schemas.tags import DEFAULT_TEMPLATE
from framesense.storage.photo_sets import PhotoSetStore, Tagged, photo_set_key, tagging_key
from worker.jobs.concurrency import Stopped
from worker.jobs.lease_heartbeat import LeaseHeartbeat, ShutdownFlag
from worker.jobs.task import JobTask, sleep_unless_stopped
from worker.photo_sets.groups import GROUPS_FILE, read_grouping
from worker.photo_sets.tagging import tag_photos
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)


def register(app: Celery, settings: WorkerSettings, shutdown: ShutdownFlag) -> None:
    """Add the task to a Celery application."""

    @app.task(name=TASKS[JobKind.PHOTO_SET], queue=QUEUES[JobKind.PHOTO_SET])  # type: ignore[untyped-decorator]
    def tag_photo_set(job_id: str) -> None:
        with Redis.from_url(settings.redis_url, decode_responses=True) as redis:
            PhotoSetTask(app, settings, redis, shutdown).run(job_id)


class PhotoSetTask(JobTask):
    """Carries out photo-set jobs."""

    kind = JobKind.PHOTO_SET

    def __init__(self, app: Celery, settings: WorkerSettings, redis: Redis, shutdown: ShutdownFlag) -> None:
        super().__init__(app, settings, redis, shutdown)
        self._store = PhotoSetStore(self._storage)

    def work(self, job_id: str, heartbeat: LeaseHeartbeat) -> None:
        try:
            self._tag(job_id, heartbeat)
        except TaggerUnavailable as error:
            log.error("job %s: %s", job_id, error)
            detail = (
                f"The tagger gave no answer in time ({error}). Photos tagged so far are kept: once it runs, submit "
                "them again and the job goes on from there."
            )
            raise ProblemError(503, "tagger-unavailable", "Tagger unavailable", detail) from error

    def _tag(self, job_id: str, heartbeat: LeaseHeartbeat) -> None:
        job, source = self._jobs.get(job_id), self._jobs.payload(job_id, PhotoSetPayload).photos
        if job is None:
            return
        tagger = TaggerClient(
            self._settings.tagger_url,
            token=self._settings.token,
            timeout=self._settings.worker_tagger_timeout,
            retry=RetryPolicy(self._settings.worker_tagger_retry_seconds, self._settings.worker_loading_seconds),
            sleep=lambda seconds: sleep_unless_stopped(seconds, heartbeat),
        )
        with tagger:
            parameters = _resolved(PhotoSetParameters.model_validate(job.parameters), tagger)
            model = tagger.model()
            key = tagging_key(sha256=source.sha256, parameters=parameters, model=model)
            self._take_up(job_id, key)
            if not self._store.is_whole(key):
                self._wait_for_turn(job_id, key, heartbeat)
            if not self._store.is_whole(key):
                self._complete(job_id, source, key, parameters, model, tagger, heartbeat)

    def _complete(
        self,
        job_id: str,
        source: StoredFile,
        key: str,
        parameters: PhotoSetParameters,
        model: ModelInfo,
        tagger: TaggerClient,
        heartbeat: LeaseHeartbeat,
    ) -> None:
        """Add what a tagging still lacks."""
        finished = self._store.checkpoint(key)
        done = finished.entries if finished else 0
        self._count_attempt(job_id, done, source="photo set", unit="photos")
        stored, settings = photo_set_key(source.sha256), self._settings
        if not self._storage.exists(stored):
            raise ProblemError(410, "photos-gone", "Photos gone", "The photos are no longer stored. Upload them again.")
        self._jobs.progress(job_id, Progress(done=done, message="reading the zip"))
        max_bytes = settings.worker_max_photo_set_bytes
        limits = ArchiveLimits(settings.worker_max_photos, max_bytes, settings.max_image_bytes)
        with self._storage.open(stored) as file, PhotoArchive(file, limits, name=source.name) as archive:
            grouping = read_grouping(archive, parameters.group_column)
            total = len(archive)
            report = self._reporter(job_id, total, "tagging photos")
            report(done)
            tag_photos(
                archive,
                key,
                TagQuestion(**parameters.model_dump(include=set(TagQuestion.__dataclass_fields__))),
                model,
                tagger,
                self._store,
                settings,
                finished=finished,
                on_progress=report,
                stop=heartbeat.stop,
            )
            warnings = _guessed_names(archive)
            others = [path for path in archive.others if path.name.lower() != GROUPS_FILE]
        self._jobs.progress(job_id, Progress(done=total, total=total, message="finding duplicates and clusters"))
        # Here: scikit-learn, scipy and pyarrow take longer to import than all else, and other jobs do without them.
        from worker.photo_sets.report import PhotoSet, describe
        from worker.photo_sets.tables import write_tables

        photos = PhotoSet(source.name, self._tagged(key), parameters, grouping, others, warnings)
        result = describe(
            photos, max_clustered=settings.worker_max_clustered, pause=lambda: sleep_unless_stopped(0, heartbeat)
        )
        if heartbeat.stop.is_set():
            raise Stopped
        self._store.finish(key, result, write_tables(result, photos.tagged))

    def _tagged(self, key: str) -> Tagged:
        """Read the tagged photos; raises ProblemError where none of the images could be read."""
        tagged = self._store.checkpoint(key)
        if tagged is None:
            detail = "None of the images can be read. Send JPEG, PNG, WebP, GIF or TIFF."
            raise ProblemError(422, "no-readable-images", "No readable images", detail)
        return tagged


def _guessed_names(archive: PhotoArchive) -> list[str]:
    if archive.encoding is None:
        return []
    return [
        f"The zip does not say which letters its names are written in; they were read as {archive.encoding}. "
        "If they look wrong, make the zip with another program, or with names in UTF-8."
    ]


def _resolved(parameters: PhotoSetParameters, tagger: TaggerClient) -> PhotoSetParameters:
    """Replace a label set's name by its labels and templates, and fill in the default template where none is given."""
    labels, templates = parameters.labels, parameters.templates
    if parameters.label_set is not None:
        stored = tagger.label_set(parameters.label_set)
        labels, templates = stored.labels, templates or stored.templates
    changes = {"labels": labels, "label_set": None, "templates": templates or [DEFAULT_TEMPLATE]}
    return parameters.model_copy(update=changes)
