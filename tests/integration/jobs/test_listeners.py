"""Who listens to a queue is known by Redis's clock, and forgotten when not heard of."""

from redis import Redis

from framesense.jobs.listeners import Listeners
from tests.support.waiting import wait_until


def test_workers_are_counted_by_queue_until_they_are_not_heard_of(redis_url: str) -> None:
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        listeners, hasty = Listeners(redis, within=100), Listeners(redis, within=0.5)
        assert listeners.count(["video", "edit"]) == {"video": 0, "edit": 0}
        listeners.beat("one", ["video", "dataset"])
        listeners.beat("two", ["video"])
        listeners.beat("two", ["video"])
        assert listeners.count(["video", "dataset", "edit"]) == {"video": 2, "dataset": 1, "edit": 0}
        listeners.leave("one", ["video", "dataset"])
        assert listeners.count(["video", "dataset"]) == {"video": 1, "dataset": 0}
        wait_until(lambda: hasty.count(["video"]) == {"video": 0})
        hasty.beat("three", ["video"])
        assert redis.zrange("framesense:queue:video:listeners", 0, -1) == ["three"], "the dead are not kept"
