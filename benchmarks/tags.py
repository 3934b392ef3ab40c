"""The tagger: photos a second against the bare model and against another server of the same model; search in words."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from psutil import Process
from redis import Redis

from benchmarks.clip_folders import as_transformers, make_open_clip
from benchmarks.figures import Figure
from benchmarks.infinity import infinity, infinity_question
from benchmarks.measure import BATCH, measure
from benchmarks.processes import running
from benchmarks.service import CLIENTS, TAGS, Question, photos_a_second
from framesense.jobs.payloads import StoredFile, VideoPayload
from framesense.jobs.store import JobStore
from framesense.models.spec import ModelSpec
from framesense.schemas.jobs import JobKind
from framesense.schemas.models import ModelInfo, ModelsResponse
from framesense.schemas.novelty import VideoInfo, VideoParameters
from framesense.storage.analyses import AnalysisStore, Frames, Summary, VideoModels, analysis_key, video_key
from framesense.storage.blobs import Storage
from tools.processes import Program, answers, free_port
from tools.settings import ROOT

EMBEDDED = ROOT / "models" / "tagger-dual-encoder"
STORED, SEARCHES = 100_000, 40


def tag_figures(gateway: str, servers: Mapping[str, Process], requests: int) -> list[Figure]:
    """Measure ``POST /tags`` through the gateway under 32 clients against the bare dual encoder in batches.

    ``servers``: the gateway's and the tagger's processes, whose CPU time tells where the rest goes.
    """
    photos_a_second(gateway, TAGS, clients=CLIENTS, requests=2 * CLIENTS)  # connections, allocations, the labels' texts
    busy = {**servers, "clients": Process()}
    before = {name: _cpu_seconds(process) for name, process in busy.items()}
    served = photos_a_second(gateway, TAGS, clients=CLIENTS, requests=requests)
    spent = {name: 1000 * (_cpu_seconds(process) - before[name]) / requests for name, process in busy.items()}
    bare = measure("tags", EMBEDDED, 0)
    bare_rate = bare.frames / bare.seconds
    parts = ", ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in spent.items())
    how = (
        f"{served:.1f} a second against {bare_rate:.1f} of the bare model in batches of {BATCH}; CPU-ms a photo: "
        f"{parts}, bare model {1000 * bare.cpu / bare.frames:.1f}"
    )
    return [Figure(f"/tags, {CLIENTS} clients ÷ bare model", 100 * served / bare_rate, " %", "≥ 90 %", how)]


def _cpu_seconds(process: Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def peer_figures(folder: Path, peer: Path, requests: int) -> list[Figure]:
    """Measure the same CLIP (ViT-B/32, random weights) behind our gateway and tagger, behind infinity-emb, and bare."""
    ours, theirs = folder / "open-clip", folder / "transformers"
    make_open_clip(ours, "ViT-B-32", quick_gelu=True)
    as_transformers(ours, theirs)
    question = Question("/embeddings", body=infinity_question)
    with infinity(peer, theirs, folder) as url:
        photos_a_second(url, question, clients=CLIENTS, requests=2 * CLIENTS)
        their_rate = photos_a_second(url, question, clients=CLIENTS, requests=requests)
    with _gateway_and_tagger(folder, ModelSpec.parse(f"path:{ours}")) as gateway:
        photos_a_second(gateway, TAGS, clients=CLIENTS, requests=2 * CLIENTS)
        our_rate = photos_a_second(gateway, TAGS, clients=CLIENTS, requests=requests)
    bare = measure("tags", ours, 0)
    bare_rate = bare.frames / bare.seconds
    against = f"{our_rate:.1f} photos a second against {their_rate:.1f}; the bare model: {bare_rate:.1f}"
    return [
        Figure("ViT-B/32: /tags ÷ infinity-emb", our_rate / their_rate, "×", "≥ 1", against),
        Figure("ViT-B/32: /tags ÷ bare model", 100 * our_rate / bare_rate, " %", "≥ 90 %", against),
    ]


def search_figures(gateway: str, redis_url: str, storage: Path) -> list[Figure]:
    """Measure a search in words over a video of :data:`STORED` frames: the median of :data:`SEARCHES` searches."""
    job = _store_frames(gateway, redis_url, storage)
    seconds = []
    with httpx.Client(base_url=gateway, timeout=300, trust_env=False) as http:
        for number in range(SEARCHES + 1):
            started = time.perf_counter()
            http.get(f"/jobs/{job}/search", params={"q": f"a red car and {number} people"}).raise_for_status()
            seconds.append(time.perf_counter() - started)
    first, *others = seconds
    middle, slow = np.percentile(others, [50, 95])
    how = f"95 % within {1000 * slow:.0f} ms; the first, which reads them from the disk, {first:.1f} s"
    return [Figure(f"search over {STORED:,} embeddings", 1000 * float(middle), " ms", "≤ 50 ms", how)]


def _store_frames(gateway: str, redis_url: str, storage: Path) -> str:
    """Store what a worker leaves of a very long video, with random embeddings; return the job's id."""
    with httpx.Client(base_url=gateway, timeout=60, trust_env=False) as http:
        known = ModelsResponse.model_validate_json(http.get("/models").raise_for_status().content).models
    by_service: dict[str, ModelInfo] = {model.service: model for model in known}
    models = VideoModels(by_service["captioner"], by_service["tagger"])
    sha256 = hashlib.sha256(b"no video").hexdigest()
    key = analysis_key(sha256=sha256, models=models, every_n_second=1.0, beams=4, max_tokens=24)
    store = AnalysisStore(Storage(str(storage)))
    Storage(str(storage)).write(video_key(sha256), b"no video")
    chance, step = np.random.default_rng(0), 10_000
    for first in range(0, STORED, step):
        aligned = chance.normal(size=(step, 384)).astype(np.float32)
        aligned /= np.linalg.norm(aligned, axis=1, keepdims=True)
        nothing = np.zeros((step, 4), np.float32)
        times = np.arange(first, first + step, dtype=np.float64)
        store.append(key, first, Frames(times, ["a caption"] * step, nothing, nothing, None, aligned), [])
    info = VideoInfo(
        name="long.mp4", sha256=sha256, bytes=8, duration=STORED, width=64, height=48, fps=25, codec="h264"
    )
    store.finish(key, Summary(video=info, models=models.all()))
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        jobs = JobStore(redis, lease_seconds=60, retention_seconds=3600)
        parameters = VideoParameters().model_dump(mode="json")
        video = StoredFile(sha256=sha256, name="long.mp4", bytes=8)
        payload = VideoPayload(video=video, every_n_second=1.0, beams=4, max_tokens=24, work=key)
        job = jobs.create(JobKind.VIDEO, name="long.mp4", parameters=parameters, payload=payload)
        jobs.start(job.id)
        jobs.succeed(job.id, f"/jobs/{job.id}/result")
    return job.id


