"""Which workers listen to which queue: each says so every few seconds, in Redis, by Redis's own clock.

A queue without a listener keeps its jobs, but nobody takes them.
"""

from collections.abc import Iterable, Mapping

from redis import Redis

BEAT = """
local now = tonumber(redis.call('TIME')[1])
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - tonumber(ARGV[2]))
end
"""
"""KEYS: listeners of queues. ARGV: worker, seconds after which another that is not heard of is forgotten."""


class Listeners:
    """Keep who listens.

    ``within``: seconds after which a worker that is not heard of listens no longer.
    """

    def __init__(self, redis: Redis, *, within: float) -> None:
        self._redis, self._within = redis, within
        self._beat_script = redis.register_script(BEAT)

    def beat(self, worker: str, queues: Iterable[str]) -> None:
        """Say that a worker listens to queues; ``worker``: a name that no other has. Raises redis.RedisError."""
        self._beat_script(keys=[_key(queue) for queue in queues], args=[worker, self._within])

    def leave(self, worker: str, queues: Iterable[str]) -> None:
        """Say that a worker listens no longer. Raises redis.RedisError."""
        with self._redis.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.zrem(_key(queue), worker)
            pipe.execute()

    def count(self, queues: Iterable[str]) -> Mapping[str, int]:
        """Return how many workers listen to each queue. Raises redis.RedisError."""
        names = list(queues)
        seconds, _ = self._redis.time()
        with self._redis.pipeline(transaction=False) as pipe:
            for queue in names:
                pipe.zcount(_key(queue), seconds - self._within, "+inf")
            return dict(zip(names, pipe.execute(), strict=True))


def _key(queue: str) -> str:
    return f"framesense:queue:{queue}:listeners"
