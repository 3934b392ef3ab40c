"""The embedded editor: a small pixel diffusion model, trained here, and its change carried to the photo.

The network (diffusers' UNet2DConditionModel, about nine million weights) sees a photo as 32 × 32 pixels, so it knows of
light, colour and weather and little else. It runs SDEdit (Meng et al., 2022, arXiv:2108.01073) twice: the small photo
is noised up to the strength asked for and denoised from the very same noise, once with and once without the words. What
the network redraws for no reason it redraws both times; how the colours of the one picture become those of the other is
what the words did. That map, of two noises averaged, is carried to the photo at its full size by
:mod:`editor.imaging.upsampling`, so that the photo keeps its detail. The noise hides light as well as detail
(:mod:`editor.models.light_noise`), so that there is something for the words to decide.

The words come in through MiniLM (:mod:`framesense.models.encoders.minilm`): the states of the word pieces, and the
whole sentence's embedding. Training: ``training/pixel_diffusion.py``.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from editor.imaging.upsampling import carry, shrink
from editor.models.base import Abilities, Check, Edited, Floats, ModelRequest, OnStep, Step
from editor.models.light_noise import LightNoise
from editor.models.schedulers import make_scheduler
from framesense.media.images import RGB
from framesense.models.encoders.minilm import DIMENSIONS, SentenceEncoder
from framesense.models.torch_compat import prepare_torchvision
from framesense.schemas.edits import SchedulerName, Task

CONFIG_FILE, NETWORK_FILES = "editor.json", ("config.json", "diffusion_pytorch_model.safetensors")
SCHEDULERS = (SchedulerName.DPMPP_2M, SchedulerName.EULER, SchedulerName.EULER_A, SchedulerName.DDIM)
"""LCM is for models that were distilled for it."""
NEUTRAL = "a photo"
"""What stands for no words. With no caption at all the network thinks of all the nights and fogs that it was shown as
well, and paints darker than photos are: any words would then make a photo brighter."""
NOISES = 2
"""That an edit is averaged over, to leave less to chance."""
FULLY_GUIDED = 0.5
"""The strength from which on the guidance is the one asked for; below it is gentler, or the least strength would change
the light nearly as much as the greatest."""
RELEVANCE_NOISES, RELEVANCE_TIME = 12, 0.5
PREVIEW_SIDE = 384
NOTE = (
    "Made by the small embedded model, which sees the photo as 32 × 32 pixels: it changes light, colour and weather, "
    "and cannot add, remove or redraw things."
)


@dataclass(frozen=True)
class Words:
    """What n prompts tell the network."""

    states: Tensor
    """n × L × 384: the word pieces' states."""
    mask: Tensor
    """n × L: which of them there are."""
    sentences: Tensor
    """n × 384."""

    def pick(self, rows: Sequence[int]) -> Words:
        index = torch.tensor(rows, device=self.states.device)
        return Words(self.states[index], self.mask[index], self.sentences[index])


class Runs(NamedTuple):
    """Two runs from the same noise: side × side × 3, 0 to 1."""

    without_words: Floats
    with_words: Floats


