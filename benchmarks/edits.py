"""Seconds an edited picture: the editor's process against the bare model, and on a GPU eager against as it is served.

Each side runs in a process of its own, one after the other and twice in turn, so that a busy minute of the machine
falls on both: ``python -m benchmarks.edits WHAT …`` prints its seconds as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from benchmarks.figures import Figure
from benchmarks.processes import running
from tools.processes import Program, answers, free_port

PHOTO = Path(skimage.__file__).parent / "data" / "astronaut.png"
PROMPT, STEPS, STRENGTH, SEED = "a photo at night", 20, 0.5, 7
PICTURES, ROUNDS = 3, 2
BATCH = 4
GPU_ROUNDS = 5
TURBO_STEPS = 4


def edit_figures(folder: Path, console: Console, shape: str = "mid-size SD") -> list[Figure]:
    """Measure the service against the bare model: the embedded one, and a Stable Diffusion of ``shape``.

    Then the GPU's figures.
    """
    from benchmarks.pipelines import SHAPES, save

    console.print(f"making a {shape} of random weights")
    saved = save(SHAPES[shape], folder / "model")
    figures = []
    for what, model, bare in (
        ("embedded model", "embedded", ["embedded"]),
        (shape, f"path:{saved}", ["bare", str(saved)]),
    ):
        served, alone = list[float](), list[float]()
        for _ in range(ROUNDS):
            alone += run(*bare)
            served += serve(model)
        console.print(f"{what}: served {_listed(served)}; bare {_listed(alone)} s a picture")
        one, other = statistics.median(served), statistics.median(alone)
        how = f"{one:.2f} s a picture over HTTP against {other:.2f} s, {STEPS} steps, strength {STRENGTH}"
        figures.append(Figure(f"edit ÷ bare pipeline, {what}", one / other, "", "≤ 1.05", how))
    return figures + gpu_figures(console)


def gpu_figures(console: Console) -> list[Figure]:
    """Measure diffusers as it comes against what the service uses, full size, one picture and four.

    None without a GPU.
    """
    import torch

    if not torch.cuda.is_available():
        console.print("no GPU here: full-size models are left out")
        return []
    figures = []
    for shape in ("SD 1.5", "SDXL Turbo"):
        for count in (1, BATCH):
            eager = {dtype: run("gpu", shape, "eager", dtype, str(count)) for dtype in ("float32", "bfloat16")}
            served = statistics.median(run("gpu", shape, "served", "bfloat16", str(count)))
            for dtype, seconds in eager.items():
                one = statistics.median(seconds)
                how = f"{1000 * one:.0f} ms against {1000 * served:.0f} ms a picture, {count} at once"
                name = f"eager {dtype} ÷ as served, {shape}, {count} at once"
                figures.append(Figure(name, one / served, "×", "≥ 2", how))
    return figures


# -------------------------------------------------------------------------------------------------------- one side


def run(*arguments: str) -> list[float]:
    """Measure the seconds a picture of one of :data:`PARTS`, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.edits", *arguments]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    seconds: list[float] = json.loads(answer.stdout.splitlines()[-1])
    return seconds


def serve(model: str) -> list[float]:
    """Measure the seconds an edit through the editor's own process, from the request to the picture's last byte."""
    from framesense.clients.editor import EditorClient
    from framesense.http.uploads import Upload
    from framesense.schemas.edits import EditParameters

    photo = Upload(PHOTO.read_bytes(), PHOTO.name, "image/png")
    with editor(model) as url, EditorClient(url) as client:

        def edit(seed: int) -> None:
            request = EditParameters(prompt=PROMPT, steps=STEPS, strength=STRENGTH, seed=seed)
            assert any(event.event == "image" for event in client.edit(request, image=photo))

        return timed(edit)


@contextmanager
def editor(model: str) -> Iterator[str]:
    """Run the editor with a model, on a port of its own; yields its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"EDITOR_PORT": str(port), "EDITOR_MODEL": model, "HF_HUB_OFFLINE": "1"}
    program = Program("editor", [sys.executable, "-m", "editor"], url, answers(f"{url}/ready"), environment)
    with tempfile.TemporaryDirectory() as folder, running(program, Path(folder)):
        yield url


def bare(folder: str) -> list[float]:
    """Measure diffusers' own pipeline with the same settings, on the photo at the model's size."""
    import torch

    from framesense.models.torch_compat import prepare_torchvision

    prepare_torchvision()
    import diffusers

    pipeline: Any = diffusers.StableDiffusionImg2ImgPipeline.from_pretrained(folder, use_safetensors=True)
    pipeline.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    photo = Image.open(PHOTO).convert("RGB").resize((side, side))

    def edit(seed: int) -> None:
        pipeline(
            prompt=PROMPT,
            image=photo,
            num_inference_steps=STEPS,
            strength=STRENGTH,
            generator=torch.Generator().manual_seed(seed),
        )

    return timed(edit)


def embedded() -> list[float]:
    """Measure the embedded model's networks alone: the small photo in, its change out, at the small size."""
    import torch

    from editor.imaging.upsampling import shrink
    from editor.models.base import ModelRequest
    from editor.models.embedded import PixelDiffusionEditor
    from editor.models.factory import EMBEDDED_FOLDER
    from editor.settings import EditorSettings
    from framesense.models.spec import choose_dtype
    from framesense.schemas.edits import Task

    device = torch.device("cpu")
    model = PixelDiffusionEditor.load(
        EditorSettings().models_dir / EMBEDDED_FOLDER, device, choose_dtype("auto", device)
    )
    photo = _pixels()
    small = shrink(photo, model.side)
    request = ModelRequest(
        task=Task.EDIT,
        prompt=PROMPT,
        negative_prompt="",
        strength=STRENGTH,
        steps=STEPS,
        guidance_scale=model.abilities.default_guidance_scale,
        scheduler=model.abilities.default_scheduler,
        seeds=(SEED,),
        width=photo.shape[1],
        height=photo.shape[0],
        photo=photo,
    )

    def edit(seed: int) -> None:
        with torch.inference_mode():
            model.run_twice(replace(request, seeds=(seed,)), small, seed)

    return timed(edit)


