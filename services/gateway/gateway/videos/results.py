"""From a stored analysis to what is answered: captions are stored, novelty and moments are computed when asked for."""

from dataclasses import dataclass

import numpy as np

from framesense.novelty.diversity import vendi_score
from framesense.novelty.moments import Moment as Span
from framesense.novelty.moments import find_moments, stands_out
from framesense.schemas.novelty import (
    AnalysedParameters,
    Frame,
    Moment,
    NoveltyCurve,
    NoveltyParameters,
    VideoInfo,
    VideoResult,
)
from framesense.storage.analyses import Frames
from gateway.videos.analysed import Analysed, thumbnail_url
from gateway.videos.clips import clip_url
from gateway.videos.curves import Curve, Curves
from gateway.videos.moment_details import MomentDetails

ONE_FRAME = "Only one frame was looked at, so there was nothing to compare it with. Choose a shorter interval."
ONE_PICTURE = "The video has a single picture, so there was nothing to compare it with."
SAME_PICTURE = "The frames that were looked at show nearly the same picture: little or nothing happens at these times."
"""Warnings beside a result without a curve, or with a flat one."""
STILL = 1.01
"""Vendi score below which frames are one picture: an encoder alone makes a few thousandths."""


@dataclass(frozen=True)
class VideoResults:
    """Answer what was found in analysed videos. Blocking; raises ProblemError as :class:`Curves` does."""

    curves: Curves
    details: MomentDetails

    def whole(self, analysed: Analysed, parameters: AnalysedParameters) -> VideoResult:
        """Return everything about an analysed video, its novelty by ``parameters``."""
        job, frames = analysed.job, analysed.frames
        curve = self.curve(analysed, parameters)
        words = self.details.words(analysed)
        rows = zip(frames.times.tolist(), frames.captions, frames.chances(), words, curve.novelty, strict=True)
        diversity = _diversity(frames)
        return VideoResult(
            # The analysis may have been made for another job, whose file had the same bytes and another name.
            video=_named(analysed, job.name, diversity),
            frames=[
                Frame(
                    index=index,
                    time=time,
                    caption=caption,
                    confidence=confidence,
                    words=fitting,
                    novelty=novelty,
                    thumbnail=thumbnail_url(job, index),
                )
                for index, (time, caption, confidence, fitting, novelty) in enumerate(rows)
            ],
            moments=curve.moments,
            stands_out=curve.stands_out,
            diversity=diversity,
            parameters=parameters,
            models=analysed.summary.models,
        )

    def curve(self, analysed: Analysed, parameters: NoveltyParameters) -> NoveltyCurve:
        """Return the novelty of each frame and the moments, the strongest first."""
        novelty = self.curves.novelty(analysed, parameters)
        spans, words = self.spans(analysed, parameters), self.details.words(analysed)
        return NoveltyCurve(
            parameters=NoveltyParameters(**parameters.model_dump(include=set(NoveltyParameters.model_fields))),
            novelty=novelty.tolist(),
            moments=[
                self._moment(analysed, novelty, words[span.peak], parameters, rank, span)
                for rank, span in enumerate(spans)
            ],
            stands_out=stands_out(spans),
        )

    def spans(self, analysed: Analysed, parameters: NoveltyParameters) -> list[Span]:
        """Return the moments as indices of frames, the strongest first."""
        scores = self.curves.scores(analysed, parameters)
        within = [(hole.start + hole.end) / 2 for hole in analysed.summary.video.holes]
        breaks = np.searchsorted(analysed.frames.times, within).tolist()
        return find_moments(scores, sensitivity=parameters.sensitivity, limit=parameters.max_moments, breaks=breaks)

    def _moment(
        self,
        analysed: Analysed,
        novelty: Curve,
        words: list[str],
        parameters: NoveltyParameters,
        rank: int,
        span: Span,
    ) -> Moment:
        job, frames = analysed.job, analysed.frames
        details = self.details.details(analysed, start=span.start, peak=span.peak, end=span.end)
        return Moment(
            start=frames.times[span.start],
            peak=frames.times[span.peak],
            end=frames.times[span.end],
            peak_index=span.peak,
            caption=frames.captions[span.peak],
            confidence=frames.chances()[span.peak],
            words=words,
            novelty=novelty[span.peak],
            score=round(span.score, 3),
            strength=span.strength,
            best=frames.times[details.best],
            best_index=details.best,
            thumbnail=thumbnail_url(job, details.best),
            clip=clip_url(job, rank, parameters),
            colours=details.colours,
            changes=details.changes,
            box=details.box,
        )


def _named(analysed: Analysed, name: str, diversity: float | None) -> VideoInfo:
    """Return what is known of the video under the name that its job gave it, with what its frames leave to be said."""
    video = analysed.summary.video
    warnings = list(video.warnings)
    if len(analysed.frames) == 1:
        warnings.append(ONE_PICTURE if video.fps == 0 else ONE_FRAME)
    elif analysed.frames.visual is not None and diversity is not None and diversity < STILL:
        warnings.append(SAME_PICTURE)
    return video.model_copy(update={"name": name, "warnings": warnings})


def _diversity(frames: Frames) -> float | None:
    """Return the Vendi score of the pictures, or of the captions where the pictures have no embedding."""
    try:
        return vendi_score(frames.sentences if frames.visual is None else frames.visual)
    except ValueError:  # captions of no words only
        return None
