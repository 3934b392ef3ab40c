"""The patch signal from end to end: sampled frames a second."""

import time
from pathlib import Path

import httpx

from benchmarks.figures import Figure
from benchmarks.measure import measure
from benchmarks.service import analyse

EVERY_N_SECOND = 0.2


def patch_figures(gateway: str, clip: Path) -> list[Figure]:
    """Measure a whole job with ``signal=patch`` and its curve, the curve alone, and the signal with no job."""
    job = analyse(gateway, clip, EVERY_N_SECOND, signal="patch")
    with httpx.Client(base_url=gateway, timeout=600, trust_env=False) as http:
        started = time.perf_counter()
        http.get(f"/jobs/{job.id}/novelty", params={"signal": "patch"}).raise_for_status()
        scoring = time.perf_counter() - started
    alone = measure("patches", clip, EVERY_N_SECOND)
    whole, bare = job.frames / (job.seconds + scoring), alone.frames / alone.seconds
    note = f"{job.frames} frames: job {job.seconds:.1f} s (with captions and search), curve {scoring:.1f} s"
    return [
        Figure("signal=patch, job and curve", whole, " frames/s", "≥ 10", note),
        Figure("… its curve alone, from a stored analysis", job.frames / scoring, " frames/s", "≥ 10", note),
        Figure("… decoding, encoding and comparing alone", bare, " frames/s", "≥ 10", f"{alone.seconds:.1f} s"),
    ]
