"""Seconds and CPU-seconds of a piece of work, and the parts that run in a process of their own.

Each part runs alone in a fresh process: ``python -m benchmarks.measure PART CLIP SECONDS`` prints its figures as JSON.
So no part warms a cache or keeps a thread pool for the next, and a process's CPU-seconds are the part's own.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

OWN_PROCESS = {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
"""Threads sleep while they wait, as in the services: framesense.serving.threads."""
LONGEST_SIDE, BEAMS, MAX_TOKENS, BATCH = 640, 4, 24, 32


@dataclass
class Cost:
    """``frames`` sampled frames took ``seconds`` of wall-clock time and ``cpu`` CPU-seconds over all threads."""

    frames: int = 0
    seconds: float = 0.0
    cpu: float = 0.0


@contextmanager
def costing(cost: Cost) -> Iterator[None]:
    wall, cpu = time.perf_counter(), _cpu_seconds()
    yield
    cost.seconds += time.perf_counter() - wall
    cost.cpu += _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(part: str, clip: Path, every_n_second: float) -> Cost:
    """Run one of :data:`PARTS` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.measure", part, str(clip), str(every_n_second)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, **OWN_PROCESS})
    return Cost(**json.loads(answer.stdout.splitlines()[-1]))


def plain(clip: Path, every_n_second: float) -> Cost:
    """Analyse the plain way: read all frames, write each sampled one as PNG, read it back, caption it alone in fp32."""
    import cv2
    import numpy as np
    import torch

    from captioner.models.show_attend_tell import ShowAttendTell

    captioner = ShowAttendTell.load(_weights(), torch.device("cpu"), torch.float32)
    cost = Cost()
    with costing(cost), tempfile.TemporaryDirectory() as folder:
        capture = cv2.VideoCapture(str(clip))
        step = round(capture.get(cv2.CAP_PROP_FPS) * every_n_second)
        number = 0
        while True:
            there, frame = capture.read()
            if not there:
                break
            if number % step == 0:
                picture = f"{folder}/{number}.png"
                cv2.imwrite(picture, frame)
                again = cv2.imread(picture)
                assert again is not None
                pixels = captioner.preprocess(np.asarray(again[:, :, ::-1], dtype=np.uint8))
                captioner.caption(pixels.unsqueeze(0), beams=BEAMS, max_tokens=MAX_TOKENS)
                cost.frames += 1
            number += 1
    return cost


def decode(clip: Path, every_n_second: float) -> Cost:
    """Measure the limit of decoding: our sampler alone, nothing done with its frames."""
    from worker.videos.frames import open_video

    cost = Cost()
    with costing(cost):
        video = open_video(clip, max_pixels=2**30)
        for _ in video.samples(every_n_second, longest_side=LONGEST_SIDE):
            cost.frames += 1
    return cost


