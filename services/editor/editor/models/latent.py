"""What all latent diffusion families share: a pipeline of diffusers is given a request, and watched while it works.

The pictures are diffusers' own: every family calls the pipeline that was written for it, with the components loaded
once and a scheduler made for the call. This module adds what a pipeline lacks: seeds of their own for every picture,
a look at the picture after each step, an end between two of them, and where the words apply.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from editor.models.base import Abilities, Check, Edited, Floats, ModelRequest, OnStep, Step
from editor.models.folders import Architecture, Distillation, PipelineFolder
from editor.models.previews import LatentPreview
from editor.models.schedulers import WHY_NO_OTHER, make_scheduler, suitable_schedulers, watch
from framesense.media.images import RGB
from framesense.schemas.edits import SchedulerName, Task

RELEVANCE_NOISES = 6
"""Noises whose predictions are compared: DiffEdit takes 10; from 6 on the map hardly changes, and each costs a call."""
RELEVANCE_TIME = 0.5
"""How far the photo is noised for it, as a part of the training's time steps; DiffEdit's."""
PIPELINES_MULTIPLE = 8
"""Of the sizes that diffusers' pipelines take, whatever the autoencoder could."""

MASK_LEVEL = 0.1
"""From where on a feathered mask's pixels are changed: the feather's own pixels are a mixture of both, afterwards."""


@dataclass(frozen=True)
class PipelineComponents:
    """A pipeline's parts, loaded, and what its ``model_index.json`` says of how they are put together."""

    parts: Mapping[str, Any]
    settings: Mapping[str, Any]
    folder: PipelineFolder
    device: torch.device
    dtype: torch.dtype

    @property
    def xl(self) -> bool:
        return self.folder.architecture is Architecture.STABLE_DIFFUSION_XL

    @property
    def parameters(self) -> int:
        """Return the number of weights in all parts together."""
        models = [part for part in self.parts.values() if isinstance(part, torch.nn.Module)]
        return sum(weight.numel() for model in models for weight in model.parameters())

    @property
    def patch(self) -> int:
        """Return the pixels along the side of a latent pixel."""
        return int(2 ** (len(self.parts["vae"].config.block_out_channels) - 1))


@dataclass(frozen=True)
class Call:
    """The class of the pipeline that does it, what it is told beside words, steps and seeds, and what it is called."""

    pipeline: type
    arguments: Mapping[str, Any]
    method: str
    notes: list[str] = field(default_factory=list)


