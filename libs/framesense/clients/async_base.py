"""Asking a model server from an event loop, and passing on what it answers: the gateway's side of every short request.

Never tries again: the caller's client may, and is told when.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from framesense.clients.base import problem_of
from framesense.http.problems import ProblemError
from framesense.schemas.models import ModelInfo, ModelsResponse

Query = Mapping[str, str | int | Sequence[str]] | Sequence[tuple[str, str]]
PASSED_ON = ("Retry-After", "Content-Disposition")
"""Headers of an answer that are for whoever asked."""


@dataclass(frozen=True)
class Answer:
    """Another service's answer, to be passed through as it is."""

    status: int
    body: bytes
    media_type: str
    headers: dict[str, str] = field(default_factory=dict)
    """Those worth passing on."""


class AsyncServiceClient:
    """What the async clients of all model servers have in common.

    For one event loop. An async context manager, or call :meth:`aclose`.

    Args:
        base_url: such as ``http://127.0.0.1:8001``.
        service: what the server is called in problems: "captioner".
        timeout: seconds that the server may be silent.
    """

    def __init__(
        self,
        base_url: str,
        *,
        service: str,
        timeout: float = 120.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.service, self.timeout = service, timeout
        # Idle connections are given up before the server does so after 5 seconds, which could be just when one is used.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=3.0)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(timeout, connect=5.0),
            limits=limits,
            transport=transport,
            trust_env=False,
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
        """Send a request whose body, of type ``media_type``, is passed on while it arrives; the answer is not read.

        Raises ProblemError 503 when the server cannot be reached or does not answer in time, and what ``body`` raises.
        """
        headers = {"Content-Type": media_type} if media_type else {}
        return answer_of(await self._request(method, path, request_id, params=query, content=body, headers=headers))

    async def models(self) -> ModelsResponse:
        """Ask which model answers, and whether it is loaded.

        Raises ProblemError where the server does not answer.
        """
        answer = await self._request("GET", "/models", None)
        if answer.status_code >= 400:
            raise problem_of(answer)
        return ModelsResponse.model_validate_json(answer.content)

    async def model(self) -> ModelInfo:
        """Ask which model answers, without having it loaded; raises ProblemError 503 while there is none."""
        found = await self.models()
        if not found.models:
            reason = found.states[0].detail if found.states else None
            detail = f"The {self.service}'s model is not loaded. {reason or 'Try again in a moment.'}"
            raise ProblemError(503, "model-loading", "Model loading", detail, headers={"Retry-After": "2"})
        return found.models[0]

    async def ready(self) -> None:
        """Check readiness; raises ProblemError, with the server's own reason, while it is not ready."""
        answer = await self._request("GET", "/ready", None)
        if answer.status_code >= 400:
            raise problem_of(answer)

    async def aclose(self) -> None:
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
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        own = {"X-Request-ID": request_id} if request_id else {}
        try:
            return await self._http.request(method, path, headers={**own, **(headers or {})}, **options)
        except httpx.TransportError as error:
            detail = f"The {self.service} does not answer ({type(error).__name__}). Try again in a moment."
            raise ProblemError(
                503,
                f"{self.service}-unavailable",
                f"{self.service.capitalize()} unavailable",
                detail,
                headers={"Retry-After": "5"},
            ) from error


def answer_of(response: httpx.Response) -> Answer:
    kept = {name: response.headers[name] for name in PASSED_ON if name in response.headers}
    return Answer(response.status_code, response.content, response.headers.get("content-type", ""), kept)
