"""Asking another service, blocking: refused connections, broken answers and 5xx are tried again for a while."""

import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx
from pydantic import ValidationError

from framesense.http.problems import ProblemError
from framesense.schemas.models import ModelInfo, ModelsResponse
from framesense.schemas.problems import Problem

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two attempts: doubled each time, or what Retry-After says, up to the longest."""


class ServiceUnavailable(Exception):  # noqa: N818 - a state of another service
    """The service gave no answer, however often it was asked; the text says what it said last."""


class ServiceClient:
    """What the clients of all model servers have in common.

    One instance may be shared by threads. A context manager, or call :meth:`close`.

    Args:
        base_url: such as ``http://127.0.0.1:8001``.
        timeout: seconds for one attempt.
        retries: how often a refused connection, a broken answer or a 5xx is tried again.
        sleep: pauses between attempts, in seconds; raise from it to give up early.
    """

    unavailable: ClassVar[type[ServiceUnavailable]] = ServiceUnavailable
    """What is raised after the last retry."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 120.0,
        retries: int = 8,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        # trust_env: a proxy of the environment is for the world outside, not for the service next door.
        self._http = httpx.Client(base_url=base_url, timeout=timeout, transport=transport, trust_env=False)
        self._retries, self._sleep = retries, sleep

    def model(self) -> ModelInfo:
        """Ask which model answers; one that waits for its first use is loaded.

        Raises ServiceUnavailable, and ProblemError for what the service refuses.
        """
        return ModelsResponse.model_validate_json(self._request("GET", "/models", params={"load": "true"})).models[0]

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _request(self, method: str, path: str, **options: Any) -> bytes:
        pause = FIRST_PAUSE
        for attempt in range(self._retries + 1):
            try:
                answer = self._http.request(method, path, **options)
                if answer.status_code < 400:
                    return answer.content
                if answer.status_code < 500:
                    raise problem_of(answer)
                reason, asked = problem_of(answer).detail, retry_after(answer.headers)
            except httpx.TransportError as error:
                reason, asked = f"{type(error).__name__}: {error}", None
            if attempt < self._retries:
                self._sleep(min(LONGEST_PAUSE, pause if asked is None else asked))
                pause *= 2
        attempts = self._retries + 1
        raise self.unavailable(f"no answer from {self._http.base_url} in {attempts} attempts; the last: {reason}")


def attempts_within(seconds: float) -> int:
    """Count the attempts that a client makes in ``seconds`` seconds of pauses."""
    attempts, pause, waited = 1, FIRST_PAUSE, 0.0
    while waited + pause <= seconds:
        attempts, waited, pause = attempts + 1, waited + pause, min(LONGEST_PAUSE, 2 * pause)
    return attempts


def problem_of(answer: httpx.Response) -> ProblemError:
    """Return the problem document of an answer, or one made of what came instead."""
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        problem = Problem(title=answer.reason_phrase or "Error", status=answer.status_code, detail=answer.text[:200])
    slug = problem.type.removeprefix("urn:framesense:problem:")
    kept = {"Retry-After": answer.headers["retry-after"]} if "retry-after" in answer.headers else None
    return ProblemError(problem.status, slug, problem.title, problem.detail, headers=kept)


def retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds that an answer asks to wait; the form with a date is not used between our own services."""
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