def gpu(shape_name: str, way: str, dtype_name: str, count: str, device_name: str = "cuda") -> list[float]:
    """Measure the seconds a picture at full size.

    ``eager`` is diffusers' pipeline as it comes, ``served`` our model with EDITOR_COMPILE. ``count``: pictures at once.
    """
    import tempfile

    import torch

    from benchmarks.pipelines import SHAPES, build

    shape, device, dtype = SHAPES[shape_name], torch.device(device_name), getattr(torch, dtype_name)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = build(shape, Path(folder), device, dtype)
    side = shape.unet["sample_size"] * pipeline.vae_scale_factor
    photo = np.asarray(Image.fromarray(_pixels()).resize((side, side)))
    steps, guidance = (TURBO_STEPS, 0.0) if shape.xl else (STEPS, 7.5)
    number = int(count)
    edit: Callable[[int], None]
    if way == "eager":
        pictures = [Image.fromarray(photo)] * number

        def eager(seed: int) -> None:
            generators = [torch.Generator().manual_seed(seed + index) for index in range(number)]
            pipeline(
                prompt=[PROMPT] * number,
                image=pictures,
                num_inference_steps=steps,
                strength=STRENGTH,
                guidance_scale=guidance,
                generator=generators,
            )

        edit = eager
    else:
        edit = _served(pipeline, shape.xl, device, dtype, photo, steps, guidance, number)
    return [seconds / number for seconds in timed(edit, GPU_ROUNDS)]


def _served(
    pipeline: Any,
    xl: bool,
    device: Any,
    dtype: Any,
    photo: NDArray[np.uint8],
    steps: int,
    guidance: float,
    number: int,
) -> Callable[[int], None]:
    """Lay the pipeline's parts out as the service's factory would, behind the service's own model."""
    from editor.models.base import ModelRequest
    from editor.models.folders import Architecture, Distillation, PipelineFolder, Role
    from editor.models.hardware import lay_out
    from editor.models.latent import PipelineComponents
    from editor.models.stable_diffusion import StableDiffusion
    from framesense.schemas.edits import Task

    parts = pipeline.components
    folder = PipelineFolder(
        path=Path(),
        architecture=Architecture.STABLE_DIFFUSION_XL if xl else Architecture.STABLE_DIFFUSION,
        role=Role.PLAIN,
        distillation=Distillation.TURBO if xl else Distillation.NONE,
        variant=None,
        weights=(),
        scheduler=dict(pipeline.scheduler.config),
    )
    parts["vae"].register_to_config(force_upcast=False)
    lay_out(parts, device, low_memory="off", compiled=device.type == "cuda")
    settings = {"requires_safety_checker": False, "add_watermarker": False}
    model = StableDiffusion(PipelineComponents(parts, settings, folder, device, dtype), batch=number)
    request = ModelRequest(
        task=Task.EDIT,
        prompt=PROMPT,
        negative_prompt="",
        strength=STRENGTH,
        steps=steps,
        guidance_scale=guidance,
        scheduler=model.abilities.default_scheduler,
        seeds=(),
        width=photo.shape[1],
        height=photo.shape[0],
        photo=photo,
    )

    def edit(seed: int) -> None:
        seeds = tuple(range(seed, seed + number))
        model.edit(replace(request, seeds=seeds), lambda step: None)

    return edit


def timed(edit: Callable[[int], None], pictures: int = PICTURES) -> list[float]:
    """Measure the seconds of each call; the first two are not counted: they allocate, and compile where asked to."""
    for seed in range(2):
        edit(SEED + seed)
    seconds = []
    for seed in range(pictures):
        began = time.perf_counter()
        edit(SEED + seed)
        seconds.append(time.perf_counter() - began)
    return seconds


def _pixels() -> NDArray[np.uint8]:
    return np.asarray(Image.open(PHOTO).convert("RGB"))


def _listed(seconds: list[float]) -> str:
    return ", ".join(f"{one:.2f}" for one in seconds)


PARTS: dict[str, Callable[..., list[float]]] = {"bare": bare, "embedded": embedded, "gpu": gpu}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edits", description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("arguments", nargs="*", help="what the part takes")
    options = parser.parse_args()
    print(json.dumps(PARTS[options.part](*options.arguments)))
