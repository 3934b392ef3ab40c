"""Choose what the clip of a moment shows, and the highlights of a video."""

from collections.abc import Sequence
from urllib.parse import urlencode

from framesense.media.stretches import Stretch
from framesense.novelty.moments import Moment
from framesense.schemas.jobs import Job
from framesense.schemas.novelty import NoveltyParameters
from gateway.videos.analysed import Analysed

LEAD = 1.0
"""Seconds shown before a moment begins and after its last frame, so that people see what it differs from."""
LONGEST_HIGHLIGHT = 8.0
"""Seconds of one moment among the highlights; of a longer one they show those around its peak."""


def moment_stretch(analysed: Analysed, span: Moment, *, longest: float) -> Stretch:
    """Return what the clip of a moment shows: all of it with a lead, at most ``longest`` seconds around its peak."""
    times, duration = analysed.frames.times, analysed.summary.video.duration
    start, end = float(times[span.start]) - LEAD, float(times[span.end]) + LEAD
    if end - start > longest:
        peak = float(times[span.peak])
        start = min(max(start, peak - longest / 2), end - longest)
        end = start + longest
    return Stretch(max(0.0, start), min(duration, end))


def highlight_stretches(analysed: Analysed, spans: Sequence[Moment]) -> list[Stretch]:
    """Return the stretches of a reel of moments in the order of the video; those that overlap are joined."""
    stretches = [moment_stretch(analysed, span, longest=LONGEST_HIGHLIGHT) for span in spans]
    joined: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda stretch: stretch.start):
        if joined and stretch.start <= joined[-1].end:
            joined[-1] = Stretch(joined[-1].start, max(joined[-1].end, stretch.end))
        else:
            joined.append(stretch)
    return joined


def clip_url(job: Job, rank: int, parameters: NoveltyParameters) -> str:
    """Return the address of a moment's clip. Its query has what differs from the job's own parameters."""
    fields = set(NoveltyParameters.model_fields)
    own = NoveltyParameters.model_validate({name: job.parameters[name] for name in fields & job.parameters.keys()})
    before = own.model_dump(mode="json")
    wanted = parameters.model_dump(mode="json", include=fields, exclude_none=True)
    changed = {name: value for name, value in wanted.items() if before[name] != value}
    return f"/jobs/{job.id}/moments/{rank}.mp4" + (f"?{urlencode(changed)}" if changed else "")
