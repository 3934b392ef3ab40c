"""``python -m benchmarks.novelty_bench``: how well each novelty signal finds what does not belong.

Two tables, as docs/novelty.md has them: foreign scenes spliced into watched ones (mean average precision over
:mod:`benchmarks.splices`), and small things that cross a fixed camera's picture (AUROC and hits over
:mod:`benchmarks.anomalies`). ``--clips DIR`` adds every mp4 of a folder as hosts and guests.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.anomalies import STARTS, Passing, passings
from benchmarks.picture_embeddings import EmbeddedPictures, Picture, embed_pictures
from benchmarks.splices import Case, Condition, FrameKey, Splices
from framesense.novelty.mixing import robust_rolling_novelty
from framesense.novelty.normal_footage import NormalFootage
from framesense.novelty.patches import PatchMemory, frame_score
from framesense.novelty.signals import embeddings, signal_novelty
from framesense.schemas.novelty import Metric, Signal
from tools.settings import ROOT
from worker.videos.motion import GAP, motion_between

WINDOWS = (3, 10)
MEMORY = 64
FIXED_HOSTS = ("bigbuckbunny", "carphone_pristine")
Curve = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="a folder of more mp4 files")
    parser.add_argument("--fixed", nargs="*", default=[], help="which of those are from fixed cameras, without .mp4")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--every", type=int, default=1, help="only every n-th case")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "captioner-show-attend-tell")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Splices(options.clips)
    fixed = list(passings(bench, (*FIXED_HOSTS, *options.fixed), options.seeds[0]))
    print(fixed_camera_table(fixed, _embed_passings(fixed, options.model)), flush=True)
    tables = [spliced_scores(bench, seed, options.every, options.model) for seed in options.seeds]
    print(spliced_table(tables))


# ---------------------------------------------------------------------------------------------- scenes spliced in


@dataclass(frozen=True, order=True)
class Cell:
    signal: str
    metric: str
    window: int
    condition: str


def spliced_scores(bench: Splices, seed: int, every: int, model: Path) -> Mapping[Cell, list[float]]:
    """Compute the average precision of every case."""
    cases = _every_nth(bench.cases(seed), every)
    keys = list(dict.fromkeys(key for case in cases for key in case.keys))
    embedded = embed_pictures((bench.render(key) for key in keys), model, keep_patches=False)
    place = {key: index for index, key in enumerate(keys)}
    scores: defaultdict[Cell, list[float]] = defaultdict(list)
    for case in cases:
        for (signal, metric, window), curve in _curves(embedded, case, place):
            scores[Cell(signal, metric, window, case.condition)].append(average_precision(case.foreign, curve))
    return scores


def _every_nth(cases: Iterator[Case], every: int) -> list[Case]:
    """Thin the cases by whole groups of conditions, so that each condition has the same cases."""
    return [case for number, case in enumerate(cases) if number // len(Condition) % every == 0]


def _curves(
    embedded: EmbeddedPictures, case: Case, place: Mapping[FrameKey, int]
) -> Iterator[tuple[tuple[str, str, int], Curve]]:
    frames = embedded.take([place[key] for key in case.keys])
    for window in WINDOWS:
        for metric in Metric:
            for signal in (Signal.WORDS, Signal.SENTENCE, Signal.VISUAL, Signal.AUTO):
                curve = signal_novelty(frames, signal, window=window, metric=metric)
                yield (signal.value, metric.value, window), curve
            for signal in (Signal.WORDS, Signal.SENTENCE, Signal.VISUAL):
                curve = robust_rolling_novelty(embeddings(frames, signal), window=window, metric=metric)
                yield (f"{signal.value}, patient window", metric.value, window), curve


def spliced_table(tables: list[Mapping[Cell, list[float]]]) -> str:
    """Write as Markdown the mean average precision, over all seeds.

    The last column also has its range from seed to seed.
    """
    cells = sorted(tables[0])
    cases = sum(len(scores) for table in tables for scores in table.values()) * len(Condition) // len(cells)
    lines = [
        f"{cases} cases.",
        "",
        "| window | metric | signal | " + " | ".join(Condition) + " | mean (lowest … highest seed) |",
        "| --- " * (4 + len(Condition)) + "|",
    ]
    for window, metric, signal in dict.fromkeys((cell.window, cell.metric, cell.signal) for cell in cells):
        by_condition = [[np.mean(table[Cell(signal, metric, window, one)]) for one in Condition] for table in tables]
        seeds = np.mean(by_condition, axis=1)
        figures = " | ".join(f"{value:.3f}" for value in np.mean(by_condition, axis=0))
        ends = f"{seeds.mean():.3f} ({seeds.min():.3f} … {seeds.max():.3f})"
        lines.append(f"| {window} | {metric} | {signal} | {figures} | {ends} |")
    return "\n".join([*lines[:4], *sorted(lines[4:])])


def average_precision(positive: NDArray[np.bool_], scores: Curve) -> float:
    """Compute Σ (Rₖ − Rₖ₋₁) Pₖ over the distinct scores, highest first.

    Equal scores count as one step, as in scikit-learn, whose function takes a hundred times as long for so few.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = np.cumsum(positive[order])[ends]
    return float(np.sum(np.diff(found, prepend=0) * found / (ends + 1)) / found[-1])


