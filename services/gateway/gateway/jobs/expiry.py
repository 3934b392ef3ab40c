"""Throwing away what has expired: uploads nobody finished or used, and finished jobs older than their retention."""

import asyncio
import logging

from redis import RedisError

from gateway.dependencies import Components
from gateway.jobs.deletion import delete_job, delete_orphans

log = logging.getLogger(__name__)


async def purge_expired(components: Components) -> None:
    """Sweeps at once and then forever; cancel it to stop."""
    while True:
        try:
            await asyncio.to_thread(sweep, components)
        except (OSError, RedisError) as error:
            log.warning("sweeping failed and will be tried again: %s", error)
        await asyncio.sleep(components.settings.housekeeping_interval)


def sweep(components: Components) -> None:
    """Raises OSError and RedisError."""
    components.jobs.index_kinds()
    components.uploads.sweep()
    for job in components.jobs.expired():
        delete_job(components, job)
    delete_orphans(components, older_than=components.settings.orphan_grace)
    components.references.delete_orphans()
