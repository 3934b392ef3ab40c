"""Tiny pipelines of random weights, of every family that the editor takes, saved as diffusers saves them.

The networks have the shape of the real ones, down to what tells the families apart: input channels, scheduler, extra
inputs; only narrow and shallow. They see 64 × 64 pixels, as 32 × 32 latents.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from framesense.models.torch_compat import prepare_torchvision

prepare_torchvision()

SIDE, PATCH = 64, 2
STABLE_DIFFUSION_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def save_pipeline(
    folder: Path,
    *,
    xl: bool = False,
    channels: int = 4,
    scheduler: Any = None,
    time_cond_proj_dim: int | None = None,
    refiner: bool = False,
    kind: type | None = None,
    variant: str | None = None,
    seed: int = 0,
) -> Path:
    """Saves a pipeline; ``channels``: of the U-Net (4 plain, 7 upscaler, 8 InstructPix2Pix, 9 inpainting)."""
    import diffusers

    torch.manual_seed(seed)
    if kind is None:
        kinds = {
            (False, 4): diffusers.StableDiffusionPipeline,
            (False, 8): diffusers.StableDiffusionInstructPix2PixPipeline,
            (False, 9): diffusers.StableDiffusionInpaintPipeline,
            (False, 7): diffusers.StableDiffusionUpscalePipeline,
            (True, 4): diffusers.StableDiffusionXLPipeline,
            (True, 8): diffusers.StableDiffusionXLInstructPix2PixPipeline,
            (True, 9): diffusers.StableDiffusionXLInpaintPipeline,
        }
        kind = diffusers.StableDiffusionXLImg2ImgPipeline if refiner else kinds[xl, channels]
    parts: dict[str, Any] = {
        "unet": unet(xl=xl, channels=channels, time_cond_proj_dim=time_cond_proj_dim, refiner=refiner),
        "vae": autoencoder(3 if channels == 7 else 2),
        "scheduler": scheduler
        or (diffusers.EulerDiscreteScheduler(**STABLE_DIFFUSION_BETAS, timestep_spacing="leading", steps_offset=1))
        if xl
        else scheduler or diffusers.PNDMScheduler(**STABLE_DIFFUSION_BETAS, skip_prk_steps=True, steps_offset=1),
        "text_encoder": None if refiner else text_encoder(),
        "tokenizer": None if refiner else tokenizer(folder.parent / "tokenizer"),
    }
    if xl:
        parts["text_encoder_2"] = text_encoder(projection=True)
        parts["tokenizer_2"] = tokenizer(folder.parent / "tokenizer")
        parts |= {"requires_aesthetics_score": True} if refiner else {}
    elif channels == 7:
        parts["low_res_scheduler"] = diffusers.DDPMScheduler(**STABLE_DIFFUSION_BETAS)
        parts["vae"].register_to_config(scaling_factor=0.08333)
    else:
        parts |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline: Any = kind(**parts)
    pipeline.save_pretrained(folder, variant=variant)
    return folder


def save_controlnet(folder: Path, *, xl: bool = False, width: int = 8) -> Path:
    """Saves a ControlNet that fits a tiny pipeline of that architecture; ``width``: of its first channels."""
    import diffusers

    torch.manual_seed(7)
    shape = _unet_shape(xl, width)
    network = diffusers.ControlNetModel(
        **shape,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        conditioning_embedding_out_channels=(8,) * 2,  # one halving: a latent pixel is two pixels wide
        in_channels=4,
    )
    with torch.no_grad():  # a new ControlNet adds zeros; this one shall have an effect
        embedding: Any = network.controlnet_cond_embedding
        for block in (*network.controlnet_down_blocks, network.controlnet_mid_block, embedding.conv_out):
            block.weight.normal_(std=0.5)
    network.save_pretrained(folder)
    return folder


def save_depth_estimator(folder: Path) -> Path:
    """Saves what a depth ControlNet is shown a photo by."""
    from transformers import DPTConfig, DPTForDepthEstimation
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    torch.manual_seed(0)
    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        initializer_range=0.5,
    )
    model = DPTForDepthEstimation(config)
    with torch.no_grad():
        model.head.head[-2].bias.fill_(1000)  # above what its last rectifier cuts off
    model.save_pretrained(folder)
    DPTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def unet(*, xl: bool, channels: int, time_cond_proj_dim: int | None = None, refiner: bool = False) -> Any:
    import diffusers

    return diffusers.UNet2DConditionModel(
        **_unet_shape(xl, refiner=refiner),
        sample_size=SIDE // PATCH,
        in_channels=channels,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        time_cond_proj_dim=time_cond_proj_dim,
        num_class_embeds=1000 if channels == 7 else None,  # how much the small picture was noised
    )


def autoencoder(levels: int = 2) -> Any:
    """Latent pixels are 2 ** (``levels`` − 1) pixels wide."""
    import diffusers

    return diffusers.AutoencoderKL(
        block_out_channels=(16, 32, 32)[:levels],
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=SIDE,
    )


def text_encoder(*, projection: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(_vocabulary()),
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        projection_dim=32,
        hidden_act="gelu",
    )
    return CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)


def tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer with letters for its vocabulary."""
    from transformers import CLIPTokenizer

    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(_vocabulary())}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def turbo_scheduler() -> Any:
    """As SDXL Turbo's."""
    import diffusers

    return diffusers.EulerAncestralDiscreteScheduler(**STABLE_DIFFUSION_BETAS, timestep_spacing="trailing")


def lcm_scheduler() -> Any:
    import diffusers

    return diffusers.LCMScheduler(**STABLE_DIFFUSION_BETAS, clip_sample=False, set_alpha_to_one=True)


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "stable-diffusion": save_pipeline,
    "stable-diffusion-xl": lambda folder: save_pipeline(folder, xl=True),
    "stable-diffusion-xl-turbo": lambda folder: save_pipeline(folder, xl=True, scheduler=turbo_scheduler()),
    "stable-diffusion-turbo": lambda folder: save_pipeline(folder, scheduler=turbo_scheduler()),
    "stable-diffusion-lcm": lambda folder: save_pipeline(folder, scheduler=lcm_scheduler(), time_cond_proj_dim=32),
    "stable-diffusion-xl-lcm": lambda folder: save_pipeline(
        folder, xl=True, scheduler=lcm_scheduler(), time_cond_proj_dim=32
    ),
    "stable-diffusion-instruct-pix2pix": lambda folder: save_pipeline(folder, channels=8),
    "stable-diffusion-xl-instruct-pix2pix": lambda folder: save_pipeline(folder, xl=True, channels=8),
    "stable-diffusion-inpainting": lambda folder: save_pipeline(folder, channels=9),
    "stable-diffusion-xl-inpainting": lambda folder: save_pipeline(folder, xl=True, channels=9),
    "refiner": lambda folder: save_pipeline(folder, xl=True, refiner=True),
}
"""What makes each that edits, by the family that it tells; the refiner of SDXL tells SDXL's."""


def _vocabulary() -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789,.-'"
    return ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]


def _unet_shape(xl: bool, width: int = 8, *, refiner: bool = False) -> dict[str, Any]:
    shape: dict[str, Any] = {"block_out_channels": (width, 2 * width), "layers_per_block": 1, "norm_num_groups": 4}
    if not xl:
        return shape | {"cross_attention_dim": 32, "attention_head_dim": 4}
    return shape | {
        "cross_attention_dim": 32 if refiner else 64,
        "attention_head_dim": (2, 4),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "transformer_layers_per_block": (1, 2),
        "projection_class_embeddings_input_dim": 32 + 8 * (5 if refiner else 6),
    }
