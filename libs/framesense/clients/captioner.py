"""The captioner's clients: a blocking one for the worker, which sends frames and wants numbers, and an async one for
the gateway, which passes uploads and answers through.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
import numpy as np
from numpy.typing import NDArray

from framesense.clients.answers import Answer
from framesense.clients.base import AsyncServiceClient, Query, ServiceClient, ServiceUnavailable
from framesense.clients.retry import RetryPolicy
from framesense.http.uploads import Upload
from framesense.media.images import NPY_MEDIA_TYPE, RGB, encode_npy, shrink
from framesense.schemas.arrays import Array, EncodingFormat, to_numpy
from framesense.schemas.captions import Caption, CaptionExtra, CaptionResponse
from framesense.schemas.models import ModelInfo

Floats = NDArray[np.float32]


class CaptionerUnavailable(ServiceUnavailable):
    """The captioner gave no answer, however often it was asked; the text says what it said last."""


@dataclass(frozen=True)
class CaptionBatch:
    """The captions of n frames, in order."""

    texts: list[str]
    words: Floats
    """n × D: the mean of each caption's word embeddings, special tokens excluded; zeros for a caption of no words."""
    sentences: Floats
    """n × S, L2-normalised sentence embeddings."""
    model: ModelInfo
    visual: Floats | None = None
    """n × V embeddings of the pictures themselves; None from a captioner that gives none."""
    patches: Floats | None = None
    """n × rows × columns × P descriptors of their patches; None from a captioner that gives none."""
    confidences: Floats | None = None
    """n chances, each that the caption is right, in [0, 1]; None from a captioner that was not calibrated."""
    pooled: Floats | None = None
    """n × dimensions: what the captioner's ``encoder`` tells of the pictures; None unless asked for."""


class CaptionerClient(ServiceClient):
    """Blocking; one instance may be shared by threads. A context manager, or call :meth:`close`.

    Args:
        least_side: frames are shrunk by whole factors before they are sent, as long as no side gets shorter than
            this many pixels; the default is twice what the embedded model sees, which changes nothing.
        base_url, token, timeout, retry, sleep, clock: see :class:`framesense.clients.base.ServiceClient`.
    """

    service = "captioner"
    unavailable = CaptionerUnavailable

    def __init__(
        self,
        base_url: str,
        *,
        token: str = "",
        timeout: float = 120.0,
        retry: RetryPolicy = RetryPolicy(),
        least_side: int = 520,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(
            base_url, token=token, timeout=timeout, retry=retry, sleep=sleep, clock=clock, transport=transport
        )
        self._least_side = least_side

    def caption(
        self, frames: Sequence[RGB], *, beams: int = 4, max_tokens: int = 24, pooled: bool = False
    ) -> CaptionBatch:
        """Caption H × W × 3 uint8 RGB frames, any sizes, at most as many as the captioner takes in one request.

        ``pooled``: with what a tagger that has the captioner's image encoder can use in place of the frames.

        Raises:
            CaptionerUnavailable: after the last attempt.
            ProblemError: what the captioner refuses, with its own words.
        """
        parts = [
            ("images", (f"frame-{index}.npy", encode_npy(shrink(frame, self._least_side)), NPY_MEDIA_TYPE))
            for index, frame in enumerate(frames)
        ]
        extras = [CaptionExtra.EMBEDDINGS, CaptionExtra.VISUAL, CaptionExtra.PATCHES]
        if pooled:
            extras.append(CaptionExtra.POOLED)
        query = {
            "beams": beams,
            "max_tokens": max_tokens,
            "return": [extra.value for extra in extras],
            "encoding_format": EncodingFormat.BASE64.value,
        }
        body = self._request("POST", "/caption", params=query, files=parts)
        answer = CaptionResponse.model_validate_json(body)
        return CaptionBatch(
            texts=[caption.caption for caption in answer.captions],
            words=np.stack([_mean_word(caption) for caption in answer.captions]),
            sentences=np.stack([_sentence(caption) for caption in answer.captions]),
            model=answer.model,
            visual=_stacked([caption.visual for caption in answer.captions]),
            patches=_stacked([caption.patches for caption in answer.captions]),
            confidences=_chances([caption.confidence for caption in answer.captions]),
            pooled=_stacked([caption.pooled for caption in answer.captions]),
        )


class AsyncCaptionerClient(AsyncServiceClient):
    """See :class:`framesense.clients.base.AsyncServiceClient`."""

    service = "captioner"

    async def forward(
        self, files: Sequence[Upload], query: Query | None = None, *, request_id: str | None = None
    ) -> Answer:
        """Send files to ``POST /caption`` with query options; answers and problem documents come back unread.

        Raises ProblemError 503 when the captioner cannot be reached or does not answer in time.
        """
        parts = [("images", (file.filename, file.content, file.media_type)) for file in files]
        return await self._request("POST", "/caption", request_id, params=query, files=parts)

    async def caption(
        self, files: Sequence[Upload], query: Query | None = None, *, request_id: str | None = None
    ) -> CaptionResponse:
        """Caption files as :meth:`forward` does, and read the answer.

        Raises ProblemError also for what the captioner refuses, with its own words.
        """
        answer = await self.forward(files, query, request_id=request_id)
        return CaptionResponse.model_validate_json(answer.content())


def _mean_word(caption: Caption) -> Floats:
    if caption.embeddings is None:
        raise ValueError("the captioner returned no embeddings")
    words = to_numpy(caption.embeddings.words)
    return words.mean(axis=0) if len(words) else np.zeros(words.shape[-1:], np.float32)


def _stacked(arrays: Sequence[Array | None]) -> Floats | None:
    """Stack arrays; None when one of them is missing."""
    present = [to_numpy(array) for array in arrays if array is not None]
    return np.stack(present) if present and len(present) == len(arrays) else None


def _chances(chances: Sequence[float | None]) -> Floats | None:
    """Collect the chances; None when one of them is missing."""
    present = [chance for chance in chances if chance is not None]
    return np.array(present, np.float32) if len(present) == len(chances) else None


def _sentence(caption: Caption) -> Floats:
    if caption.embeddings is None:
        raise ValueError("the captioner returned no embeddings")
    return to_numpy(caption.embeddings.sentence)