# -------------------------------------------------------------------------------------------------- fixed cameras


def _embed_passings(cases: list[Passing], model: Path) -> list[EmbeddedPictures]:
    """Embed the pictures of passings; equal pictures are looked at once."""
    pictures: dict[bytes, Picture] = {picture.tobytes(): picture for case in cases for picture in case.pictures}
    embedded = embed_pictures(pictures.values(), model, keep_patches=True)
    place = {key: index for index, key in enumerate(pictures)}
    chosen = [[place[picture.tobytes()] for picture in case.pictures] for case in cases]
    return [EmbeddedPictures(embedded.take(indices), embedded.patches[indices]) for indices in chosen]


def fixed_camera_table(cases: list[Passing], embedded: list[EmbeddedPictures]) -> str:
    """Write the figures of fixed cameras as Markdown.

    Frames before the first start are left out of the AUROC: everything is new to a memory at first.
    """
    aurocs: defaultdict[str, list[float]] = defaultdict(list)
    hits: defaultdict[str, list[bool]] = defaultdict(list)
    seconds, frames = 0.0, 0
    begin = min(STARTS) // 2
    for case, one in zip(cases, embedded, strict=True):
        curves = {
            f"{signal}, window 10": signal_novelty(one.frames, signal, window=10, metric=Metric.COSINE)
            for signal in (Signal.WORDS, Signal.VISUAL, Signal.AUTO)
        }
        memory, normal = PatchMemory(MEMORY), min(STARTS)
        motions = [motion_between(*pair, GAP) for pair in zip(case.pictures, case.later, strict=True)]
        reference = NormalFootage.build(list(one.patches[:normal]), motions[:normal])
        by_memory, by_reference = [], []
        started = process_time()
        for grid in one.patches:
            by_memory.append(memory.distances(grid))
            memory.remember(grid)
        seconds, frames = seconds + process_time() - started, frames + len(one.patches)
        by_reference = [reference.distances(*both) for both in zip(one.patches, motions, strict=True)]
        maps = {"patch, frames before": by_memory, "patch, reference (first 16 s)": by_reference}
        curves |= {name: np.array([frame_score(one) for one in distances]) for name, distances in maps.items()}
        for name, curve in curves.items():
            aurocs[name].append(auroc(case.odd[begin:], curve[begin:]))
        for name, distances in maps.items():
            hits[name] += [_hits(distances[index], case.boxes[index]) for index in np.flatnonzero(case.odd)]
    lines = [f"| signal | frame AUROC ({len(cases)} cases) | oddest patch on the thing |", "| --- | --- | --- |"]
    for name, values in aurocs.items():
        hit = f"{np.mean(hits[name]):.1%}" if name in hits else "–"
        lines.append(f"| {name} | {np.mean(values):.3f} | {hit} |")
    pace = frames / seconds
    return "\n".join([*lines, "", f"Patches are scored at {pace:.0f} frames a CPU-second (memory of up to 40 frames)."])


def _hits(distances: NDArray[np.float32], box: NDArray[np.float64]) -> bool:
    """Tell whether the oddest patch's middle is in the box, give or take half a patch."""
    rows, columns = distances.shape
    row, column = np.unravel_index(int(distances.argmax()), distances.shape)
    y, x = (row + 0.5) / rows, (column + 0.5) / columns
    top, left, bottom, right = box
    return bool(top - 0.5 / rows <= y <= bottom + 0.5 / rows and left - 0.5 / columns <= x <= right + 0.5 / columns)


def auroc(positive: NDArray[np.bool_], scores: Curve) -> float:
    """Compute the probability that a positive scores higher than a negative, ties counted half."""
    higher = scores[positive][:, None] - scores[~positive][None]
    return float(np.mean((higher > 0) + 0.5 * (higher == 0)))


if __name__ == "__main__":
    main()
