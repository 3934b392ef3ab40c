"""``python -m benchmarks.hub_models``: full-size models of random weights (speed does not depend on their values),
served by this project's own processes, against a plain loop, the bare model, the chip's limit, and peers.

- *plain loop*: decode, resize, ask the model, one photo after the other, in the same precision;
- *bare model*: the model alone on prepared batches that lie on the device, at the best batch size;
- *limit*: the arithmetic of that batch (torch's own count) at the speed of the chip's largest matrix product here, and
  for captions no less than reading the decoder's weights once a token at the speed of a large copy here;
- *served*: a running captioner or tagger, asked over HTTP with JPEG files by 1, 8, 32 and 128 clients at once;
- *LitServe*, *infinity*: the same weights served by these, where they are installed.

On a GPU: ``python -m benchmarks.hub_models --device cuda --litserve auto --infinity /path/to/its/python``. On a CPU the
defaults finish in some minutes.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx
import torch

from benchmarks.hub_models.bare import load_bare
from benchmarks.hub_models.load import load_on, photos
from benchmarks.hub_models.rates import bare_rates, limit_rate, plain_rate
from benchmarks.hub_models.servers import (
    INFINITY_QUESTION,
    LITSERVE_QUESTION,
    Model,
    calls,
    framesense,
    infinity_emb,
    litserve,
)
from benchmarks.hub_models.subjects import SUBJECTS, Subject
from benchmarks.service import Question
from framesense.models.spec import choose_device, choose_dtype
from tools.stack import stop_on_signals

OURS = "Framesense"
SECONDS_OF_VIDEO = 3600
HEAD = """\
| served by | clients | images/s | p50 ms | p99 ms | ÷ plain loop | % of bare model | images a call |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def measure(subject: Subject, options: argparse.Namespace, work: Path) -> None:
    """Print a subject's rates and its table; ``work`` is an empty folder."""
    device = torch.device(options.device)
    dtype = choose_dtype(options.dtype, device)
    name = str(dtype).removeprefix("torch.")
    model = Model(subject.service, work / "model", work, options.device, name, options.max_batch)
    subject.save(model.folder)
    say(f"\n### {subject.name}, {name} on {device}\n")
    unserved = measure_unserved(model, device, dtype, options)
    say(HEAD)
    for server, question, running in servers(subject, model, options):
        try:
            with running as url:
                measure_served(server, url, question, model.service, unserved, options)
        except (RuntimeError, httpx.HTTPError) as error:
            say(f"| {server} | | failed: {str(error).splitlines()[0][:120]} | | | | | |")
            for log in work.glob("logs/*.log"):
                sys.stderr.write(f"--- {log.name}\n{log.read_text()[-2000:]}\n")


@dataclass(frozen=True)
class Unserved:
    """Photos a second of the model in this process: a plain loop, and the best batch."""

    plain: float
    best: float


def measure_unserved(model: Model, device: torch.device, dtype: torch.dtype, options: argparse.Namespace) -> Unserved:
    """Measure a model that is not served, and print its rates with the chip's limit.

    The model is gone from the device afterwards.
    """
    bare, files = load_bare(model.service, model.folder, device, dtype), photos()
    picture = bare.prepare(files[0])
    plain = plain_rate(bare, files, options.plain)
    rates = bare_rates(bare, picture, device, largest=options.max_batch, seconds=options.seconds)
    size = max(rates, key=rates.__getitem__)
    best, limit = rates[size], limit_rate(bare, picture, device, dtype, size)
    del bare
    if device.type == "cuda":
        torch.cuda.empty_cache()
    say(f"plain loop {plain:.1f}/s; bare model {best:.1f}/s at batches of {size}; the chip's limit {limit:.1f}/s")
    say("bare model by batch: " + ", ".join(f"{size}: {rate:.1f}/s" for size, rate in rates.items()) + "\n")
    return Unserved(plain, best)


def servers(
    subject: Subject, model: Model, options: argparse.Namespace
) -> Iterator[tuple[str, Question, AbstractContextManager[str]]]:
    """Yield ours and the peers that are there: the name, what it is asked, and the server, not yet started."""
    yield OURS, subject.question, framesense(model, compiled=options.compile)
    if options.litserve and (options.litserve != "auto" or find_spec("litserve")):
        yield "LitServe", LITSERVE_QUESTION, litserve(model, installed=options.litserve)
    if options.infinity and subject.service == "tagger":
        yield "infinity", INFINITY_QUESTION, infinity_emb(model, python=Path(options.infinity))


def measure_served(
    server: str, url: str, question: Question, service: str, unserved: Unserved, options: argparse.Namespace
) -> None:
    """Print a row for each number of clients."""
    most, processes = max(options.clients), options.processes
    load_on(url, question, clients=most, requests=options.warm, processes=processes)
    for clients in options.clients:
        before = calls(url, service) if server == OURS else None
        found = load_on(url, question, clients=clients, requests=max(options.requests, clients), processes=processes)
        row = [found.rate, 1000 * found.p50, 1000 * found.p99]
        row += [found.rate / unserved.plain, 100 * found.rate / unserved.best]
        if before:
            images, count = (now - then for now, then in zip(calls(url, service), before, strict=True))
            row.append(images / count)
        say(f"| {server} | {clients} | " + " | ".join(f"{value:.1f}" for value in row) + " |")
        if server == OURS and clients == most and service == "tagger":
            say(f"| | | an hour at 1 frame/s: {SECONDS_OF_VIDEO / found.rate:.0f} s | | | | | |")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub_models", description=__doc__)
    parser.add_argument("--device", default="auto", help="cuda, cuda:1, cpu (default: a GPU if there is one)")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"])
    parser.add_argument(
        "--only", choices=list(SUBJECTS), action="append", help="default: all on a GPU, the smaller two"
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--requests", type=int, help="each number of clients sends so many in all")
    parser.add_argument("--warm", type=int, help="requests before the clock starts")
    parser.add_argument("--plain", type=int, help="photos of the plain loop")
    parser.add_argument("--seconds", type=float, help="for each batch size of the bare model")
    parser.add_argument("--max-batch", type=int, help="largest batch, everywhere")
    parser.add_argument("--processes", type=int, help="that the clients are spread over")
    parser.add_argument("--compile", action="store_true", help="with CAPTIONER_COMPILE, TAGGER_COMPILE")
    parser.add_argument("--litserve", help="auto: where installed; or a folder that it was installed into by --target")
    parser.add_argument("--infinity", help="a Python that infinity_emb is installed for")
    options = parser.parse_args()
    stop_on_signals()
    device = choose_device(options.device)
    options.device = str(device)
    gpu = device.type == "cuda"
    defaults = {"requests": (2000, 32), "warm": (256, 8), "plain": (200, 8), "seconds": (2.0, 1.0)}
    defaults |= {"max_batch": (128, 32), "processes": (8, 1)}
    for option, (on_gpu, on_cpu) in defaults.items():
        if getattr(options, option) is None:
            setattr(options, option, on_gpu if gpu else on_cpu)
    chip = torch.cuda.get_device_name(device) if gpu else f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}"
    say(f"{chip}, torch {torch.__version__}, Python {platform.python_version()}")
    for name in options.only or (list(SUBJECTS) if gpu else ["blip-base", "vit-b-32"]):
        with tempfile.TemporaryDirectory(prefix="framesense-bench-") as work:
            measure(SUBJECTS[name], options, Path(work))


if __name__ == "__main__":
    main()