class PixelDiffusionEditor:
    """Behind the :class:`~editor.models.base.DiffusionModel` protocol."""

    family = "pixel-diffusion"

    def __init__(
        self,
        network: Any,
        sentences: SentenceEncoder,
        config: dict[str, Any],
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        revision: str = "",
    ) -> None:
        self._network, self._sentences, self.revision = network.eval().requires_grad_(False), sentences, revision
        self._device, self._dtype = device, dtype
        self.side, self._patch, self._max_tokens = int(config["side"]), int(config["patch"]), int(config["max_tokens"])
        self._sentence_scale = float(config["sentence_scale"])
        self._schedule: dict[str, Any] = dict(config["schedule"])
        self._light = LightNoise(self.side, self._patch, config["noise"])
        self._kept: Tensor = make_scheduler(SchedulerName.DDIM, self._schedule).alphas_cumprod
        self.abilities = Abilities(
            tasks=frozenset({Task.EDIT}),
            schedulers=SCHEDULERS,
            default_scheduler=SchedulerName.DPMPP_2M,
            default_steps=12,
            default_guidance_scale=2.0,
            size=self.side,
            multiple_of=1,
            any_size=True,
            relevance=True,
            batch=1,
            note=NOTE,
        )

    @classmethod
    def load(cls, folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> PixelDiffusionEditor:
        """Read the folder that ``training/pixel_diffusion.py`` wrote, and MiniLM from its package.

        Raises:
            FileNotFoundError: the folder lacks a file.
            ValueError: the files do not fit each other.
        """
        for name in (CONFIG_FILE, *NETWORK_FILES):
            if not (folder / name).exists():
                raise FileNotFoundError(f"there is no embedded editor in {folder}: it has no {name}")
        prepare_torchvision()
        from diffusers import UNet2DConditionModel

        try:
            config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
            family: Any = UNet2DConditionModel
            network = family.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, torch_dtype=dtype, low_cpu_mem_usage=False
            )
            network = network.to(device=device, memory_format=torch.channels_last)
            return cls(
                network, SentenceEncoder(device), config, device=device, dtype=dtype, revision=revision_of(folder)
            )
        except (KeyError, TypeError, OSError, RuntimeError, json.JSONDecodeError) as error:
            raise ValueError(f"the embedded editor in {folder} cannot be read: {error}") from error

    @property
    def parameters(self) -> int:
        """Return the number of weights of the network and of MiniLM."""
        own: int = sum(weight.numel() for weight in self._network.parameters())
        return own + self._sentences.parameters

    # --------------------------------------------------------------------------------------------------------- protocol

    @torch.inference_mode()
    def edit(self, request: ModelRequest, on_step: OnStep) -> Edited:
        """Edit as :class:`~editor.models.base.DiffusionModel` says. Width and height are the photo's."""
        photo = _photo_of(request)
        small = shrink(photo, self.side)
        preview_photo = _at_most(photo, PREVIEW_SIDE)
        pictures: list[RGB] = []
        total = request.steps_taken * len(request.seeds)
        for seed in request.seeds:
            done_before = len(pictures) * request.steps_taken

            def report(done: int, runs: Runs, before: int = done_before) -> None:
                on_step(Step(before + done, total, lambda: [*pictures, carry(preview_photo, *runs)]))

            pictures.append(carry(photo, *self.run_twice(request, small, seed, report)))
        return Edited(
            pictures, "what the words change between two SDEdit runs at 32 × 32, carried up by guided upsampling"
        )

    @torch.inference_mode()
    def relevance(self, request: ModelRequest, check: Check) -> Floats:
        """Return the relevance of each place, side × side: see :class:`~editor.models.base.DiffusionModel`."""
        pixels = self._noiseless(shrink(_photo_of(request), self.side))
        words = self.encode_words([request.prompt or NEUTRAL, request.negative_prompt or NEUTRAL])
        time = int(RELEVANCE_TIME * (len(self._kept) - 1))
        signal = float(self._kept[time])
        total = np.zeros((self.side, self.side), np.float32)
        for number in range(RELEVANCE_NOISES):
            check()
            noise = self._light.colour(torch.randn(pixels.shape, generator=_generator(request.seeds[0], number)))
            noised = (signal**0.5 * pixels + (1 - signal) ** 0.5 * noise).repeat(2, 1, 1, 1)
            with_words, without = self._predict(noised, time, words).chunk(2)
            apart = F.pixel_shuffle(with_words - without, self._patch).abs().mean(dim=1)[0]
            total += apart.numpy() / RELEVANCE_NOISES
        return total

    # ------------------------------------------------------------------------------------------------------------ parts

    def encode_words(self, prompts: Sequence[str]) -> Words:
        """Encode a prompt. An empty one says nothing: a single state of zeros, as in training."""
        said = [prompt for prompt in prompts if prompt]
        encoded = self._sentences.encode_words(said, self._max_tokens) if said else None
        length = max([len(states) for states in encoded.states] if encoded else [1])
        states, mask = (
            torch.zeros(len(prompts), length, DIMENSIONS),
            torch.zeros(len(prompts), length, dtype=torch.bool),
        )
        sentences = torch.zeros(len(prompts), DIMENSIONS)
        mask[:, 0] = True
        place = 0
        for row, prompt in enumerate(prompts):
            if prompt and encoded is not None:
                own = encoded.states[place]
                states[row, : len(own)], mask[row, : len(own)] = torch.from_numpy(own), True
                sentences[row] = torch.from_numpy(encoded.sentences[place]) * self._sentence_scale
                place += 1
        return Words(
            states.to(self._device, self._dtype), mask.to(self._device), sentences.to(self._device, self._dtype)
        )

    def run_twice(
        self,
        request: ModelRequest,
        small: Floats,
        seed: int,
        on_step: Callable[[int, Runs], None] | None = None,
        *,
        noises: int = NOISES,
        paired: bool = True,
    ) -> Runs:
        """Run the network on a small photo without the words, and with them.

        Args:
            small: side × side × 3, 0 to 1.
            on_step: told how many steps are done, and what they would give if it ended now.
            noises: that both are averaged over.
            paired: whether to run without the words at all; else (plain SDEdit) the photo takes that place.
        """
        photo = self._noiseless(small)
        guidance = 1 + (request.guidance_scale - 1) * min(1.0, request.strength / FULLY_GUIDED)
        runs = 2 if paired else 1
        guided = request.guidance_scale > 1
        # rows of the batch: first the runs with the words, then those without; both from the same noises
        seeds = [(seed, number) for number in range(noises)]
        words = self.encode_words([request.prompt or NEUTRAL, request.negative_prompt or NEUTRAL, NEUTRAL])
        rows = [0] * noises + [1] * noises * guided + [2] * noises * paired
        said = words.pick(rows)

        scheduler = make_scheduler(request.scheduler, self._schedule)
        scheduler.set_timesteps(request.steps)
        begin = request.steps - request.steps_taken
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(begin)
        generators = [_generator(*one) for _ in range(runs) for one in seeds]
        noise = torch.cat([torch.randn(photo.shape, generator=generator) for generator in generators])
        # the scheduler sees pictures whitened, so that its noise is white; the network sees them as they are
        sample = self._light.whiten(photo).expand_as(noise)
        sample = scheduler.add_noise(sample, noise, scheduler.timesteps[begin : begin + 1])
        clean = photo.expand_as(noise)
        for done, time in enumerate(scheduler.timesteps[begin:], start=1):
            seen = self._light.colour(scheduler.scale_model_input(sample, time))
            worded = seen[:noises]
            predicted = self._predict(torch.cat([worded, worded, seen[noises:]] if guided else [seen]), int(time), said)
            if guided:
                with_words, away_from, rest = (
                    predicted[:noises],
                    predicted[noises : 2 * noises],
                    predicted[2 * noises :],
                )
                predicted = torch.cat([away_from + guidance * (with_words - away_from), rest])
            clean, predicted = self._within_range(seen, predicted, int(time))
            takes = inspect.signature(scheduler.step).parameters
            chance = {"generator": generators} if "generator" in takes else {}
            sample = scheduler.step(self._light.whiten(predicted), time, sample, return_dict=False, **chance)[0]
            if on_step is not None:
                on_step(done, self._averages(clean, photo, noises))
        return self._averages(clean, photo, noises)

    def _averages(self, pictures: Tensor, photo: Tensor, noises: int) -> Runs:
        def picture(rows: Tensor) -> Floats:
            mean = F.pixel_shuffle(rows.mean(dim=0, keepdim=True), self._patch)[0]
            seen: Floats = ((mean + 1) / 2).clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
            return seen

        return Runs(picture(pictures[noises:] if len(pictures) > noises else photo), picture(pictures[:noises]))

    def _noiseless(self, small: Floats) -> Tensor:
        """Turn a picture into the network's input: side × side × 3, 0 to 1 → 1 × channels × h × w, −1 to 1."""
        pixels = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1))[None]) * 2 - 1
        return F.pixel_unshuffle(pixels, self._patch)

    def _predict(self, noised: Tensor, time: int, words: Words) -> Tensor:
        """Predict v, in float32 on the CPU."""
        output = self._network(
            noised.to(self._device, self._dtype).contiguous(memory_format=torch.channels_last),
            torch.tensor(time, device=self._device),
            words.states,
            class_labels=words.sentences,
            encoder_attention_mask=words.mask,
            return_dict=False,
        )[0]
        predicted: Tensor = output.float().cpu()
        return predicted

    def _within_range(self, noised: Tensor, predicted: Tensor, time: int) -> tuple[Tensor, Tensor]:
        """Hold the picture that v points to between black and white; return it, and the v that points there.

        Guidance would otherwise drive colours further out at every step.
        """
        signal, spread = self._kept[time].sqrt(), (1 - self._kept[time]).sqrt()
        clean = (signal * noised - spread * predicted).clamp(-1, 1)
        return clean, (signal * noised - clean) / spread


def revision_of(folder: Path) -> str:
    """Return a revision that changes whenever the weights do."""
    digest = hashlib.sha256()
    for name in (CONFIG_FILE, *NETWORK_FILES):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:12]


def _generator(seed: int, number: int) -> torch.Generator:
    """Make a generator on the CPU, whatever the device: the same noise everywhere.

    ``number``: which of a seed's noises.
    """
    return torch.Generator().manual_seed((seed << 8) + number)


def _photo_of(request: ModelRequest) -> RGB:
    if request.photo is None or request.task is not Task.EDIT:
        raise ValueError("the embedded editor changes photos; it does not make pictures from words alone")
    return request.photo


def _at_most(photo: RGB, side: int) -> RGB:
    """Shrink a photo if one of its sides is longer than ``side`` pixels."""
    height, width = photo.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return photo
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
