"""From a stored analysis to what is answered: captions are stored, novelty and moments are computed when asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from framesense.analyses import AnalysisStore, Frames, Summary
from framesense.novelty import Span, find_spans, rolling_novelty
from framesense.schemas.jobs import Job
from framesense.schemas.novelty import Frame, Moment, NoveltyCurve, NoveltyParameters, VideoParameters, VideoResult


class Results:
    """Reads whole analyses. They never change, so the last few are kept in memory for redrawing a curve at once."""

    def __init__(self, analyses: AnalysisStore, *, kept: int) -> None:
        self._analyses = analyses
        self._load = lru_cache(maxsize=kept)(self._read)

    def load(self, key: str) -> tuple[Summary, Frames] | None:
        """A whole analysis, or None where there is none."""
        try:
            return self._load(key)
        except KeyError:
            return None

    def _read(self, key: str) -> tuple[Summary, Frames]:
        found = self._analyses.load(key)
        if found is None:
            raise KeyError(key)  # not returned: that would be remembered
        return found


@dataclass(frozen=True)
class Analysed:
    """A job that succeeded, and what was found."""

    job: Job
    summary: Summary
    frames: Frames

    def parameters(self, changes: Mapping[str, object]) -> VideoParameters:
        """The job's own parameters, but for the changes."""
        return VideoParameters.model_validate({**self.job.parameters, **changes})


def video_result(analysed: Analysed, parameters: VideoParameters) -> VideoResult:
    """Everything about an analysed video, its novelty by ``parameters``."""
    job, frames = analysed.job, analysed.frames
    curve = novelty_curve(analysed, parameters)
    told = zip(frames.times.tolist(), frames.captions, curve.novelty, strict=True)
    return VideoResult(
        # The analysis may have been made for another job, whose file had the same bytes and another name.
        video=analysed.summary.video.model_copy(update={"name": job.name}),
        frames=[
            Frame(index=index, time=time, caption=caption, novelty=novelty, thumbnail=thumbnail_url(job, index))
            for index, (time, caption, novelty) in enumerate(told)
        ],
        moments=curve.moments,
        parameters=parameters,
        models=analysed.summary.models,
    )


def novelty_curve(analysed: Analysed, parameters: NoveltyParameters) -> NoveltyCurve:
    job, frames = analysed.job, analysed.frames
    embeddings = frames.signal(parameters.signal)
    novelty = rolling_novelty(embeddings, window=parameters.rolling_window_size, metric=parameters.metric)
    return NoveltyCurve(
        parameters=NoveltyParameters(**parameters.model_dump(include=set(NoveltyParameters.model_fields))),
        novelty=novelty.tolist(),
        moments=[_moment(job, frames, novelty, span) for span in find_spans(novelty)],
    )


def thumbnail_url(job: Job, index: int) -> str:
    return f"/jobs/{job.id}/frames/{index}.jpg"


def _moment(job: Job, frames: Frames, novelty: NDArray[np.float64], span: Span) -> Moment:
    return Moment(
        start=frames.times[span.start],
        peak=frames.times[span.peak],
        end=frames.times[span.end],
        peak_index=span.peak,
        caption=frames.captions[span.peak],
        novelty=novelty[span.peak],
        score=span.score,
        thumbnail=thumbnail_url(job, span.peak),
    )
