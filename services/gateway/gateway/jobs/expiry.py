"""Delete what has expired: uploads nobody finished or used, finished jobs past their retention, orphaned blobs."""

import asyncio
import logging

from redis import RedisError

from gateway.dependencies import Dependencies
from gateway.jobs.deletion import delete_job, delete_orphans

log = logging.getLogger(__name__)

FORM_SECONDS = 3600.0
"""After which nobody works any more on the file of a form that has arrived."""


async def purge_expired(dependencies: Dependencies) -> None:
    """Sweep at once and then every ``housekeeping_interval`` seconds, until cancelled."""
    while True:
        try:
            await asyncio.to_thread(sweep, dependencies)
        except (OSError, RedisError) as error:
            log.warning("sweeping failed and will be tried again: %s", error)
        await asyncio.sleep(dependencies.settings.housekeeping_interval)


def sweep(dependencies: Dependencies) -> None:
    """Delete everything that has expired by now. Blocking. Raises OSError and RedisError."""
    dependencies.jobs.index()
    dependencies.uploads.sweep(form_seconds=FORM_SECONDS)
    for job in dependencies.jobs.expired():
        delete_job(dependencies, job)
    delete_orphans(dependencies, older_than=dependencies.settings.orphan_grace)
    dependencies.references.delete_orphans()
