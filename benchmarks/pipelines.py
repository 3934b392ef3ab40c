"""Diffusers pipelines of random weights in the shapes of well-known models: what they draw is noise, what they cost is
what the real ones cost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from framesense.models.torch_compat import prepare_torchvision

_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.-'"


@dataclass(frozen=True)
class Shape:
    """The size of a pipeline.

    ``unet``, ``vae`` and ``texts`` are what their classes take; ``scheduler`` is the name of diffusers' class and what
    it takes.
    """

    name: str
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    texts: tuple[Mapping[str, Any], ...]
    scheduler: tuple[str, Mapping[str, Any]]

    @property
    def xl(self) -> bool:
        return len(self.texts) == 2


_CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}
_CLIP_BIG_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20, "num_hidden_layers": 32}
_UNET_15 = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
_VAE = {
    "sample_size": 512,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}

STABLE_DIFFUSION_15 = Shape(
    "SD 1.5",
    unet=_UNET_15,
    vae=_VAE,
    texts=(_CLIP_L,),
    scheduler=("PNDMScheduler", {**_BETAS, "skip_prk_steps": True, "steps_offset": 1}),
)
SDXL_TURBO = Shape(
    "SDXL Turbo",
    unet={
        "sample_size": 64,
        "cross_attention_dim": 2048,
        "attention_head_dim": (5, 10, 20),
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 1280 + 6 * 256,
    },
    vae={**_VAE, "scaling_factor": 0.13025},
    texts=(_CLIP_L, {**_CLIP_BIG_G, "projection_dim": 1280}),
    scheduler=("EulerAncestralDiscreteScheduler", {**_BETAS, "timestep_spacing": "trailing"}),
)
MIDDLE = Shape(
    "mid-size SD",
    unet={**_UNET_15, "sample_size": 32, "block_out_channels": (96, 192, 384, 384)},
    vae={**_VAE, "sample_size": 256, "block_out_channels": (64, 128, 256, 256)},
    texts=(_CLIP_L,),
    scheduler=STABLE_DIFFUSION_15.scheduler,
)
"""What two CPU cores edit in seconds: 256 pixels, a third of the width."""
SMALL = Shape(
    "small SD",
    unet={**_UNET_15, "sample_size": 16, "block_out_channels": (32, 64, 64, 64), "attention_head_dim": 4},
    vae={**_VAE, "sample_size": 128, "block_out_channels": (32, 32, 32, 32)},
    texts=({**_CLIP_L, "num_hidden_layers": 2},),
    scheduler=STABLE_DIFFUSION_15.scheduler,
)
"""To try the benchmark itself."""
SHAPES = {shape.name: shape for shape in (STABLE_DIFFUSION_15, SDXL_TURBO, MIDDLE, SMALL)}


def build(shape: Shape, folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """Build a pipeline from photo to photo on the device itself, in ``dtype``. ``folder``: for its tokenizer."""
    prepare_torchvision()
    import diffusers
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    tokenizer = _tokenizer(folder / "tokenizer")
    kind, options = shape.scheduler
    parts: dict[str, Any] = {"scheduler": getattr(diffusers, kind)(**options), "tokenizer": tokenizer}
    with torch.device(device):
        parts["unet"] = diffusers.UNet2DConditionModel(in_channels=4, out_channels=4, **shape.unet)
        parts["vae"] = diffusers.AutoencoderKL(in_channels=3, out_channels=3, latent_channels=4, **shape.vae)
        encoders = [CLIPTextConfig(hidden_act="quick_gelu", eos_token_id=1, **text) for text in shape.texts]
        parts["text_encoder"] = CLIPTextModel(encoders[0])
        if shape.xl:
            parts["text_encoder_2"] = CLIPTextModelWithProjection(encoders[1])
    if shape.xl:
        pipeline: Any = diffusers.StableDiffusionXLImg2ImgPipeline(**parts, tokenizer_2=tokenizer)
    else:
        nothing = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        pipeline = diffusers.StableDiffusionImg2ImgPipeline(**parts, **nothing)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device=device, dtype=dtype)


def save(shape: Shape, folder: Path) -> Path:
    """Save the pipeline in float16 as a folder that EDITOR_MODEL can name."""
    build(shape, folder.parent, torch.device("cpu"), torch.float32).save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> Any:
    """Build CLIP's tokenizer, with letters for a vocabulary: a prompt is padded to 77 tokens in any case."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    tokens = ["<|startoftext|>", "<|endoftext|>", *_LETTERS, *(f"{letter}</w>" for letter in _LETTERS)]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)
