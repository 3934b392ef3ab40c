"""Detectors on cases: what each finds, counted."""

from collections import defaultdict

from benchmarks.moments import peers
from benchmarks.moments.cases import Case, Kind, Part
from benchmarks.moments.product import EmbeddedFrames
from benchmarks.moments.report import Finding
from benchmarks.moments.scenarios import cases
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


def peer_findings(footage: list[Case]) -> dict[str, list[Finding]]:
    """Run each peer on all kinds.

    The share of the picture that has to move is the best of the development part's fixed cameras and quiet videos.
    """
    totals = {(name, share): Counts() for name in MOVEMENT for share in peers.SHARES}
    for case in cases(Part.DEVELOPMENT):
        if case.kind in (Kind.FIXED, Kind.QUIET):
            for name, measure in MOVEMENT.items():
                curve = measure(case.footage)
                for share in peers.SHARES:
                    totals[name, share] += _judged(case, peers.stretches(curve, share)).strong

    def best_share(name: str) -> float:
        return max(peers.SHARES, key=lambda share: totals[name, share].f1)

    best = {name: best_share(name) for name in MOVEMENT}
    found: defaultdict[str, list[Finding]] = defaultdict(list)
    for case in map(without_footage, footage):
        for name, measure in MOVEMENT.items():
            stretches = peers.stretches(measure(case.footage), best[name])
            found[f"{name}, {best[name]:.2%} moving"].append(_judged(case, stretches))
        for detector in DETECTORS if peers.has_scenedetect() else ():
            found[f"PySceneDetect {detector}"].append(_judged(case, peers.scene_cuts(case, detector)))
    if not peers.has_scenedetect():
        print(peers.__doc__)
    return dict(found)


def _judged(case: Case, stretches: list[Stretch]) -> Finding:
    counts = count(stretches, case.events, case.duration, TOLERANCE)
    return Finding(case, counts, counts)
