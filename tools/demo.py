"""What the whole can do, on real footage, in a minute or two: ``python -m tools.demo``.

Starts the services (unless they run already), has three clips analysed through the public API with default options,
shows the odd moments of each beside what happens in it, saves graphs and reels, and stays up until Ctrl-C. It exits
with status 1 where something that happens was not found.
"""

import argparse
import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from framesense.schemas.jobs import Job, JobState
from framesense.schemas.novelty import Frame, Moment, Strength, VideoResult
from tools import charts
from tools.clip import CLIPS, Clip, Happening, render
from tools.processes import StackError
from tools.settings import ROOT
from tools.stack import Stack, load_settings, stop_on_signals

AT_ODDS = 1.0
"""Seconds by which a moment may miss what happens."""


class DemoError(Exception):
    """The text says what went wrong."""


class Gateway:
    """The public API, as far as the demonstration uses it."""

    def __init__(self, url: str, key: str = "") -> None:
        """Call the gateway at a URL, with a key where it requires one."""
        self.url = url
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False, headers=headers)

    def analyse(self, video: Path) -> Job:
        with video.open("rb") as file:
            files = {"video": (video.name, file, "video/mp4")}
            return Job.model_validate(self._checked(self._http.post("/video_captions", files=files)))

    def follow(self, job: Job) -> Iterator[Job]:
        """Yield the job at each of its events, to its end."""
        with self._http.stream("GET", f"/jobs/{job.id}/events", timeout=300) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield (job := Job.model_validate_json(line.removeprefix("data:")))
                    if job.state.finished:
                        return
        raise DemoError(f"The events of job {job.id} ended before the job did.")

    def result(self, job: Job) -> VideoResult:
        return VideoResult.model_validate(self._checked(self._http.get(f"/jobs/{job.id}/result")))

    def highlights(self, job: Job) -> bytes:
        """Return the reel of the moments, as an MP4."""
        answer = self._http.get(f"/jobs/{job.id}/highlights.mp4", params={"times": True}, timeout=120)
        if answer.is_error:
            raise DemoError(f"The reel was not made: {answer.text}")
        return answer.content

    def thumbnail(self, shown: Frame | Moment) -> bytes:
        return self._http.get(shown.thumbnail).raise_for_status().content

    @staticmethod
    def _checked(answer: httpx.Response) -> object:
        if answer.is_error:
            raise DemoError(
                f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text}"
            )
        return answer.json()


def analyse(gateway: Gateway, video: Path, console: Console) -> tuple[Job, VideoResult]:
    """Have the video analysed, with a progress bar, and show what was found."""
    job = gateway.analyse(video)
    started = time.monotonic()
    if job.state.finished:
        console.print("The same video with the same options was analysed before: answered from what is stored.")
    else:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task(f"analysing {video.name}", total=None)
            for event in gateway.follow(job):
                job = event
                progress.update(bar, completed=job.progress.done, total=job.progress.total)
    if job.state is not JobState.SUCCEEDED:
        raise DemoError(f"The job {job.state}: {job.error.detail if job.error else 'it does not say why'}")
    result = gateway.result(job)
    seconds, frames = time.monotonic() - started, len(result.frames)
    console.print(f"{result.video.duration:.0f} s of video, {frames} frames captioned, in {seconds:.1f} s\n")
    console.print(charts.curve(result), "", sep="\n", soft_wrap=False)
    console.print(charts.moments_table(result) if result.stands_out else "No moment stands out from the rest.", "")
    return job, result


def compare(happenings: Sequence[Happening], result: VideoResult, console: Console) -> bool:
    """Print which of the things that happen were found; return whether all were."""
    strong = [moment for moment in result.moments if moment.strength is Strength.STRONG]

    def found(happening: Happening) -> bool:
        return any(
            moment.start <= happening.end + AT_ODDS and moment.end >= happening.start - AT_ODDS for moment in strong
        )

    for happening in happenings:
        mark = "[green]✓ found[/] " if found(happening) else "[red]✗ missed[/]"
        console.print(f"{mark} {charts.clock(happening.start)} {happening.what}")
    console.print()
    return all(map(found, happenings))


def save(gateway: Gateway, job: Job, result: VideoResult, folder: Path, console: Console) -> None:
    """Write the graph, the result and the reel of the moments into a folder, named after the video."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = Path(result.video.name).stem
    charts.save_picture(result, gateway.thumbnail, folder / f"{stem}-novelty.png")
    charts.save_page(result, folder / f"{stem}-novelty.html")
    (folder / f"{stem}-result.json").write_text(json.dumps(result.model_dump(mode="json"), indent=2))
    names = [f"{stem}-novelty.png", f"{stem}-novelty.html", f"{stem}-result.json"]
    if result.moments:
        names.append(f"{stem}-highlights.mp4")
        (folder / names[-1]).write_bytes(gateway.highlights(job))
    console.print(f"Saved to {folder}: {', '.join(names)}\n")


def show(gateway: Gateway, clips: Sequence[Clip], arguments: argparse.Namespace, ui: str, console: Console) -> bool:
    """Have clips analysed, or the video that was named; return whether all that happens in them was found."""
    videos = [(arguments.video, None)] if arguments.video else [(render(clip, arguments.out), clip) for clip in clips]
    right = True
    for video, clip in videos:
        if clip:
            console.rule(f"{clip.name}: {clip.about}", style="dim")
        job, result = analyse(gateway, video, console)
        if clip:
            right &= compare(clip.happenings(), result, console)
        save(gateway, job, result, arguments.out, console)
        console.print(f"See it in the browser: [bold]{ui}/?job={job.id}[/]\n")
    return right


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop everything and exit instead of staying up")
    parser.add_argument("--gateway", metavar="URL", help="use the services that run behind this gateway; start none")
    parser.add_argument("--video", type=Path, help="analyse this video instead of the clips")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo", help="where the graph goes")
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    settings = load_settings(console)
    stop_on_signals()
    gateway = Gateway(arguments.gateway or settings.gateway_url, settings.framesense_key.get_secret_value())
    running: AbstractContextManager[None]
    running = nullcontext() if arguments.gateway else Stack(settings, console).running()
    try:
        with running:
            right = show(gateway, CLIPS, arguments, settings.ui_url, console)
            console.print(f"The API, with examples: {gateway.url}/docs")
            if not arguments.once and not arguments.gateway:
                console.print("\nCtrl-C stops everything.")
                signal.pause()
        if not right:
            raise DemoError("Something that happens in these clips was not found.")
    except (DemoError, StackError, httpx.TransportError, FileNotFoundError) as error:
        console.print(f"[red]✗[/] {escape(str(error))}")
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(0 if not arguments.once else 130) from None


if __name__ == "__main__":
    main()
