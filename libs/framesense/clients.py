"""The captioner's clients: a blocking one for the worker, which sends frames and wants numbers, and an async one for
the gateway, which passes uploads and answers through.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
from numpy.typing import NDArray

from framesense.images import NPY_MEDIA_TYPE, RGB, encode_npy, shrink
from framesense.problems import ProblemError
from framesense.schemas.arrays import EncodingFormat, to_numpy
from framesense.schemas.captions import Caption, CaptionExtra, CaptionResponse
from framesense.schemas.models import ModelInfo, ModelsResponse
from framesense.service_client import ServiceClient, ServiceUnavailable, problem_of
from framesense.uploads import Upload

Floats = NDArray[np.float32]


class CaptionerUnavailable(ServiceUnavailable):
    """The captioner gave no answer, however often it was asked; the text says what it said last."""


@dataclass(frozen=True)
class CaptionBatch:
    """The captions of n frames, in order."""

    texts: list[str]
    tokens: list[int]
    """How many tokens each caption has."""
    words: Floats
    """n × D: the mean of each caption's word embeddings, special tokens excluded; zeros for a caption of no words."""
    sentences: Floats
    """n × S, L2-normalised sentence embeddings."""
    model: ModelInfo


class CaptionerClient(ServiceClient):
    """Blocking; one instance may be shared by threads. A context manager, or call :meth:`close`.

    Args:
        least_side: frames are shrunk by whole factors before they are sent, as long as no side gets shorter than
            this many pixels; the default is twice what the embedded model sees, which changes nothing.
        base_url, timeout, retries, sleep: see :class:`framesense.service_client.ServiceClient`.
    """

    unavailable = CaptionerUnavailable

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 120.0,
        retries: int = 8,
        least_side: int = 520,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(base_url, timeout=timeout, retries=retries, sleep=sleep, transport=transport)
        self._least_side = least_side

    def caption(self, frames: Sequence[RGB], *, beams: int = 4, max_tokens: int = 24) -> CaptionBatch:
        """Caption H × W × 3 uint8 RGB frames, any sizes, at most as many as the captioner takes in one request.

        Raises:
            CaptionerUnavailable: after the last retry.
            ProblemError: what the captioner refuses, with its own words.
        """
        parts = [
            ("images", (f"frame-{index}.npy", encode_npy(shrink(frame, self._least_side)), NPY_MEDIA_TYPE))
            for index, frame in enumerate(frames)
        ]
        query = {
            "beams": beams,
            "max_tokens": max_tokens,
            "return": CaptionExtra.EMBEDDINGS.value,
            "encoding_format": EncodingFormat.BASE64.value,
        }
        body = self._request("POST", "/caption", params=query, files=parts)
        answer = CaptionResponse.model_validate_json(body)
        return CaptionBatch(
            texts=[caption.caption for caption in answer.captions],
            tokens=[len(caption.tokens) for caption in answer.captions],
            words=np.stack([_mean_word(caption) for caption in answer.captions]),
            sentences=np.stack([_sentence(caption) for caption in answer.captions]),
            model=answer.model,
        )


@dataclass(frozen=True)
class Answer:
    """Another service's answer, to be passed through as it is."""

    status: int
    body: bytes
    media_type: str
    headers: dict[str, str] = field(default_factory=dict)
    """Those worth passing on: Retry-After."""


class AsyncCaptionerClient:
    """For one event loop. An async context manager, or call :meth:`aclose`. Never retries: the caller's client may."""

    def __init__(
        self, base_url: str, *, timeout: float = 120.0, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(timeout, connect=5.0),
            limits=limits,
            transport=transport,
            trust_env=False,
        )

    async def forward(
        self,
        files: Sequence[Upload],
        query: Mapping[str, str | int | Sequence[str]] | Sequence[tuple[str, str]] | None = None,
        *,
        request_id: str | None = None,
    ) -> Answer:
        """``POST /caption`` with these files and query options; answers and problem documents come back unread.

        Raises ProblemError 503 when the captioner cannot be reached or does not answer in time.
        """
        parts = [("images", (file.filename, file.content, file.media_type)) for file in files]
        answer = await self._request("POST", "/caption", request_id, params=query, files=parts)
        kept = {"Retry-After": answer.headers["retry-after"]} if "retry-after" in answer.headers else {}
        return Answer(answer.status_code, answer.content, answer.headers.get("content-type", ""), kept)

    async def caption(
        self,
        files: Sequence[Upload],
        query: Mapping[str, str | int | Sequence[str]] | Sequence[tuple[str, str]] | None = None,
        *,
        request_id: str | None = None,
    ) -> CaptionResponse:
        """As :meth:`forward`, read. Raises ProblemError also for what the captioner refuses, with its own words."""
        answer = await self.forward(files, query, request_id=request_id)
        if answer.status >= 400:
            raise problem_of(httpx.Response(answer.status, headers=answer.headers, content=answer.body))
        return CaptionResponse.model_validate_json(answer.body)

    async def model(self) -> ModelInfo:
        """Which model answers. Raises ProblemError while there is none: its text is fit for a readiness check."""
        answer = await self._request("GET", "/models", None)
        if answer.status_code >= 400:
            raise problem_of(answer)
        return ModelsResponse.model_validate_json(answer.content).models[0]

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _request(self, method: str, path: str, request_id: str | None, **options: Any) -> httpx.Response:
        headers = {"X-Request-ID": request_id} if request_id else None
        try:
            return await self._http.request(method, path, headers=headers, **options)
        except httpx.TransportError as error:
            detail = f"The captioner does not answer ({type(error).__name__}). Try again in a moment."
            raise ProblemError(
                503, "captioner-unavailable", "Captioner unavailable", detail, headers={"Retry-After": "5"}
            ) from error


def _mean_word(caption: Caption) -> Floats:
    if caption.embeddings is None:
        raise ValueError("the captioner returned no embeddings")
    words = to_numpy(caption.embeddings.words)
    return words.mean(axis=0) if len(words) else np.zeros(words.shape[-1:], np.float32)


def _sentence(caption: Caption) -> Floats:
    if caption.embeddings is None:
        raise ValueError("the captioner returned no embeddings")
    return to_numpy(caption.embeddings.sentence)
