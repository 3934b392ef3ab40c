"""Detectors on cases: what each finds, counted."""

from collections import defaultdict
from collections.abc import Iterable

from benchmarks.moments import peers
from benchmarks.moments.cases import Case
from benchmarks.moments.product import EmbeddedFrames
from benchmarks.moments.report import Finding, total
from benchmarks.moments.scoring import TOLERANCE, Counts, Stretch, count, frame_ap
from framesense.novelty.moments import find_moments
from framesense.schemas.novelty import Metric, Signal, Strength


def without_footage(case: Case) -> Case:
    """Copy a case, so that its footage goes with it."""
    return Case(case.kind, case.name, case.group, case.duration, case.shot, case.events, case.crf)


def finding(
    case: Case, frames: EmbeddedFrames, signal: Signal = Signal.AUTO, metric: Metric = Metric.COSINE
) -> Finding:
    scores = frames.scores(signal, metric)
    moments = find_moments(scores)
    tolerance = max(TOLERANCE, frames.every)

    def counted(strengths: set[Strength]) -> Counts:
        stretches = [(frames.times[one.start], frames.times[one.end]) for one in moments if one.strength in strengths]
        return count(stretches, case.events, case.duration, tolerance)

    ap = frame_ap(frames.times, scores, case.events, frames.every)
    return Finding(case, counted({Strength.STRONG}), counted(set(Strength)), ap)


def moments_text(frames: EmbeddedFrames) -> str:
    moments = find_moments(frames.scores())
    times = frames.times
    return ", ".join(
        f"{times[one.start]:.1f}–{times[one.end]:.1f} s ({one.strength}, {one.score:.1f})" for one in moments
    )


# -------------------------------------------------------------------------------------------------------------- others


MOVEMENT = {"frame differencing": peers.differences, "MOG2": peers.foreground}
DETECTORS = ("AdaptiveDetector", "ContentDetector")


def peer_findings(footage: Iterable[Case]) -> dict[str, list[Finding]]:
    """Run each peer on all cases.

    The share of the picture that has to move is the best on these very cases, over all of them: in the peers' favour.
    """
    moving: defaultdict[tuple[str, float], list[Finding]] = defaultdict(list)
    found: defaultdict[str, list[Finding]] = defaultdict(list)
    for case in map(without_footage, footage):
        for name, measure in MOVEMENT.items():
            curve = measure(case.footage)
            for share in peers.SHARES:
                moving[name, share].append(_judged(case, peers.stretches(curve, share)))
        for detector in DETECTORS if peers.has_scenedetect() else ():
            found[f"PySceneDetect {detector}"].append(_judged(case, peers.scene_cuts(case, detector)))
    if not peers.has_scenedetect():
        print(peers.__doc__)
    for name in MOVEMENT:
        by_share = {share: total(moving[name, share]).f1 for share in peers.SHARES}
        best = max(by_share, key=by_share.__getitem__)
        found[f"{name}, {best:.2%} moving"] = moving[name, best]
    return dict(found)


def _judged(case: Case, stretches: list[Stretch]) -> Finding:
    counts = count(stretches, case.events, case.duration, TOLERANCE)
    return Finding(case, counts, counts)
