"""From a stored analysis to what is answered: captions are stored, novelty and moments are computed when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from framesense.novelty.diversity import vendi_score
from framesense.novelty.moments import Moment as Hump
from framesense.novelty.moments import find_moments
from framesense.schemas.jobs import Job
from framesense.schemas.novelty import (
    Frame,
    Moment,
    NoveltyCurve,
    NoveltyParameters,
    Signal,
    VideoParameters,
    VideoResult,
)
from framesense.storage.analyses import AnalysisStore, Frames, Summary
from gateway.videos.curves import Curves


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
    key: str
    """The analysis's."""
    summary: Summary
    frames: Frames

    def parameters(self, changes: Mapping[str, object]) -> VideoParameters:
        """The job's own parameters, but for the changes. A reference means the signal ``patch``; another signal
        leaves the job's reference behind."""
        if changes.get("reference"):
            changes = {"signal": Signal.PATCH, **changes}
        asked = {**self.job.parameters, **changes}
        if asked.get("signal") != Signal.PATCH:
            asked["reference"] = None
        return VideoParameters.model_validate(asked)


def video_result(analysed: Analysed, parameters: VideoParameters, curves: Curves) -> VideoResult:
    """Everything about an analysed video, its novelty by ``parameters``. Raises ProblemError as ``curves`` does."""
    job, frames = analysed.job, analysed.frames
    curve = novelty_curve(analysed, parameters, curves)
    told = zip(frames.times.tolist(), frames.captions, curve.novelty, strict=True)
    return VideoResult(
        # The analysis may have been made for another job, whose file had the same bytes and another name.
        video=analysed.summary.video.model_copy(update={"name": job.name}),
        frames=[
            Frame(index=index, time=time, caption=caption, novelty=novelty, thumbnail=thumbnail_url(job, index))
            for index, (time, caption, novelty) in enumerate(told)
        ],
        moments=curve.moments,
        diversity=_diversity(frames),
        parameters=parameters,
        models=analysed.summary.models,
    )


def novelty_curve(analysed: Analysed, parameters: NoveltyParameters, curves: Curves) -> NoveltyCurve:
    job, frames = analysed.job, analysed.frames
    novelty = curves.novelty(analysed, parameters)
    return NoveltyCurve(
        parameters=NoveltyParameters(**parameters.model_dump(include=set(NoveltyParameters.model_fields))),
        novelty=novelty.tolist(),
        moments=[_moment(job, frames, novelty, hump) for hump in find_moments(curves.scores(analysed, parameters))],
    )


def _diversity(frames: Frames) -> float | None:
    """The Vendi score of the pictures, or of the captions where the pictures have no embedding."""
    try:
        return vendi_score(frames.sentences if frames.visual is None else frames.visual)
    except ValueError:  # captions of no words only
        return None


def thumbnail_url(job: Job, index: int) -> str:
    return f"/jobs/{job.id}/frames/{index}.jpg"


def _moment(job: Job, frames: Frames, novelty: NDArray[np.float64], hump: Hump) -> Moment:
    return Moment(
        start=frames.times[hump.start],
        peak=frames.times[hump.peak],
        end=frames.times[hump.end],
        peak_index=hump.peak,
        caption=frames.captions[hump.peak],
        novelty=novelty[hump.peak],
        score=hump.score,
        strength=hump.strength,
        thumbnail=thumbnail_url(job, hump.peak),
    )
