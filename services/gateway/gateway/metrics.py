"""The gateway's own metrics: jobs by state and the length of the queue, read from Redis whenever they are scraped."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from framesense.jobs.queue import QUEUES, waiting
from framesense.jobs.store import JobStore
from framesense.schemas.jobs import JobState


class JobMetrics(Collector):
    """Without Redis there is nothing to tell, and the rest of the metrics is told all the same."""

    def __init__(self, jobs: JobStore, redis: Redis) -> None:
        self._jobs, self._redis = jobs, redis

    def collect(self) -> Iterator[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("framesense_jobs", "Jobs kept, by state", labels=["state"])
        queues = GaugeMetricFamily("framesense_queue_length", "Jobs no worker has taken yet", labels=["queue"])
        try:
            counts = Counter(self._jobs.states())
            lengths = {queue: self._length(queue) for queue in set(QUEUES.values())}
        except RedisError:
            return
        for state in JobState:
            jobs.add_metric([state], counts[state])
        for queue, jobs_waiting in lengths.items():
            queues.add_metric([queue], jobs_waiting)
        yield jobs
        yield queues

    def _length(self, queue: str) -> int:
        """Count each job once, though it may have two messages after a worker died, and cancelled ones not at all."""
        return len(self._jobs.still_queued(waiting(self._redis, queue)))
