"""``python -m benchmarks``: starts the services on free ports with data of their own, measures, prints the ratios.

Every figure is a ratio of two things measured in this run, on this machine; docs/benchmarks.md explains them.
"""

import argparse
import platform
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.clips import render, repeat
from benchmarks.edits import edit_figures
from benchmarks.figures import Figure
from benchmarks.measure import BATCH, measure
from benchmarks.moments.figures import moment_figures
from benchmarks.patches import patch_figures
from benchmarks.service import CAPTION, CLIENTS, CpuSeconds, PeakMemory, analyse, photos_a_second
from benchmarks.tags import peer_figures, search_figures, tag_figures
from framesense.cores import available_cores
from tools.own_redis import own_redis_url
from tools.processes import ProcessFolder, free_port
from tools.settings import StackSettings
from tools.stack import Stack, stop_on_signals

SUBJECTS = ["video", "captions", "memory", "patches", "tags", "search", "peers", "edits", "moments"]
ON_A_CLIP = {"video", "captions", "memory", "patches"}
CORES = available_cores()


@dataclass(frozen=True)
class Services:
    gateway: str
    processes: Mapping[str, psutil.Process]
    redis_url: str
    storage: Path


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
        processes = ProcessFolder(settings.data, names=(), environment={})
        found = {name: process for name in processes.names() if (process := processes.find(name))}
        redis_url = own_redis_url(settings.data) or settings.redis_url
        yield Services(settings.gateway_url, found, redis_url, settings.data / "blobs")


def video_figures(running: Services, clip: Path, console: Console) -> list[Figure]:
    """Measure the whole job against its limit and the plain way, at one frame a second and one in ten."""
    figures = []
    for every, aim in ((1.0, "≥ 3"), (10.0, "≥ 8")):
        with CpuSeconds(list(running.processes.values())) as spent:
            job = analyse(running.gateway, clip, every)
        decoding, captioning = measure("decode", clip, every), measure("model", clip, every)
        needed = decoding.cpu + captioning.cpu
        limit = needed / CORES
        plain = measure("plain", clip, every)
        console.print(
            f"every {every:g} s, {job.frames} frames: job {job.seconds:.1f} s; decoding alone {decoding.cpu:.1f} and "
            f"bare models {captioning.cpu:.1f} CPU-s; plain way {plain.seconds:.1f} s"
        )
        limits = f"{job.seconds:.1f} s against ({decoding.cpu:.1f} + {captioning.cpu:.1f}) CPU-s / {CORES} cores"
        figures.append(Figure(f"job ÷ limit, every {every:g} s", job.seconds / limit, "", "≤ 1.2", limits))
        cpu = f"{spent.seconds:.1f} of all services against {needed:.1f}"
        figures.append(Figure(f"CPU-s spent ÷ needed, every {every:g} s", spent.seconds / needed, "", "≤ 1.15", cpu))
        plainly = f"{plain.seconds:.1f} s against {job.seconds:.1f} s, {job.frames} frames"
        figures.append(Figure(f"plain way ÷ job, every {every:g} s", plain.seconds / job.seconds, "×", aim, plainly))
    return figures


def caption_figures(running: Services, clip: Path, requests: int) -> list[Figure]:
    """Measure ``POST /caption`` under many clients against the bare model in batches."""
    photos_a_second(running.gateway, CAPTION, clients=CLIENTS, requests=2 * CLIENTS)  # connections, allocations
    served = photos_a_second(running.gateway, CAPTION, clients=CLIENTS, requests=requests)
    bare = measure("captions", clip, 1.0)
    bare_rate = bare.frames / bare.seconds
    how = f"{served:.1f} a second against {bare_rate:.1f} of the bare model in batches of {BATCH}"
    return [Figure(f"/caption, {CLIENTS} clients ÷ bare model", 100 * served / bare_rate, " %", "≥ 90 %", how)]


def memory_figures(running: Services, minute: Path, folder: Path) -> list[Figure]:
    """Measure the worker's peak memory over ten minutes and over an hour of video."""
    peaks = []
    for minutes in (10, 60):
        clip = repeat(minute, folder / f"{minutes}-minutes.mp4", minutes)
        with PeakMemory(running.processes["worker"]) as peak:
            analyse(running.gateway, clip, 10.0)
        clip.unlink()
        peaks.append(peak.bytes / 2**20)
    how = f"{peaks[1]:.0f} MiB against {peaks[0]:.0f} MiB, one frame in ten seconds"
    return [Figure("worker's peak memory, 60 ÷ 10 minutes", peaks[1] / peaks[0], "", "1", how)]


def service_figures(
    running: Services, wanted: Collection[str], folder: Path, options: argparse.Namespace, console: Console
) -> list[Figure]:
    """Measure what needs the running services."""
    figures: list[Figure] = []
    if ON_A_CLIP & set(wanted):
        console.print("rendering a minute of 1080p30 H.264")
        minute = repeat(render(folder / "half.mp4", 30), folder / "minute.mp4", 2)
        if "video" in wanted:
            figures += video_figures(running, repeat(minute, folder / "clip.mp4", options.minutes), console)
        if "captions" in wanted:
            figures += caption_figures(running, minute, options.requests)
        if "memory" in wanted:
            figures += memory_figures(running, minute, folder)
        if "patches" in wanted:
            figures += patch_figures(running.gateway, minute)
    if "tags" in wanted:
        servers = {name: running.processes[name] for name in ("gateway", "tagger")}
        figures += tag_figures(running.gateway, servers, options.requests)
    if "search" in wanted:
        figures += search_figures(running.gateway, running.redis_url, running.storage)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--minutes", type=int, default=3, help="length of the 1080p clip (default 3)")
    parser.add_argument("--requests", type=int, default=512, help="photos sent to /caption and to /tags (default 512)")
    parser.add_argument("--only", choices=SUBJECTS, action="append", help="default: all")
    parser.add_argument("--infinity", type=Path, metavar="PYTHON", help="of an environment with infinity-emb (peers)")
    options = parser.parse_args()
    stop_on_signals()
    wanted = options.only or SUBJECTS
    console = Console()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="framesense-bench-") as name:
        folder = Path(name)
        if "moments" in wanted:
            console.print("moments of 83 made and recorded videos")
            figures += moment_figures()
        if "edits" in wanted:
            figures += edit_figures(folder / "edits", console)
        if set(wanted) - {"peers", "edits", "moments"}:
            with services(folder, console) as running:
                figures += service_figures(running, wanted, folder, options, console)
        if "peers" in wanted and options.infinity:
            console.print("infinity-emb, then the tagger, each alone with the same model")
            figures += peer_figures(folder / "peers", options.infinity, options.requests)
    print(
        f"\n{platform.machine()}, {CORES} cores, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}\n"
    )
    print("| figure | measured | aim | from |\n| --- | --- | --- | --- |")
    for figure in figures:
        print(figure.row())


if __name__ == "__main__":
    main()
