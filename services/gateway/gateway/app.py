"""The gateway: the public API."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from fastapi import FastAPI
from kombu.exceptions import ChannelError, OperationalError
from prometheus_client import CollectorRegistry
from redis import RedisError

from framesense.access.keys import KeyStore, KeysUnreadableError
from framesense.http.app import create_service
from framesense.http.bodies import BodyLimits
from framesense.http.browsers import BrowserPolicy
from framesense.http.hosts import AllowedHosts
from framesense.http.origins import AllowedOrigins
from gateway import index
from gateway.a1111 import routes as sdapi
from gateway.access import routes as access
from gateway.access.guard import AccessGuard, Gatekeeper, keys_problem
from gateway.access.sessions import Sessions
from gateway.captions import routes as captions
from gateway.classifiers import routes as classifiers
from gateway.dependencies import create_dependencies
from gateway.edits import routes as edits
from gateway.health import checks, warnings
from gateway.http.cors import PageCORS
from gateway.http.redis_problems import redis_problem
from gateway.jobs import routes as jobs
from gateway.jobs.expiry import purge_expired
from gateway.legacy import routes as older_clients
from gateway.metrics import JobMetrics
from gateway.models import routes as models
from gateway.openapi.access import describe_access
from gateway.photo_sets import routes as photo_sets
from gateway.settings import GatewaySettings
from gateway.tags import routes as tags
from gateway.uploads import routes as uploads
from gateway.uploads.protocol import TusProtocol
from gateway.videos import clip_routes as clips
from gateway.videos import job_routes as analysed_videos
from gateway.videos import reference_routes as references
from gateway.videos import routes as videos

log = logging.getLogger(__name__)

DESCRIPTION = """
Captions images; tags and classifies them by labels in words, with no training; and finds the odd moments of videos:
samples frames, captions each one and scores how far it is from the frames before it.

Short work is answered at once. A video becomes a **job**: follow it by its events, then fetch its result. Errors are
RFC 9457 problem documents (`application/problem+json`).
"""


def create_app(settings: GatewaySettings | None = None) -> FastAPI:
    settings = settings or GatewaySettings()
    dependencies = create_dependencies(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        housekeeper = asyncio.create_task(purge_expired(dependencies))
        yield
        housekeeper.cancel()
        with suppress(asyncio.CancelledError):
            await housekeeper
        await dependencies.aclose()

    registry = CollectorRegistry()
    registry.register(JobMetrics(dependencies.jobs, dependencies.redis, dependencies.listeners, dependencies.disk))
    policy = BrowserPolicy(
        AllowedHosts(settings.allowed_hosts, address=settings.gateway_host),
        AllowedOrigins(settings.gateway_cors_origins, ports=[settings.ui_public_port]),
    )
    if not settings.keys_required and not settings.is_local:
        log.warning("REQUIRE_KEYS=never: whoever reaches this gateway sees, changes and deletes everything.")
    keys = KeyStore(settings.keys_file)
    gatekeeper = Gatekeeper(
        keys,
        Sessions(dependencies.redis, keys, seconds=settings.session_lifetime),
        required=settings.keys_required,
        tries=settings.wrong_keys_a_minute,
    )
    app = create_service(
        "Framesense",
        lifespan=lifespan,
        checks=checks(dependencies),
        warnings=partial(warnings, dependencies),
        registry=registry,
        browsers=policy,
        bodies=BodyLimits.of(settings),
        guard=partial(AccessGuard, gatekeeper=gatekeeper),
        description=DESCRIPTION,
        version="0.1.0",
    )
    app.state.dependencies, app.state.gatekeeper = dependencies, gatekeeper
    for subject in (
        access,
        captions,
        tags,
        classifiers,
        photo_sets,
        videos,
        edits,
        jobs,
        analysed_videos,
        clips,
        references,
        uploads,
        models,
        sdapi,
        older_clients,
        index,
    ):
        app.include_router(subject.router)
    for error in (RedisError, OperationalError, ChannelError):
        app.add_exception_handler(error, redis_problem)
    app.add_exception_handler(KeysUnreadableError, keys_problem)
    describe_access(app, required=settings.keys_required)
    app.add_middleware(TusProtocol)
    app.add_middleware(PageCORS, policy=policy)
    return app