@contextmanager
def _gateway_and_tagger(folder: Path, model: ModelSpec) -> Iterator[str]:
    """Run both as processes; yields the gateway's URL. Tags need neither Redis nor a captioner."""
    tagger_port, gateway_port = free_port(), free_port()
    tagger_url, url = f"http://127.0.0.1:{tagger_port}", f"http://127.0.0.1:{gateway_port}"
    shared = {"HF_HUB_OFFLINE": "1", "STORAGE_URL": str(folder / "blobs")}
    of_tagger = {**shared, "TAGGER_PORT": str(tagger_port), "TAGGER_MODEL": str(model)}
    of_gateway = {
        **shared,
        "GATEWAY_PORT": str(gateway_port),
        "TAGGER_URL": tagger_url,
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "UPLOAD_FOLDER": str(folder / "incoming"),
    }
    python = [sys.executable, "-m"]
    tagger = Program("tagger", [*python, "tagger"], tagger_url, answers(f"{tagger_url}/ready"), of_tagger)
    gateway = Program("gateway", [*python, "gateway"], url, _knows_tagger(url), of_gateway)
    with running(tagger, folder), running(gateway, folder):
        yield url


def _knows_tagger(gateway: str) -> Callable[[], str | None]:
    """Build a check of the gateway: without Redis it is never ready, but it answers all the same."""

    def check() -> str | None:
        try:
            models = json.loads(httpx.get(f"{gateway}/models", timeout=10, trust_env=False).content)["models"]
            return None if any(model["service"] == "tagger" for model in models) else "no tagger yet"
        except (httpx.TransportError, ValueError, KeyError):
            return "starting"

    return check
