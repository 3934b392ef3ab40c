"""CLIPs of random weights in folders: as OpenCLIP writes them (the tagger reads that) and as transformers does.

Nothing is fetched. What such a model sees in photos is nonsense; what it costs is the same as with real weights.
"""

import gzip
import json
from pathlib import Path
from typing import Any

CONFIG_FILE, WEIGHTS_FILE = "open_clip_config.json", "open_clip_model.safetensors"


def make_open_clip(folder: Path, architecture: str, *, quick_gelu: bool = False) -> None:
    """Save weights from a fixed seed, for an architecture that OpenCLIP lists; the folder must not be there yet.

    ``quick_gelu``: as OpenAI's own models have it.
    """
    from framesense.models.torch_compat import prepare_torchvision

    prepare_torchvision()
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    config: dict[str, Any] = {**open_clip.get_model_config(architecture), "quick_gelu": quick_gelu}
    state = open_clip.CLIP(**config).state_dict()
    folder.mkdir(parents=True)
    (folder / CONFIG_FILE).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / WEIGHTS_FILE)


def as_transformers(open_clip_folder: Path, folder: Path) -> None:
    """Save a CLIP of :func:`make_open_clip`, the same weights, as transformers' ``CLIPModel`` reads it."""
    from framesense.models.torch_compat import prepare_torchvision

    prepare_torchvision()
    import open_clip
    from safetensors.torch import load_file, save_file

    config = json.loads((open_clip_folder / CONFIG_FILE).read_text())["model_cfg"]
    folder.mkdir(parents=True)
    save_file(_renamed(load_file(open_clip_folder / WEIGHTS_FILE)), folder / "model.safetensors", {"format": "pt"})
    for name, content in _transformers_files(config).items():
        (folder / name).write_text(content, encoding="utf-8")
    bpe = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    vocabulary, merges = _tokenizer(gzip.decompress(bpe.read_bytes()).decode())
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text(merges, encoding="utf-8")


def _renamed(state: dict[str, Any]) -> dict[str, Any]:
    """Turn OpenCLIP's names and layouts into those of transformers' CLIPModel."""
    whole = {
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "ln_final.weight": "text_model.final_layer_norm.weight",
        "ln_final.bias": "text_model.final_layer_norm.bias",
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
        "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
        "visual.ln_post.weight": "vision_model.post_layernorm.weight",
        "visual.ln_post.bias": "vision_model.post_layernorm.bias",
        "logit_scale": "logit_scale",
    }
    parts = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    parts["attn.out_proj"] = "self_attn.out_proj"
    result = {theirs: state[ours] for ours, theirs in whole.items()}
    result["text_projection.weight"] = state["text_projection"].T.contiguous()
    result["visual_projection.weight"] = state["visual.proj"].T.contiguous()
    for name, tensor in state.items():
        before, found, after = name.partition("transformer.resblocks.")
        if not found:
            continue
        number, _, part = after.partition(".")
        layer = f"{'vision' if before else 'text'}_model.encoder.layers.{number}"
        module, _, kind = part.rpartition(".")
        if module in parts:
            result[f"{layer}.{parts[module]}.{kind}"] = tensor
        else:  # attn.in_proj_weight and in_proj_bias: queries, keys and values in one
            for letter, chunk in zip("qkv", tensor.chunk(3), strict=True):
                result[f"{layer}.self_attn.{letter}_proj.{kind.removeprefix('in_proj_')}"] = chunk.contiguous()
    return result


def _transformers_files(config: dict[str, Any]) -> dict[str, str]:
    vision, text = config["vision_cfg"], config["text_cfg"]
    activation = "quick_gelu" if config.get("quick_gelu") else "gelu"
    clip = {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": config["embed_dim"],
        "torch_dtype": "float32",
        "text_config": {
            "model_type": "clip_text_model",
            "hidden_size": text["width"],
            "intermediate_size": 4 * text["width"],
            "num_attention_heads": text["heads"],
            "num_hidden_layers": text["layers"],
            "max_position_embeddings": text["context_length"],
            "vocab_size": text["vocab_size"],
            "projection_dim": config["embed_dim"],
            "hidden_act": activation,
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": vision["width"],
            "intermediate_size": 4 * vision["width"],
            "num_attention_heads": vision["width"] // 64,
            "num_hidden_layers": vision["layers"],
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "projection_dim": config["embed_dim"],
            "hidden_act": activation,
        },
    }
    images = {
        "image_processor_type": "CLIPImageProcessor",
        "processor_class": "CLIPProcessor",
        "size": {"shortest_edge": vision["image_size"]},
        "crop_size": {"height": vision["image_size"], "width": vision["image_size"]},
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    words = {
        "tokenizer_class": "CLIPTokenizer",
        "processor_class": "CLIPProcessor",
        "model_max_length": text["context_length"],
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    files = {"config.json": clip, "preprocessor_config.json": images, "tokenizer_config.json": words}
    return {name: json.dumps(content) for name, content in files.items()}


def _tokenizer(bpe: str) -> tuple[dict[str, int], str]:
    """Read OpenAI's byte-pair merges as transformers does: a vocabulary and merges (openai/CLIP, simple_tokenizer)."""
    from open_clip.tokenizer import bytes_to_unicode

    merges = bpe.split("\n")[1 : 49152 - 256 - 2 + 1]
    letters = list(bytes_to_unicode().values())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge.split()) for merge in merges)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return {piece: number for number, piece in enumerate(pieces)}, "#version: 0.2\n" + "\n".join(merges) + "\n"
