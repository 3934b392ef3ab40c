"""Train the embedded editor: a small pixel diffusion model that knows what words say of light, colour and weather.

    python -m training.pixel_diffusion --rooms rooms.tar --captioned DIR --out models/editor-pixel-diffusion

rooms.tar holds photos in folders named as their class, DIR captions.csv and images/ (see training/data.py).

1. Data. Photos are squashed to a small square once; captions go through MiniLM once (--cache). While training, most
   photos are drawn in another light, colour or weather, and their captions say so (training/photo_variants.py).
2. Network. diffusers' UNet2DConditionModel on the photo's pixels, 2 × 2 of them to a place with the preset ``small``.
   The words come in twice: the sentence embedding, added to the embedding of the time, scales and shifts every
   normalisation; the word pieces' states are attended to where the picture is smallest. 12 % of captions are left
   out, for classifier-free guidance (Ho and Salimans, 2022).
3. Loss. v-prediction (Salimans and Ho, 2022) on the cosine schedule (Nichol and Dhariwal, 2021), weighted by
   min-SNR-5 (Hang et al., 2023). The noise is not white: it has more of what light is made of, or the model would
   learn to keep the light (editor/models/light_noise.py). Times are drawn more often from the noisier part.
4. AdamW; what is kept is an exponential moving average, written every few minutes. Training ends when --minutes are
   over; the rate follows the clock. On a CPU, --workers processes of one thread each share the weights without locks
   (Hogwild!, Niu et al., 2011): with others on the machine that keeps both cores busy where threads would wait.

Presets: ``small`` (32×32, for two CPU cores and an hour) made the committed weights; ``large`` (64×64, for a GPU and
bfloat16) is the same recipe for a network of nearly 40 million weights.
"""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from torch.multiprocessing.spawn import start_processes
from torch.nn import functional as F

from editor.models.light_noise import LightNoise
from framesense.models.torch_compat import prepare_torchvision
from training.config import parse_recipe
from training.data import default_cache
from training.photo_variants import NAMES, VARIANTS, Pixels, read_off, vary
from training.pixel_diffusion_data import (
    MAX_TOKENS,
    SENTENCE_SCALE,
    CaptionList,
    Photos,
    Words,
    cached_words,
    phrase_captions,
    read_captioned,
    read_tar,
)

MIN_SNR = 5.0
TRAIN_STEPS = 1000

PRESETS: dict[str, dict[str, Any]] = {
    "small": {"side": 32, "patch": 2, "widths": (48, 96, 192), "attention": (False, False, True), "layers": 1},
    "large": {
        "side": 64,
        "patch": 1,
        "widths": (96, 160, 224, 256),
        "attention": (False, False, True, True),
        "layers": 2,
    },
}


@dataclass(frozen=True)
class PixelDiffusionRecipe:
    """The options of the command line."""

    rooms: Annotated[Path, "tar of photos in folders named as their class"]
    captioned: Annotated[Path, "folder with captions.csv and images/"]
    out: Annotated[Path, "where the weights go"]
    cache: Annotated[Path | None, "where captions' embeddings are kept; by default the training cache"] = None
    preset: Annotated[Literal["small", "large"], "size of the network and of its photos"] = "small"
    device: Annotated[str, "cpu, cuda, ..."] = "cpu"
    minutes: Annotated[float, "minutes of training"] = 80.0
    workers: Annotated[int, "processes that share the weights; 1 on a GPU"] = 2
    threads: Annotated[int, "CPU threads of each worker"] = 1
    batch_size: Annotated[int, "photos a step, of each worker"] = 24
    lr: Annotated[float, "peak learning rate"] = 8e-4
    weight_decay: float = 0.01
    ema_decay: Annotated[float, "decay of the weights' moving average, a step"] = 0.998
    caption_dropout: Annotated[float, "share of captions that are left out"] = 0.12
    phrase_only: Annotated[float, "share of the varied photos whose caption is the variant's words alone"] = 0.35
    vary: Annotated[float, "share of photos that are varied"] = 0.8
    room_share: Annotated[float, "share of photos that are rooms"] = 0.6
    save_minutes: Annotated[float, "minutes between two savings"] = 4.0
    resume: Annotated[Path | None, "folder of weights to begin with"] = None
    seed: int = 0


# --------------------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Data:
    """Everything that a batch is drawn from."""

    rooms: Photos
    captioned: Photos
    alone: dict[str, list[int]]
    """By variant: captions that say nothing else."""
    words: Words


