"""The gateway's own metrics: jobs by state and the length of the queue, read from Redis whenever they are scraped."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from framesense.jobs.queue import QUEUES, length
from framesense.jobs.store import JobStore
from framesense.schemas.jobs import JobState


class JobMetrics(Collector):
    """Without Redis there is nothing to tell, and the rest of the metrics is told all the same."""

    def __init__(self, jobs: JobStore, redis: Redis) -> None:
        self._jobs, self._redis = jobs, redis

    def collect(self) -> Iterator[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("framesense_jobs", "Jobs kept, by state", labels=["state"])
        queues = GaugeMetricFamily("framesense_queue_length", "Tasks no worker has taken yet", labels=["queue"])
        try:
            counts = Counter(self._jobs.states())
            lengths = {queue: length(self._redis, queue) for queue in set(QUEUES.values())}
        except RedisError:
            return
        for state in JobState:
            jobs.add_metric([state], counts[state])
        for queue, waiting in lengths.items():
            queues.add_metric([queue], waiting)
        yield jobs
        yield queues
