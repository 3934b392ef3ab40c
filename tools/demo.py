"""What the whole can do, on a real clip, in a minute: ``python -m tools.demo``.

Starts the services (unless they run already), has a clip analysed through the public API, shows captions, curve and
odd moments, saves the graph, and stays up until Ctrl-C.
"""

import argparse
import json
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from framesense.schemas.jobs import Job, JobState
from framesense.schemas.novelty import Frame, Moment, VideoResult
from tools import charts, clip
from tools.settings import ROOT
from tools.stack import Stack, StackError, load_settings, stop_on_signals

OPTIONS = {"every_n_second": 1, "rolling_window_size": 8, "metric": "cosine", "signal": "words"}


class DemoError(Exception):
    """The text says what went wrong."""


class Gateway:
    """The public API, as far as the demonstration uses it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def analyse(self, video: Path) -> Job:
        with video.open("rb") as file:
            files = {"video": (video.name, file, "video/mp4")}
            return Job.model_validate(self._checked(self._http.post("/video_captions", data=OPTIONS, files=files)))

    def follow(self, job: Job) -> Iterator[Job]:
        """The job at each of its events, to its end."""
        with self._http.stream("GET", f"/jobs/{job.id}/events", timeout=300) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield (job := Job.model_validate_json(line.removeprefix("data:")))
                    if job.state.finished:
                        return
        raise DemoError(f"The events of job {job.id} ended before the job did.")

    def result(self, job: Job) -> VideoResult:
        return VideoResult.model_validate(self._checked(self._http.get(f"/jobs/{job.id}/result")))

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
    """Has the video analysed, with a progress bar, and shows what was found."""
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
    console.print(charts.captions_table(result), "", charts.curve(result), "", sep="\n", soft_wrap=False)
    console.print(charts.moments_table(result) if result.moments else "No moment stands out from the rest.", "")
    return job, result


def save(gateway: Gateway, result: VideoResult, folder: Path, console: Console) -> None:
    charts.save_picture(result, gateway.thumbnail, folder / "novelty.png")
    charts.save_page(result, folder / "novelty.html")
    (folder / "result.json").write_text(json.dumps(result.model_dump(mode="json"), indent=2))
    names = ", ".join(["novelty.png", "novelty.html", "result.json"])
    console.print(f"Saved to {folder}: {names}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop everything and exit instead of staying up")
    parser.add_argument("--gateway", metavar="URL", help="use the services that run behind this gateway; start none")
    parser.add_argument("--video", type=Path, help="analyse this video instead of the clip")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo", help="where the graph goes")
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    settings = load_settings(console)
    stop_on_signals()
    gateway = Gateway(arguments.gateway or settings.gateway_url)
    running: AbstractContextManager[None]
    running = nullcontext() if arguments.gateway else Stack(settings, console).running()
    try:
        with running:
            video = arguments.video or arguments.out / "street.mp4"
            if not arguments.video:
                clip.render(video)
            job, result = analyse(gateway, video, console)
            save(gateway, result, arguments.out, console)
            console.print(f"See it in the browser: [bold]{settings.ui_url}/?job={job.id}[/]")
            console.print(f"The API, with examples: {gateway.url}/docs")
            if not arguments.once and not arguments.gateway:
                console.print("\nCtrl-C stops everything.")
                signal.pause()
    except (DemoError, StackError, httpx.TransportError, FileNotFoundError) as error:
        console.print(f"[red]✗[/] {escape(str(error))}")
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(0 if not arguments.once else 130) from None


if __name__ == "__main__":
    main()
