"""Another server of the same kind of model, for comparison: infinity-emb, where it is installed.

Nothing is fetched: :func:`make_clip` makes a CLIP of random weights, ViT-B/32 as OpenAI published it, and writes it
twice, as OpenCLIP does (the tagger reads that) and as transformers does (infinity-emb reads that). What it sees in
photos is nonsense; what it costs is the same as with real weights. docs/benchmarks.md says how to install the peer.
"""

import base64
import gzip
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tools.processes import free_port

ARCHITECTURE = "ViT-B-32"
START_SECONDS = 600


@contextmanager
def infinity(python: Path, model: Path) -> Iterator[str]:
    """infinity-emb from the environment of ``python``, serving a transformers folder on the CPU; its URL.

    Its torchvision is made to load beside the CPU build of torch as ours is (framesense/torch_compat.py).
    """
    import framesense.torch_compat

    port = free_port()
    command = [str(python.with_name("infinity_emb")), "v2", "--model-id", str(model), "--port", str(port)]
    command += ["--engine", "torch", "--device", "cpu", "--dtype", "float32", "--batch-size", "32"]
    command += ["--served-model-name", "clip", "--no-bettertransformer", "--no-model-warmup"]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(framesense.torch_compat.__file__, f"{folder}/framesense_torch_compat.py")
        startup = "import framesense_torch_compat\nframesense_torch_compat.prepare_torchvision()\n"
        Path(folder, "sitecustomize.py").write_text(startup)
        environment = {**os.environ, "PYTHONPATH": folder, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
        environment["INFINITY_ANONYMOUS_USAGE_STATS"] = "0"
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            try:
                url = f"http://127.0.0.1:{port}"
                _wait_for(url, process, Path(folder, "log"))
                yield url
            finally:
                process.terminate()
                process.wait()


def infinity_question(photo: bytes) -> dict[str, Any]:
    """The JSON body of its ``POST /embeddings`` for one JPEG."""
    uri = "data:image/jpeg;base64," + base64.b64encode(photo).decode()
    return {"model": "clip", "modality": "image", "input": [uri], "encoding_format": "base64"}


def make_clip(open_clip_folder: Path, transformers_folder: Path) -> None:
    """The same random weights, from a fixed seed, in both formats."""
    from framesense.torch_compat import prepare_torchvision

    prepare_torchvision()
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    config: dict[str, Any] = open_clip.get_model_config(ARCHITECTURE)
    model = open_clip.CLIP(**config, quick_gelu=True)
    state = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    open_clip_folder.mkdir(parents=True)
    document = {"model_cfg": {**config, "quick_gelu": True}, "preprocess_cfg": {}}
    (open_clip_folder / "open_clip_config.json").write_text(json.dumps(document))
    save_file(state, open_clip_folder / "open_clip_model.safetensors")

    transformers_folder.mkdir(parents=True)
    save_file(_as_transformers(state), transformers_folder / "model.safetensors", {"format": "pt"})
    for name, content in _transformers_files(config).items():
        (transformers_folder / name).write_text(content, encoding="utf-8")
    bpe = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    vocabulary, merges = _tokenizer(gzip.decompress(bpe.read_bytes()).decode())
    (transformers_folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (transformers_folder / "merges.txt").write_text(merges, encoding="utf-8")


def _as_transformers(state: dict[str, Any]) -> dict[str, Any]:
    """OpenCLIP's names and layouts → those of transformers' CLIPModel."""
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
            "hidden_act": "quick_gelu",
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
            "hidden_act": "quick_gelu",
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
    """OpenAI's byte-pair merges → vocabulary and merges as transformers reads them (openai/CLIP, simple_tokenizer)."""
    from open_clip.tokenizer import bytes_to_unicode

    merges = bpe.split("\n")[1 : 49152 - 256 - 2 + 1]
    letters = list(bytes_to_unicode().values())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge.split()) for merge in merges)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return {piece: number for number, piece in enumerate(pieces)}, "#version: 0.2\n" + "\n".join(merges) + "\n"


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the peer ended at once:\n{log.read_text()[-3000:]}")
        try:
            if httpx.get(f"{url}/models", timeout=5, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise TimeoutError(f"the peer was not there after {START_SECONDS} s:\n{log.read_text()[-3000:]}")
