"""``python -m benchmarks``: starts the services on free ports with data of their own, measures, prints the ratios.

Every figure is a ratio of two things measured in this run, on this machine; docs/benchmarks.md explains them.
"""

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.clips import render, repeat
from benchmarks.measure import BATCH, measure
from benchmarks.service import PeakMemory, analyse, captions_a_second
from tools.processes import ProcessFolder, free_port
from tools.settings import ROOT, StackSettings
from tools.stack import Stack

CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Figure:
    what: str
    value: float
    unit: str
    aim: str
    how: str

    def row(self) -> str:
        return f"| {self.what} | {self.value:.2f}{self.unit} | {self.aim} | {self.how} |"


@dataclass(frozen=True)
class Services:
    gateway: str
    worker: psutil.Process


@contextmanager
def services(folder: Path, console: Console) -> Iterator[Services]:
    settings = StackSettings(
        gateway_port=free_port(),
        ui_port=free_port(),
        captioner_port=free_port(),
        tagger_port=free_port(),
        editor_port=free_port(),
        data_dir=folder / "data",
    )
    with Stack(settings, console).running():
        worker = ProcessFolder(settings.data, cwd=ROOT, environment={}).find("worker")
        assert worker, "the stack is up, so its worker is"
        yield Services(settings.gateway_url, worker)


def video_figures(running: Services, clip: Path, console: Console) -> list[Figure]:
    """The whole job against its limit and against the plain way, at one frame a second and one in ten."""
    figures = []
    for every, aim in ((1.0, "≥ 3"), (10.0, "≥ 8")):
        job = analyse(running.gateway, clip, every)
        decoding, captioning = measure("decode", clip, every), measure("model", clip, every)
        limit = (decoding.cpu + captioning.cpu) / CORES
        plain = measure("plain", clip, every)
        console.print(
            f"every {every:g} s, {job.frames} frames: job {job.seconds:.1f} s; decoding alone {decoding.cpu:.1f} and "
            f"bare models {captioning.cpu:.1f} CPU-s; plain way {plain.seconds:.1f} s"
        )
        limits = f"{job.seconds:.1f} s against ({decoding.cpu:.1f} + {captioning.cpu:.1f}) CPU-s / {CORES} cores"
        figures.append(Figure(f"job ÷ limit, every {every:g} s", job.seconds / limit, "", "≤ 1.2", limits))
        plainly = f"{plain.seconds:.1f} s against {job.seconds:.1f} s, {job.frames} frames"
        figures.append(Figure(f"plain way ÷ job, every {every:g} s", plain.seconds / job.seconds, "×", aim, plainly))
    return figures


def caption_figures(running: Services, clip: Path, requests: int) -> list[Figure]:
    """``POST /caption`` under 32 clients against the bare model in batches."""
    captions_a_second(running.gateway, clients=32, requests=64)  # connections, allocations
    served = captions_a_second(running.gateway, clients=32, requests=requests)
    bare = measure("captions", clip, 1.0)
    bare_rate = bare.frames / bare.seconds
    how = f"{served:.1f} a second against {bare_rate:.1f} of the bare model in batches of {BATCH}"
    return [Figure("/caption, 32 clients ÷ bare model", 100 * served / bare_rate, " %", "≥ 90 %", how)]


def memory_figures(running: Services, minute: Path, folder: Path) -> list[Figure]:
    """The worker's peak memory over ten minutes and over an hour of video."""
    peaks = []
    for minutes in (10, 60):
        clip = repeat(minute, folder / f"{minutes}-minutes.mp4", minutes)
        with PeakMemory(running.worker) as peak:
            analyse(running.gateway, clip, 10.0)
        clip.unlink()
        peaks.append(peak.bytes / 2**20)
    how = f"{peaks[1]:.0f} MiB against {peaks[0]:.0f} MiB, one frame in ten seconds"
    return [Figure("worker's peak memory, 60 ÷ 10 minutes", peaks[1] / peaks[0], "", "1", how)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--minutes", type=int, default=3, help="length of the 1080p clip (default 3)")
    parser.add_argument("--requests", type=int, default=512, help="photos sent to /caption (default 512)")
    parser.add_argument("--only", choices=["video", "captions", "memory"], action="append", help="default: all")
    options = parser.parse_args()
    wanted = options.only or ["video", "captions", "memory"]
    console = Console()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="framesense-bench-") as name:
        folder = Path(name)
        console.print("rendering a minute of 1080p30 H.264")
        minute = repeat(render(folder / "half.mp4", 30), folder / "minute.mp4", 2)
        with services(folder, console) as running:
            if "video" in wanted:
                figures += video_figures(running, repeat(minute, folder / "clip.mp4", options.minutes), console)
            if "captions" in wanted:
                figures += caption_figures(running, minute, options.requests)
            if "memory" in wanted:
                figures += memory_figures(running, minute, folder)
    print(
        f"\n{platform.machine()}, {CORES} cores, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}\n"
    )
    print("| figure | measured | aim | from |\n| --- | --- | --- | --- |")
    for figure in figures:
        print(figure.row())


if __name__ == "__main__":
    main()
