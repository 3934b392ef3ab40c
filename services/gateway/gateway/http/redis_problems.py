"""What a caller is told when Redis does not do what it should."""

from fastapi import Request, Response
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from framesense.http.problems import ProblemError, problem_response, storage_full

_FULL = ("MISCONF", "OOM ")
"""How Redis begins when it has no room: on its disk, or in the memory that it may use."""
_NO_WRITES = ("READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS")


async def redis_problem(request: Request, error: Exception) -> Response:
    """Answer 507 where Redis has no room, 503 where it cannot be reached or writes nothing for now.

    Raises the error itself where it is none of these: a fault of ours.
    """
    problem = redis_problem_of(error)
    if problem is None:
        raise error
    return problem_response(request, problem.document(), problem.headers)


def redis_problem_of(error: BaseException) -> ProblemError | None:
    """Return what to tell of an error of Redis, or of the queue in it; None where it says nothing of Redis's state."""
    said = str(error)
    if any(word in said for word in _FULL):
        return storage_full("The database of jobs has no room: it takes no more jobs. Those it has are kept.")
    if isinstance(error, ResponseError) and not any(word in said for word in _NO_WRITES):
        return None
    if isinstance(error, MaxConnectionsError):
        detail = "As many clients as may follow jobs at once do so already. Try again in a moment."
        return ProblemError(503, "too-many-listeners", "Too many listeners", detail, headers={"Retry-After": "5"})
    if isinstance(error, RedisConnectionError | RedisTimeoutError | ResponseError) or _is_of_the_queue(error):
        detail = "Jobs cannot be reached. Try again in a moment."
        return ProblemError(503, "redis-unavailable", "Redis unavailable", detail, headers={"Retry-After": "5"})
    return None


def _is_of_the_queue(error: BaseException) -> bool:
    return type(error).__module__.startswith(("kombu.", "amqp."))
