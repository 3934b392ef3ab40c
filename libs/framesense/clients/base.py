"""The clients that all model servers have in common: a blocking one that tries again, for the worker, and an async one
that never does, for the gateway, whose own clients may and are told when.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

import httpx

from framesense.access.service_token import token_headers
from framesense.clients.answers import Answer
from framesense.clients.retry import Failure, RetryPolicy, RetryTimer
from framesense.http.problems import MODEL_LOADING, ProblemError, model_loading
from framesense.logs import current_request_id
from framesense.schemas.models import ModelInfo, ModelsResponse

HttpClient = TypeVar("HttpClient", httpx.Client, httpx.AsyncClient)
Query = Mapping[str, str | int | Sequence[str]] | Sequence[tuple[str, str]]


class ServiceUnavailable(Exception):  # noqa: N818 - a state of another service
    """The service gave no answer, however often it was asked; the text says what it said last."""


class BaseClient(Generic[HttpClient]):
    """Hold the connections to one model server. ``trust_env`` is off in them: a proxy of the environment is for the
    world outside, not for the service next door.
    """

    service: ClassVar[str]
    """What the server is called in problems: "captioner"."""

    def __init__(self, http: HttpClient) -> None:
        self._http: HttpClient = http

    def _token_refused(self) -> str:
        """Say what is wrong where the server answers 401."""
        return f"The {self.service} has another SERVICE_TOKEN. Tell who runs this service: all parts need the same one."


class ServiceClient(BaseClient[httpx.Client]):
    """Ask a model server, blocking. One instance may be shared by threads. A context manager, or call :meth:`close`.

    Its requests carry the id of the request within which it was made.

    Args:
        base_url: such as ``http://127.0.0.1:8001``.
        timeout: seconds for one attempt.
        token: what the server's ``SERVICE_TOKEN`` asks for, if it does.
        retry: how long a refused connection, a broken answer or a 5xx is tried again.
        sleep: pauses between attempts, in seconds; raise from it to give up early.
        clock: seconds of a clock that never goes back.
    """

    unavailable: ClassVar[type[ServiceUnavailable]] = ServiceUnavailable
    """What is raised after the last attempt."""

    def __init__(
        self,
        base_url: str,
        *,
        token: str = "",
        timeout: float = 120.0,
        retry: RetryPolicy = RetryPolicy(),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        request_id = current_request_id()
        headers = token_headers(token) | ({"X-Request-ID": request_id} if request_id else {})
        super().__init__(
            httpx.Client(base_url=base_url, timeout=timeout, transport=transport, trust_env=False, headers=headers)
        )
        self._retry, self._sleep, self._clock = retry, sleep, clock

    def model(self) -> ModelInfo:
        """Return the model that answers; one that waits for its first use is loaded.

        Raises ServiceUnavailable, and ProblemError for what the service refuses.
        """
        return ModelsResponse.model_validate_json(self._request("GET", "/models", params={"load": "true"})).models[0]

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _request(self, method: str, path: str, **options: Any) -> bytes:
        return self._send(method, path, **options).content

    def _send(self, method: str, path: str, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Return the first response below 400; with ``stream`` its body is still to be read, and it to be closed.

        Raises ``unavailable`` after the last attempt, and ProblemError for what the service refuses.
        """
        timer = RetryTimer(self._retry, self._clock)
        while True:
            try:
                response = self._http.send(self._http.build_request(method, path, **options), stream=stream)
                if response.status_code < 400:
                    return response
                failure = self._failure(response)
            except httpx.TransportError as error:
                failure = Failure(f"{type(error).__name__}: {error}")
            pause = timer.pause_after(failure)
            if pause is None:
                raise self.unavailable(f"{self._http.base_url}: {timer.summary(failure)}")
            self._sleep(pause)

    def _failure(self, response: httpx.Response) -> Failure:
        """Describe a response of 500 or more, or of a server with another token.

        Raises ProblemError for another one below: trying again would change nothing.
        """
        try:
            response.read()
        finally:
            response.close()
        answer = Answer.of(response)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return Failure(self._token_refused())
        problem = answer.problem
        if answer.status < 500:
            raise problem
        return Failure(problem.detail, answer.retry_after, loading=problem.slug == MODEL_LOADING)


class AsyncServiceClient(BaseClient[httpx.AsyncClient]):
    """Ask a model server from an event loop, and pass on what it answers. For one event loop. An async context manager,
    or call :meth:`aclose`.

    Args:
        base_url: such as ``http://127.0.0.1:8001``.
        token: what the server's ``SERVICE_TOKEN`` asks for, if it does.
        timeout: seconds that the server may be silent.
        probe_timeout: seconds that it may be silent when it is only asked for its model, or whether it is ready.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str = "",
        timeout: float = 120.0,
        probe_timeout: float = 5.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.timeout, self.probe_timeout = timeout, probe_timeout
        # Idle connections are given up before the server does so after 5 seconds, which could be just when one is used.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=3.0)
        timeouts = httpx.Timeout(timeout, connect=5.0)
        super().__init__(
            httpx.AsyncClient(
                base_url=base_url,
                timeout=timeouts,
                limits=limits,
                transport=transport,
                trust_env=False,
                headers=token_headers(token),
            )
        )

    async def pass_on(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: AsyncIterator[bytes] | None = None,
        media_type: str | None = None,
        request_id: str | None = None,
    ) -> Answer:
        """Send a request whose body, of type ``media_type``, is sent while it arrives; return the answer unread.

        Raises ProblemError 503 when the server cannot be reached or does not answer in time, and what ``body`` raises.
        """
        # As the bytes that came, which need not be ASCII.
        headers = {b"Content-Type": media_type.encode("latin-1")} if media_type else {}
        return await self._request(method, path, request_id, params=query, content=body, headers=headers)

    async def models(self) -> ModelsResponse:
        """Tell which model answers, and whether it is loaded. Raises ProblemError where the server does not answer."""
        answer = await self._request("GET", "/models", None, timeout=self.probe_timeout)
        return ModelsResponse.model_validate_json(answer.content())

    async def model(self) -> ModelInfo:
        """Return the model that answers. Raises ProblemError 503 while there is none, and does not have it loaded."""
        found = await self.models()
        if not found.models:
            reason = found.states[0].detail if found.states else None
            raise model_loading(f"The {self.service}'s model is not loaded. {reason or 'Try again in a moment.'}")
        return found.models[0]

    async def ready(self) -> None:
        """Check readiness: raises ProblemError, with the server's own reason, while it is not ready."""
        (await self._request("GET", "/ready", None, timeout=self.probe_timeout)).content()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _request(
        self,
        method: str,
        path: str,
        request_id: str | None,
        *,
        headers: Mapping[bytes, bytes] | None = None,
        **options: Any,
    ) -> Answer:
        own = {b"X-Request-ID": request_id.encode()} if request_id else {}
        try:
            answer = Answer.of(await self._http.request(method, path, headers={**own, **(headers or {})}, **options))
        except httpx.TransportError as error:
            name = self.service
            detail = f"The {name} does not answer ({type(error).__name__}). Try again in a moment."
            title = f"{name.capitalize()} unavailable"
            raise ProblemError(503, f"{name}-unavailable", title, detail, headers={"Retry-After": "5"}) from error
        if answer.status == HTTPStatus.UNAUTHORIZED:
            # It is not whoever asked the gateway that has no token.
            detail = self._token_refused()
            raise ProblemError(503, f"{self.service}-refuses", "Model server refuses", detail)
        return answer