def read_data(recipe: PixelDiffusionRecipe) -> Data:
    captions, chance = CaptionList(), np.random.default_rng(recipe.seed)
    side = PRESETS[recipe.preset]["side"]
    rooms = read_tar(recipe.rooms, side, captions)
    captioned = read_captioned(recipe.captioned, side, captions, chance)
    alone = {variant: captions.ids(phrase_captions(variant)) for variant in NAMES}
    print(f"{len(rooms.pixels)} rooms, {len(captioned.pixels)} captioned photos, {len(captions.texts)} captions")
    words = cached_words(captions.texts, recipe.cache or default_cache(), torch.device(recipe.device))
    return Data(rooms, captioned, alone, words)


def draw(data: Data, chance: np.random.Generator, recipe: PixelDiffusionRecipe) -> tuple[Pixels, int]:
    """Draw a photo, varied or not, and the number of its caption; −1: none."""
    photos = data.rooms if chance.random() < recipe.room_share else data.captioned
    place = int(chance.integers(len(photos.pixels)))
    photo = photos.pixels[place]
    if chance.random() < 0.5:
        photo = photo[:, ::-1]
    if chance.random() < recipe.vary:
        alone = chance.random() < recipe.phrase_only
        known = NAMES if alone else tuple(photos.varied[place])
        weights = np.array([VARIANTS[variant][1] for variant in known])
        variant = known[int(chance.choice(len(known), p=weights / weights.sum()))]
        photo = vary(photo, variant, chance)
        captions = data.alone[variant] if alone else photos.varied[place][variant]
    else:
        captions = photos.plain[place]
        seen = read_off(photo)
        if seen and chance.random() < 0.2:
            captions = data.alone[seen[int(chance.integers(len(seen)))]]
    caption = captions[int(chance.integers(len(captions)))]
    return photo, -1 if chance.random() < recipe.caption_dropout else caption


def draw_batch(
    data: Data, chance: np.random.Generator, recipe: PixelDiffusionRecipe
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw B×3×S×S photos in −1…1, and states, mask and sentences of their captions."""
    drawn = [draw(data, chance, recipe) for _ in range(recipe.batch_size)]
    pixels = torch.from_numpy(np.stack([photo for photo, _ in drawn])).permute(0, 3, 1, 2).float() / 127.5 - 1
    return (pixels, *data.words.batch([caption for _, caption in drawn]))


# ------------------------------------------------------------------------------------------------------------- network


def build(preset: dict[str, Any]) -> Any:
    """Build the U-Net of a preset, with fresh weights."""
    prepare_torchvision()
    from diffusers import UNet2DConditionModel

    attention, channels = preset["attention"], 3 * preset["patch"] ** 2
    return UNet2DConditionModel(
        sample_size=preset["side"] // preset["patch"],
        in_channels=channels,
        out_channels=channels,
        block_out_channels=preset["widths"],
        down_block_types=tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in attention),
        up_block_types=tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(attention)),
        layers_per_block=preset["layers"],
        norm_num_groups=16,
        attention_head_dim=4,  # diffusers' name for the number of heads
        encoder_hid_dim=384,
        cross_attention_dim=128,
        resnet_time_scale_shift="scale_shift",
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=384,
        time_embedding_dim=256,
    )


SCHEDULE = {
    "num_train_timesteps": TRAIN_STEPS,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
}


AMPLITUDES = {"brightness": 0.45, "ramp": 0.2, "colour": 0.25}
"""Of the noise beyond white noise: see :mod:`editor.models.light_noise`."""


def alphas_cumulative() -> Tensor:
    """Return how much of the photo's variance is left at each of 1000 times."""
    from diffusers import DDIMScheduler

    scheduler: Any = DDIMScheduler(**SCHEDULE)  # its mixin hides the attribute from mypy
    result: Tensor = scheduler.alphas_cumprod
    return result


def times(count: int, chance: torch.Generator) -> Tensor:
    """Draw times: three in four from the noisier 70 %, the rest from everywhere."""
    drawn = torch.rand(count, generator=chance)
    noisy = torch.rand(count, generator=chance) < 0.75
    return (torch.where(noisy, 0.3 + 0.7 * drawn, drawn) * TRAIN_STEPS).long().clamp(max=TRAIN_STEPS - 1)


def loss_of(
    model: Any, batch: tuple[Tensor, ...], kept: Tensor, light: LightNoise, patch: int, chance: torch.Generator
) -> Tensor:
    """Compute the weighted squared error of v, the mean over a batch."""
    pixels, states, mask, sentences = batch
    photos = F.pixel_unshuffle(pixels, patch)
    at = times(len(photos), chance).to(photos.device)
    noise = light.colour(torch.randn(photos.shape, generator=chance).to(photos.device))
    signal = kept[at].view(-1, 1, 1, 1)
    noised = signal.sqrt() * photos + (1 - signal).sqrt() * noise
    target = signal.sqrt() * noise - (1 - signal).sqrt() * photos
    noised = noised.contiguous(memory_format=torch.channels_last)
    predicted = model(noised, at, states, class_labels=sentences, encoder_attention_mask=mask, return_dict=False)[0]
    snr = (signal / (1 - signal)).flatten()
    weights = snr.clamp(max=MIN_SNR) / (snr + 1)  # of v: min(SNR, 5) / (SNR + 1)
    errors = (predicted.float() - target).square().mean(dim=(1, 2, 3))
    loss: Tensor = (weights * errors).mean() / weights.mean()
    return loss


# ---------------------------------------------------------------------------------------------------------------- loop


def save(folder: Path, model: Any, recipe: PixelDiffusionRecipe, progress: dict[str, float]) -> None:
    """Save the network in float16, as diffusers writes it, and editor.json with what else is needed to run it."""
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(folder, safe_serialization=True)
    (folder / "diffusion_pytorch_model.safetensors").chmod(0o644)  # diffusers writes it for its owner alone
    preset = PRESETS[recipe.preset]
    config = {
        "model": "pixel-diffusion",
        "side": preset["side"],
        "patch": preset["patch"],
        "max_tokens": MAX_TOKENS,
        "sentence_scale": SENTENCE_SCALE,
        "schedule": SCHEDULE,
        "noise": AMPLITUDES,
        "trained": progress,
    }
    partial = folder / "editor.json.partial"
    partial.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / "editor.json")