def model(clip: Path, every_n_second: float) -> Cost:
    """Measure the models' limit on ready tensors, in batches of 32: one pass of the image encoder, and all that a job
    takes from it.
    """
    import numpy as np
    import torch

    from captioner.models.show_attend_tell import ShowAttendTell
    from framesense.models.encoders.minilm import SentenceEncoder
    from framesense.models.spec import choose_dtype
    from tagger.models.embedded import EmbeddedDualEncoder
    from worker.videos.frames import open_video

    device = torch.device("cpu")
    captioner = ShowAttendTell.load(_weights(), device, choose_dtype("auto", device))
    tagger = EmbeddedDualEncoder.load(_weights("tagger-dual-encoder"), device, choose_dtype("auto", device))
    sentences = SentenceEncoder(device)
    video = open_video(clip, max_pixels=2**30)
    pixels = [captioner.preprocess(frame.picture) for frame in video.samples(every_n_second, longest_side=LONGEST_SIDE)]
    batches = [torch.stack(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    captioner.caption(batches[0][:2], beams=BEAMS, max_tokens=2)  # the first call allocates
    cost = Cost(frames=len(pixels))
    with costing(cost):
        for batch in batches:
            captions = captioner.caption(batch, beams=BEAMS, max_tokens=MAX_TOKENS, views=True, pooled=True)
            sentences.encode([caption.text for caption in captions])
            tagger.embed_features(np.stack([caption.pooled for caption in captions if caption.pooled is not None]))
    return cost


def captions(clip: Path, every_n_second: float) -> Cost:
    """Measure the limit of ``POST /caption``: the bare captioner on ready tensors in batches of 32.

    It runs long enough to settle.
    """
    import torch

    from captioner.models.show_attend_tell import ShowAttendTell
    from framesense.models.spec import choose_dtype
    from worker.videos.frames import open_video

    device = torch.device("cpu")
    captioner = ShowAttendTell.load(_weights(), device, choose_dtype("auto", device))
    video = open_video(clip, max_pixels=2**30)
    pixels = [captioner.preprocess(frame.picture) for frame in video.samples(every_n_second, longest_side=LONGEST_SIDE)]
    batch = torch.stack(pixels[:BATCH])
    captioner.caption(batch, beams=BEAMS, max_tokens=MAX_TOKENS)
    cost = Cost()
    with costing(cost):
        for _ in range(10):
            captioner.caption(batch, beams=BEAMS, max_tokens=MAX_TOKENS)
            cost.frames += len(batch)
    return cost


def tags(clip: Path, every_n_second: float) -> Cost:
    """Measure the limit of ``POST /tags``: the bare dual encoder on ready tensors in batches of 32.

    It runs long enough to settle. ``clip``: not a video but the tagger's model: a folder of OpenCLIP weights, or that
    of the embedded ones.
    """
    import io

    import numpy as np
    import torch
    from PIL import Image

    from benchmarks.service import photo_files
    from framesense.models.openclip import OpenClipFiles
    from framesense.models.spec import choose_dtype
    from tagger.models.embedded import CONFIG_FILE, EmbeddedDualEncoder
    from tagger.models.openclip import OpenClip

    device = torch.device("cpu")
    dtype = choose_dtype("auto", device)
    embedded = (clip / CONFIG_FILE).exists()
    model = (
        EmbeddedDualEncoder.load(clip, device, dtype)
        if embedded
        else OpenClip.load(OpenClipFiles(str(clip)), device, dtype)
    )
    pictures = [np.array(Image.open(io.BytesIO(photo))) for photo in photo_files()]
    batch = torch.stack([model.preprocess(picture) for picture in pictures[:BATCH]])
    model.encode_images(batch)
    cost = Cost()
    with costing(cost):
        for _ in range(10):
            model.encode_images(batch)
            cost.frames += len(batch)
    return cost


def patches(clip: Path, every_n_second: float) -> Cost:
    """Measure the limit of the patch signal alone: decode, encode and compare in turn, nothing captioned."""
    import torch

    from captioner.models.lite2_views import encode_with_views
    from framesense.models.encoders.efficientnet_lite2 import load_encoder, squash
    from framesense.models.spec import choose_dtype
    from framesense.novelty.patches import PackedGrids, PatchMemory, frame_score
    from worker.videos.frames import open_video

    dtype = choose_dtype("auto", torch.device("cpu"))
    encoder = load_encoder().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    memory, cost = PatchMemory(64), Cost()
    with costing(cost):
        video = open_video(clip, max_pixels=2**30)
        samples = video.samples(every_n_second, longest_side=LONGEST_SIDE)
        while batch := [frame.picture for frame in islice(samples, BATCH)]:
            with torch.inference_mode():
                grids = encode_with_views(encoder, torch.stack([squash(picture) for picture in batch]), dtype)[2]
            packed = PackedGrids.pack(grids.float().numpy())
            for index in range(len(packed)):
                frame_score(memory.distances(packed[index]))
                memory.remember(packed[index])
            cost.frames += len(batch)
    return cost


def _weights(name: str = "captioner-show-attend-tell") -> Path:
    return Path(__file__).resolve().parent.parent / "models" / name


PARTS: dict[str, Callable[[Path, float], Cost]] = {
    "plain": plain,
    "decode": decode,
    "model": model,
    "captions": captions,
    "tags": tags,
    "patches": patches,
}


if __name__ == "__main__":
    name, clip_path, seconds = sys.argv[1:]
    print(json.dumps(asdict(PARTS[name](Path(clip_path), float(seconds)))))
