"""``python -m benchmarks.moments``: tables of how well moments are found, and by whom else.

Constants are chosen on ``--part development``; docs/novelty.md reports ``--part held-out``, the default, and
``--part validation``.
"""

import argparse
from pathlib import Path

import torch

from benchmarks.moments.cases import Kind, Part
from benchmarks.moments.evaluation import finding, moments_text, peer_findings, without_footage
from benchmarks.moments.product import CACHE, Product
from benchmarks.moments.recorded import recorded
from benchmarks.moments.report import by_group, by_kind, f1_table
from benchmarks.moments.scenarios import cases
from framesense.schemas.novelty import Metric, Signal

THINNED = (1, 2, 4)
SIGNALS = ((Signal.VISUAL, Metric.COSINE), (Signal.VISUAL, Metric.EUCLIDEAN), (Signal.PATCH, Metric.COSINE))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moments", description=__doc__)
    parser.add_argument("--part", type=Part, choices=list(Part), default=Part.HELD_OUT)
    parser.add_argument("--clips", type=Path, help="a folder of more clips, with events.csv: clip, kind, start, end")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where embeddings are kept")
    parser.add_argument("--kinds", type=Kind, nargs="+", choices=list(Kind), default=list(Kind))
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--only-peers", action="store_true", help="no embeddings, no tables of the product's own")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    footage = [case for case in (*recorded(options.clips), *cases(options.part)) if case.kind in options.kinds]
    if options.only_peers:
        print(f1_table(peer_findings(footage), options.kinds))
        return
    product = Product(options.cache / options.part)
    embedded = [(case, product.embed(without_footage(case))) for case in footage]

    print(f"{options.part}: generated and recorded, default options\n")
    found = [finding(case, frames) for case, frames in embedded]
    print(by_kind(found), "\n")
    for kind in options.kinds:
        print(by_group(found, kind))
    print("\nrecorded clips:")
    for case, frames in embedded:
        if case.group == "recorded":
            print(f"- {case.name}: {moments_text(frames)}")
    print("\nby sampling:\n")
    sampled = {}
    for step in THINNED:
        sampled[f"every {step} × the default"] = [finding(case, frames.every_nth(step)) for case, frames in embedded]
    print(f1_table(sampled, options.kinds), "\n\nby signal:\n")
    signals = {"auto": found}
    for signal, metric in SIGNALS:
        signals[f"{signal}, {metric}"] = [finding(case, frames, signal, metric) for case, frames in embedded]
    print(f1_table(signals, options.kinds))
    if not options.no_peers:
        print("\nothers:\n")
        print(f1_table({"auto": found, **peer_findings(footage)}, options.kinds))


if __name__ == "__main__":
    main()