class LatentDiffusion(ABC):
    """A family behind :class:`~editor.models.base.DiffusionModel`. ``multiple_of``: of the sizes it is given."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.EDIT})
    needs_mask: ClassVar[bool] = False
    steps: ClassVar[int] = 25
    note: ClassVar[str | None] = None

    def __init__(self, components: PipelineComponents, *, batch: int = 1, multiple_of: int | None = None) -> None:
        self._components = components
        self._pipelines: dict[type, Any] = {}
        own = components.parts["scheduler"]
        self._config: Mapping[str, Any] = {**own.config, "_class_name": type(own).__name__}
        schedulers = suitable_schedulers(self._config, components.folder.distillation)
        self._preview = LatentPreview.fit(components.parts["vae"], components.patch)
        distilled = components.folder.distillation is not Distillation.NONE
        self.abilities = Abilities(
            tasks=self.tasks,
            schedulers=schedulers,
            default_scheduler=schedulers[0],
            default_steps=4 if distilled else self.steps,
            default_guidance_scale=self._default_guidance(),
            size=_side(self._unet.config.sample_size) * components.patch,
            multiple_of=max(multiple_of or 0, components.patch, PIPELINES_MULTIPLE),
            needs_mask=self.needs_mask,
            no_other_scheduler=WHY_NO_OTHER[components.folder.distillation],
            batch=batch,
            note=self._note(),
        )

    @abstractmethod
    def _call(self, request: ModelRequest) -> Call:
        """Choose the pipeline for a request and its arguments."""

    def _extra_channels(self, photo: RGB) -> Tensor | None:
        """Return the channels that the U-Net is given beside the noisy latents: 1 × channels × h × w; None where
        nothing.
        """
        return None

    @torch.no_grad()
    def edit(self, request: ModelRequest, on_step: OnStep) -> Edited:
        """Edit as :meth:`editor.models.base.DiffusionModel.edit` says."""
        self._check(request)
        call = self._call(request)
        pipeline = self._pipeline(call.pipeline)

        def after_step(done: int, total: int, denoised: Tensor) -> None:
            on_step(Step(done, total, lambda: self._preview(denoised)))

        pipeline.scheduler = watch(make_scheduler(request.scheduler, self._config), after_step)
        try:
            pictures = self._run(pipeline, request, call)
        finally:
            pipeline.scheduler = self._components.parts["scheduler"]  # lets go of who was told of the steps
        self._require_finite(pictures)
        rounded = (255 * pictures).round().astype(np.uint8)
        return Edited(list(rounded), call.method, [*call.notes, *self._unread(request)])

    def _require_finite(self, pictures: Floats) -> None:
        if not np.isfinite(pictures).all():
            raise ValueError(
                f"The model's numbers left what {str(self._components.dtype).removeprefix('torch.')} can hold. "
                "Set EDITOR_DTYPE=bfloat16 where the GPU has it, or float32."
            )

    @staticmethod
    def _run(pipeline: Any, request: ModelRequest, call: Call) -> Floats:
        """Run a pipeline; return N × height × width × 3, 0 to 1."""
        count = len(request.seeds)
        pictures: Floats = pipeline(
            prompt=[request.prompt] * count,
            negative_prompt=[request.negative_prompt] * count if request.negative_prompt else None,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            # On the CPU, whose generator gives the same numbers everywhere; one each, so that a picture does not
            # depend on which others it was made with.
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in request.seeds],
            output_type="np",
            return_dict=False,
            **call.arguments,
        )[0]
        return pictures

    @torch.no_grad()
    def relevance(self, request: ModelRequest, check: Check) -> Floats | None:
        """Return each latent's relevance, height × width: see :meth:`editor.models.base.DiffusionModel.relevance`."""
        photo = request.photo
        assert photo is not None, "words have a place in a photo only"
        device, dtype = self._components.device, self._components.dtype
        latents = self._encode(photo) * self._components.parts["vae"].config.scaling_factor
        extra = self._extra_channels(photo)
        words, added = self._embed(request)
        noising = make_scheduler(SchedulerName.DDIM, self._config)
        time = torch.tensor([int(RELEVANCE_TIME * noising.config.num_train_timesteps)])
        total = torch.zeros(latents.shape[-2:])
        for seed in range(RELEVANCE_NOISES):  # the same ones always: the place of words does not hang on the seed
            generator = torch.Generator("cpu").manual_seed(seed)
            noise = torch.randn(latents.shape, generator=generator).to(device, dtype)
            noisy = noising.add_noise(latents, noise, time.to(device))
            seen = noisy if extra is None else torch.cat([noisy, extra.to(noisy)], dim=1)
            predicted: Tensor = self._unet(
                seen.repeat(2, 1, 1, 1).to(dtype),
                time.to(device),
                encoder_hidden_states=words,
                timestep_cond=self._guidance_embedding(request.guidance_scale, 2),
                added_cond_kwargs=added,
                return_dict=False,
            )[0]
            total += (predicted[0] - predicted[1]).float().abs().mean(dim=0).cpu()
            check()
        result: Floats = (total / RELEVANCE_NOISES).numpy().astype(np.float32)
        return result

    @property
    def _unet(self) -> Any:
        return self._components.parts["unet"]

    def _note(self) -> str | None:
        return self.note

    def _default_guidance(self) -> float:
        """Return the guidance that the models' authors take."""
        distillation = self._components.folder.distillation
        if distillation is Distillation.TURBO:
            return 0.0
        if distillation is Distillation.LCM:
            return 8.0 if self._unet.config.time_cond_proj_dim else 1.0
        return 5.0 if self._components.xl else 7.5

    def _check(self, request: ModelRequest) -> None:
        """Raise ValueError for a request that the model cannot do."""
        able = self.abilities
        if request.scheduler not in able.schedulers:
            reason, known = able.no_other_scheduler, ", ".join(able.schedulers)
            raise ValueError(f"the scheduler {request.scheduler} does not suit this model: {reason}. It takes {known}")
        if request.task not in able.tasks:
            raise ValueError(f"this model cannot {request.task}; it can {', '.join(sorted(able.tasks))}")
        if request.scheduler is SchedulerName.LCM:
            most = int(self._config.get("original_inference_steps", 50))
            if request.steps > most:
                raise ValueError(f"the scheduler lcm takes at most {most} steps of this model, not {request.steps}")

    def _pipeline(self, kind: type) -> Any:
        """Build a pipeline of that class with this model's components."""
        if kind not in self._pipelines:
            known = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
            given = {**dict.fromkeys(known), **self._components.settings, **self._components.parts}
            wanted = {
                name: given[name]
                for name, parameter in known.items()
                if name != "self" and (given[name] is not None or parameter.default is inspect.Parameter.empty)
            }
            pipeline = kind(**wanted)
            pipeline.set_progress_bar_config(disable=True)
            self._pipelines[kind] = pipeline
        return self._pipelines[kind]

    def _unread(self, request: ModelRequest) -> list[str]:
        """Note which words had no effect."""
        notes = []
        guided = request.guidance_scale > 1 and not self._unet.config.time_cond_proj_dim
        if request.negative_prompt and not guided:
            notes.append(
                "The negative prompt has no effect without guidance: with a guidance scale of 1 or less, and in LCMs."
            )
        tokenizer = self._components.parts.get("tokenizer") or self._components.parts["tokenizer_2"]
        most = tokenizer.model_max_length
        for name, text in (("prompt", request.prompt), ("negative prompt", request.negative_prompt)):
            tokens = tokenizer(text, truncation=False, verbose=False).input_ids
            if len(tokens) > most:
                left = tokenizer.decode(tokens[most - 1 : -1]).strip()
                notes.append(f"The model reads {most - 2} tokens of a {name}; it did not read: {_shortened(left)}")
        return notes

    def _embed(self, request: ModelRequest) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Embed the negative prompt and the prompt: 2 × tokens × channels, and what SDXL wants beside."""
        from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionXLImg2ImgPipeline

        device = self._components.device
        if not self._components.xl:
            encoded = self._pipeline(StableDiffusionImg2ImgPipeline).encode_prompt(
                request.prompt, device, 1, True, request.negative_prompt
            )
            return torch.cat([encoded[1], encoded[0]]), None
        encoded = self._pipeline(StableDiffusionXLImg2ImgPipeline).encode_prompt(
            request.prompt,
            device=device,
            do_classifier_free_guidance=True,
            negative_prompt=request.negative_prompt or None,
        )
        words, negative, pooled, negative_pooled = encoded
        # Original size, crop, target size; the refiner is told a score of beauty (diffusers' default) for the last.
        end = [6.0] if self._components.folder.aesthetics else [request.height, request.width]
        times = torch.tensor([[request.height, request.width, 0, 0, *end]], device=device, dtype=words.dtype)
        added = {"text_embeds": torch.cat([negative_pooled, pooled]), "time_ids": times.repeat(2, 1)}
        return torch.cat([negative, words]), added

    def _guidance_embedding(self, guidance_scale: float, count: int) -> Tensor | None:
        """Embed the guidance scale, for models that take it as an input."""
        size = self._unet.config.time_cond_proj_dim
        if size is None:
            return None
        from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionXLImg2ImgPipeline

        kind = StableDiffusionXLImg2ImgPipeline if self._components.xl else StableDiffusionImg2ImgPipeline
        scales = torch.tensor([guidance_scale - 1] * count)
        embedding: Tensor = self._pipeline(kind).get_guidance_scale_embedding(scales, embedding_dim=size)
        return embedding.to(self._components.device, self._components.dtype)

    def _encode(self, photo: RGB) -> Tensor:
        """Encode a photo: 1 × channels × h × w, the autoencoder's likeliest latents, not yet scaled."""
        vae = self._components.parts["vae"]
        pixels = torch.from_numpy(np.ascontiguousarray(photo)).permute(2, 0, 1)[None].float() / 127.5 - 1
        with _precise(vae):
            parameter = next(vae.parameters())
            latents: Tensor = vae.encode(pixels.to(parameter.device, parameter.dtype)).latent_dist.mode()
        return latents.to(self._components.dtype)


def as_image(photo: RGB) -> Image.Image:
    return Image.fromarray(photo)


def as_mask(mask: Floats) -> Image.Image:
    """Make a mask image that is white wherever something may change at all."""
    return Image.fromarray(np.where(mask >= MASK_LEVEL, np.uint8(255), np.uint8(0)))


@contextmanager
def _precise(vae: Any) -> Iterator[None]:
    """Run an autoencoder in float32 where it asks for that: SDXL's overflows in float16 and says so."""
    dtype = vae.dtype
    if dtype is not torch.float16 or not vae.config.force_upcast:
        yield
        return
    vae.to(torch.float32)
    try:
        yield
    finally:
        vae.to(dtype)


def _side(sample_size: int | list[int] | tuple[int, int]) -> int:
    """Return a U-Net's own size, in latent pixels; some configurations name both sides."""
    return int(sample_size if isinstance(sample_size, int) else min(sample_size))


def _shortened(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
