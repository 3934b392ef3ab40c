"""The gateway's own metrics: jobs by state, queues with their workers, the disk; read whenever they are scraped."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from framesense.jobs.listeners import Listeners
from framesense.jobs.queue import QUEUES, waiting
from framesense.jobs.store import JobStore
from framesense.schemas.jobs import JobState
from gateway.http.disk import DiskSpace


class JobMetrics(Collector):
    """Tell of jobs, queues, workers and the disk.

    Without Redis there is nothing to tell of jobs, and the rest of the metrics is told all the same.
    """

    def __init__(self, jobs: JobStore, redis: Redis, listeners: Listeners, disk: DiskSpace) -> None:
        self._jobs, self._redis, self._listeners, self._disk = jobs, redis, listeners, disk

    def collect(self) -> Iterator[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("framesense_jobs", "Jobs kept, by state", labels=["state"])
        queues = GaugeMetricFamily("framesense_queue_length", "Jobs no worker has taken yet", labels=["queue"])
        workers = GaugeMetricFamily("framesense_queue_workers", "Workers that listen to the queue", labels=["queue"])
        if (free := self._disk.free()) is not None:
            yield GaugeMetricFamily("framesense_disk_free_bytes", "Room for uploads, beside the reserve", value=free)
        try:
            counts = self._jobs.states()
            lengths = {queue: self._length(queue) for queue in set(QUEUES.values())}
            listening = self._listeners.count(lengths)
        except RedisError:
            return
        for queue, count in listening.items():
            workers.add_metric([queue], count)
        for state in JobState:
            jobs.add_metric([state], counts[state])
        for queue, jobs_waiting in lengths.items():
            queues.add_metric([queue], jobs_waiting)
        yield jobs
        yield queues
        yield workers

    def _length(self, queue: str) -> int:
        """Count each job once, though it may have two messages after a worker died, and cancelled ones not at all."""
        return len(self._jobs.still_queued(waiting(self._redis, queue)))