def work(rank: int, model: Any, data: Data, recipe: PixelDiffusionRecipe, begun: float) -> None:
    """Train in one worker; the first one also keeps the average and writes it."""
    torch.set_num_threads(recipe.threads)
    device = torch.device(recipe.device)
    numbers = np.random.default_rng([recipe.seed, rank, os.getpid()])
    chance = torch.Generator().manual_seed(recipe.seed * 1000 + rank)
    fast = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(fast, lr=recipe.lr, betas=(0.9, 0.98), weight_decay=recipe.weight_decay)
    averaged = copy.deepcopy(model) if rank == 0 else None
    slow = list(averaged.parameters()) if averaged is not None else []
    kept, preset = alphas_cumulative().to(device), PRESETS[recipe.preset]
    light = LightNoise(preset["side"], preset["patch"], AMPLITUDES)
    step, losses, saved, spoken = 0, 0.0, begun, time.time()
    while (gone := (time.time() - begun) / 60) < recipe.minutes:
        rate = min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * gone / recipe.minutes)))
        for group in optimiser.param_groups:
            group["lr"] = recipe.lr * rate
        batch = tuple(part.to(device) for part in draw_batch(data, numbers, recipe))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = loss_of(model, batch, kept, light, preset["patch"], chance)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(fast, 1.0)
        optimiser.step()
        step += 1
        losses += loss.item()
        if averaged is None:
            continue
        decay = min(recipe.ema_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, current in zip(slow, fast, strict=True):
                mean.lerp_(current, 1 - decay)
        if step % 50 == 0:
            pace = 50 * recipe.batch_size / (time.time() - spoken)
            print(f"{gone:.1f} min, step {step}: loss {losses / 50:.4f}, {pace:.1f} photos/s a worker", flush=True)
            losses, spoken = 0.0, time.time()
        if time.time() - saved > 60 * recipe.save_minutes:
            save(recipe.out, averaged, recipe, {"minutes": round(gone, 1), "steps_a_worker": step})
            saved = time.time()
    if averaged is not None:
        save(recipe.out, averaged, recipe, {"minutes": round(recipe.minutes, 1), "steps_a_worker": step})


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(PixelDiffusionRecipe, __doc__, argv)
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    data = read_data(recipe)
    model = build(PRESETS[recipe.preset])
    if recipe.resume:
        model.load_state_dict(
            safetensors.torch.load_file(recipe.resume / "diffusion_pytorch_model.safetensors"), strict=True
        )
    model = model.to(device=recipe.device, memory_format=torch.channels_last)
    print(f"{sum(weight.numel() for weight in model.parameters()):,} weights", flush=True)
    if recipe.workers == 1:
        work(0, model, data, recipe, time.time())
    else:
        # forked, not spawned: the data are shared as they lie. Each runs on threads of its own making, so none is lost
        model.share_memory()
        start_processes(work, (model, data, recipe, time.time()), nprocs=recipe.workers, start_method="fork")
    print(f"weights in {recipe.out}")


if __name__ == "__main__":
    main()
