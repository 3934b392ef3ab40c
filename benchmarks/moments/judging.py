"""Detectors on cases: what each finds, counted."""

from benchmarks.moments import peers
from benchmarks.moments.cases import Case, Kind, Part
from benchmarks.moments.product import Looks
from benchmarks.moments.report import Finding
from benchmarks.moments.scenarios import cases
from benchmarks.moments.scoring import TOLERANCE, Counts, Stretch, count, frame_ap
from framesense.novelty.moments import find_moments
from framesense.schemas.novelty import Metric, Signal, Strength


def forgetting(case: Case) -> Case:
    """A copy, so that its footage goes with it."""
    return Case(case.kind, case.name, case.group, case.duration, case.shot, case.events, case.crf)


def finding(case: Case, looks: Looks, signal: Signal = Signal.AUTO, metric: Metric = Metric.COSINE) -> Finding:
    scores = looks.scores(signal, metric)
    moments = find_moments(scores)
    tolerance = max(TOLERANCE, looks.every)

    def counted(strengths: set[Strength]) -> Counts:
        stretches = [(looks.times[one.start], looks.times[one.end]) for one in moments if one.strength in strengths]
        return count(stretches, case.events, case.duration, tolerance)

    ap = frame_ap(looks.times, scores, case.events, looks.every)
    return Finding(case, counted({Strength.STRONG}), counted(set(Strength)), ap)


def told(looks: Looks) -> str:
    moments = find_moments(looks.scores())
    times = looks.times
    return ", ".join(
        f"{times[one.start]:.1f}–{times[one.end]:.1f} s ({one.strength}, {one.score:.1f})" for one in moments
    )


# -------------------------------------------------------------------------------------------------------------- others


def peer_findings(footage: list[Case], part: Part) -> dict[str, list[Finding]]:
    """Each on all kinds. The share of the picture that has to move is the best of the development part's fixed cameras
    and quiet videos."""
    found: dict[str, list[Finding]] = {}
    for name, measure in (("frame differencing", peers.differences), ("MOG2", peers.foreground)):
        choose = [case for case in cases(Part.DEVELOPMENT) if case.kind in (Kind.FIXED, Kind.QUIET)]
        curves = [(case, measure(forgetting(case).footage)) for case in choose]
        totals = {
            share: sum((_judged(case, peers.stretches(curve, share)).strong for case, curve in curves), Counts())
            for share in peers.SHARES
        }
        best = max(totals, key=lambda share: totals[share].f1)
        found[f"{name}, {best:.2%} moving"] = [
            _judged(case, peers.stretches(measure(forgetting(case).footage), best)) for case in footage
        ]
    if peers.has_scenedetect():
        for detector in ("AdaptiveDetector", "ContentDetector"):
            found[f"PySceneDetect {detector}"] = [
                _judged(case, peers.scene_cuts(forgetting(case), detector)) for case in footage
            ]
    else:
        print(peers.__doc__)
    return found


def _judged(case: Case, stretches: list[Stretch]) -> Finding:
    counts = count(stretches, case.events, case.duration, TOLERANCE)
    return Finding(case, counts, counts)
