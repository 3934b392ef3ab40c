"""Searching a video in words: one embedding of the words, one matrix product with what is stored."""

import asyncio

import numpy as np
from numpy.typing import NDArray

from framesense.clients.tagger import AsyncTaggerClient
from framesense.http.problems import ProblemError
from framesense.novelty.curve import Span, robust_z
from framesense.schemas.arrays import to_numpy
from framesense.schemas.novelty import FoundMoment, SearchResult
from framesense.schemas.tags import TextEmbeddings
from gateway.videos.analysed import Analysed, thumbnail_url

Curve = NDArray[np.float64]

STILL_SPREAD, STILL_RISE = 0.0035, 0.006
"""Standard deviation of a standing picture's cosines with words, and their largest rise above the median, measured with
two photos encoded as H.264 and VP8: what rises no higher is the encoder's doing."""
LEAST_FIT, CLEAR_FIT = 1.0, 1.75
"""Standard deviations above the cosines that words have with the tagger's reference photos: at the first a picture has
a chance of 1 in 7 to fit, at the second of a half (the logistic of docs/tags.md). Measured with three clips: of 40
words for what was not there 27 stayed below the first and 38 below the second, of 17 for what was there 1 and 5.
"""
COSINE_DIGITS = 5
"""More would tell nothing: embeddings are stored as float16."""


async def search(analysed: Analysed, words: str, tagger: AsyncTaggerClient, *, limit: int) -> SearchResult:
    """Find the frames whose pictures fit some words.

    Raises ProblemError: 409 where the frames have no embeddings or another model's, 503 while the tagger does not
    answer, and what the tagger refuses.
    """
    aligned = analysed.frames.aligned
    made_by = next((model for model in analysed.summary.models if model.service == "tagger"), None)
    if aligned is None or made_by is None:
        detail = (
            "No tagger ran when this video was analysed, so its frames cannot be searched in words. Once one runs "
            f"(TAGGER_URL), POST /video_captions with job_id={analysed.job.id} analyses it again, with no second "
            "upload. The captions can be searched in any case."
        )
        raise ProblemError(409, "search-not-stored", "Search not stored", detail)
    query = await tagger.embed_texts([words])
    if (query.model.name, query.model.revision) != (made_by.name, made_by.revision):
        detail = (
            f"The frames were embedded by {made_by.name} ({made_by.revision}), but the tagger is now "
            f"{query.model.name} ({query.model.revision}). POST /video_captions with "
            f"job_id={analysed.job.id} analyses the video with this one, with no second upload."
        )
        raise ProblemError(409, "model-changed", "Model changed", detail)
    # In a thread: with a hundred thousand frames it takes some hundredths of a second.
    return await asyncio.to_thread(_found, analysed, aligned, words, query, limit)


def _found(
    analysed: Analysed, aligned: NDArray[np.float32], words: str, query: TextEmbeddings, limit: int
) -> SearchResult:
    cosines = np.clip(aligned @ to_numpy(query.embeddings)[0], -1, 1)
    curve = np.round(cosines.astype(np.float64), COSINE_DIGITS)
    scores = robust_z(curve, floor=STILL_SPREAD)
    spans = best_spans(curve, limit=limit)
    fitting = [span for span in spans if _fit(span.score, query) >= LEAST_FIT]
    return SearchResult(
        q=words,
        similarity=curve.tolist(),
        moments=[_moment(analysed, curve, scores, span) for span in fitting],
        warnings=[*query.warnings, *_doubts(words, fitting, float(curve.max()), query)],
        model=query.model,
    )


def _fit(cosine: float, query: TextEmbeddings) -> float:
    """Return by how many standard deviations a cosine is above those with the tagger's reference photos.

    Infinity where the tagger's model has none.
    """
    if not query.background_mean or not query.background_deviation:
        return np.inf
    return (cosine - query.background_mean[0]) / query.background_deviation[0]


def _doubts(words: str, found: list[Span], highest: float, query: TextEmbeddings) -> list[str]:
    """Say so where no frame, or none clearly, is nearer to the words than any photo is."""
    best = max((_fit(span.score, query) for span in found), default=_fit(highest, query))
    if best < LEAST_FIT:
        return [f"Nothing in this video fits {words!r}: no frame is nearer to it than ordinary photos are."]
    if best < CLEAR_FIT:
        return [f"Nothing in this video clearly fits {words!r}: these are the frames that come nearest."]
    return []


def best_spans(curve: Curve, *, limit: int) -> list[Span]:
    """Find the ``limit`` best stretches of a similarity curve, the best first; their score is the peak's value.

    The highest frame left is a peak; its stretch reaches as far as the curve stays in the upper half between the
    curve's median and that peak. Only what is above the median by more than STILL_RISE counts, so that a video in
    which nothing changes has no moments.
    """
    middle = float(np.median(curve))
    left = np.asarray(curve, dtype=np.float64).copy()
    spans: list[Span] = []
    while len(spans) < limit and (peak := int(np.argmax(left))) >= 0 and left[peak] > middle + STILL_RISE:
        level = (middle + curve[peak]) / 2
        start = stop = peak
        while start > 0 and left[start - 1] >= level:
            start -= 1
        while stop + 1 < len(left) and left[stop + 1] >= level:
            stop += 1
        spans.append(Span(start=start, peak=peak, end=stop, score=float(curve[peak])))
        left[start : stop + 1] = -np.inf
    return spans


def _moment(analysed: Analysed, curve: Curve, scores: Curve, span: Span) -> FoundMoment:
    frames = analysed.frames
    return FoundMoment(
        start=frames.times[span.start],
        peak=frames.times[span.peak],
        end=frames.times[span.end],
        peak_index=span.peak,
        caption=frames.captions[span.peak],
        confidence=frames.chances()[span.peak],
        similarity=curve[span.peak],
        score=scores[span.peak],
        thumbnail=thumbnail_url(analysed.job, span.peak),
    )
