"""What the routes work with, made once at start from the settings and handed to them."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from celery import Celery
from fastapi import Depends, Request
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from framesense.clients.captioner import AsyncCaptionerClient
from framesense.clients.editor import AsyncEditorClient
from framesense.clients.retry import NO_RETRY
from framesense.clients.tagger import AsyncTaggerClient, TaggerClient
from framesense.jobs.listeners import Listeners
from framesense.jobs.queue import create_celery
from framesense.jobs.store import JobStore
from framesense.media.budget import PixelBudget
from framesense.media.images import ImageLimits
from framesense.media.isolated import MediaTool
from framesense.schemas.jobs import Job
from framesense.storage.analyses import AnalysisStore
from framesense.storage.blobs import Storage
from gateway.access.callers import EVERYBODY, Caller, caller_of
from gateway.http.disk import DiskSpace
from gateway.jobs.idempotency import IdempotencyKeys
from gateway.settings import GatewaySettings
from gateway.uploads.tus import ResumableStore
from gateway.videos.analysed import AnalysisCache
from gateway.videos.curves import Curves
from gateway.videos.moment_details import MomentDetails
from gateway.videos.references import References
from gateway.videos.results import VideoResults
from gateway.videos.vocabulary import Vocabulary

MOMENTS_IN_MEMORY = 4096
VOCABULARY_TIMEOUT = 10.0
"""Seconds that a result waits for the words of its moments, once for each model."""
EDITOR_TIMEOUT = 30.0
"""Seconds that the editor may be silent about its capabilities; edits themselves are a worker's to wait for."""
REDIS_TIMEOUT = 5.0
"""Seconds to wait for an answer from Redis."""


@dataclass(frozen=True)
class Dependencies:
    """Hold the components, and who sent the request that they are used for."""

    settings: GatewaySettings
    image_limits: ImageLimits
    """For every picture that the gateway decodes, so that they share its budget of pixels."""
    redis: Redis
    events: AsyncRedis
    """For following event streams; the blocking client of everything else is used from threads."""
    jobs: JobStore
    idempotency: IdempotencyKeys
    listeners: Listeners
    storage: Storage
    analyses: AnalysisStore
    analysis_cache: AnalysisCache
    videos: VideoResults
    references: References
    curves: Curves
    uploads: ResumableStore
    disk: DiskSpace
    media: MediaTool
    celery: Celery
    captioner: AsyncCaptionerClient
    tagger: AsyncTaggerClient
    editor: AsyncEditorClient
    caller: Caller = EVERYBODY
    """Who sent the request that these are used for."""

    @property
    def client(self) -> str:
        """Whose jobs the request starts; empty outside of one."""
        return self.caller.client

    def job(self, job_id: str) -> Job | None:
        """Return a job that the caller may see; None for one that is unknown, was deleted or is another's. Blocking."""
        if self.caller.owner is not None and self.jobs.client(job_id) != self.caller.owner:
            return None
        return self.jobs.get(job_id)

    async def aclose(self) -> None:
        await self.captioner.aclose()
        await self.tagger.aclose()
        await self.editor.aclose()
        await self.events.aclose()
        self.redis.close()
        self.celery.close()


def create_dependencies(settings: GatewaySettings) -> Dependencies:
    client = Redis.from_url(settings.redis_url, decode_responses=True, socket_timeout=REDIS_TIMEOUT)
    events = AsyncRedis.from_url(settings.redis_url, decode_responses=True, max_connections=settings.event_listeners)
    storage = Storage(settings.storage_url)
    analyses = AnalysisStore(storage)
    references = References(storage, limit=settings.gateway_max_references)
    token, probe = settings.token, settings.probe_timeout
    captioner = AsyncCaptionerClient(settings.captioner_url, token=token, probe_timeout=probe)
    tagger = AsyncTaggerClient(settings.tagger_url, token=token, timeout=settings.tagger_timeout, probe_timeout=probe)
    editor = AsyncEditorClient(settings.editor_url, token=token, timeout=EDITOR_TIMEOUT, probe_timeout=probe)
    curves = Curves(analyses, references, kept=8 * settings.analyses_in_memory)
    vocabulary = Vocabulary(
        partial(TaggerClient, settings.tagger_url, token=token, timeout=VOCABULARY_TIMEOUT, retry=NO_RETRY)
    )
    details = MomentDetails(analyses, vocabulary, kept=MOMENTS_IN_MEMORY)
    settings.upload_folder.mkdir(parents=True, exist_ok=True)
    folders = [settings.upload_folder, *([storage.folder] if storage.folder else [])]
    disk = DiskSpace(folders, reserve=settings.disk_reserve_bytes)
    jobs = JobStore(client, lease_seconds=settings.job_lease, retention_seconds=settings.job_retention)
    return Dependencies(
        settings=settings,
        image_limits=ImageLimits(
            settings.max_image_bytes, settings.max_image_pixels, PixelBudget(settings.max_pixels_at_once)
        ),
        redis=client,
        events=events,
        jobs=jobs,
        idempotency=IdempotencyKeys(client, jobs, retention_seconds=settings.idempotency_retention),
        listeners=Listeners(client, within=settings.job_lease),
        storage=storage,
        analyses=analyses,
        analysis_cache=AnalysisCache(analyses, kept=settings.analyses_in_memory),
        videos=VideoResults(curves, details),
        references=references,
        curves=curves,
        uploads=ResumableStore(
            settings.upload_folder,
            max_video_bytes=settings.max_video_bytes,
            max_zip_bytes=settings.max_photo_set_bytes,
            expiry=settings.upload_expiry,
            require_room=disk.require,
        ),
        disk=disk,
        media=MediaTool(concurrency=settings.media_concurrency, timeout=settings.media_timeout),
        celery=create_celery(settings),
        captioner=captioner,
        tagger=tagger,
        editor=editor,
    )


def _dependencies(request: Request) -> Dependencies:
    dependencies: Dependencies = request.app.state.dependencies
    caller = caller_of(request)
    return replace(
        dependencies,
        caller=caller,
        idempotency=dependencies.idempotency.of(caller),
        uploads=dependencies.uploads.of(caller),
    )


InjectedDependencies = Annotated[Dependencies, Depends(_dependencies)]
"""A route's parameter that receives the dependencies."""
