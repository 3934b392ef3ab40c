"""ClipCap (Mokady et al., 2021, arXiv:2111.09734): a small mapper turns CLIP's embedding of a picture into a prefix of
word-like vectors, and GPT-2 goes on from there. Quick to fine-tune on one's own captions: only the mapper need be
trained.

A model is a folder (``path:``) or a repository (``hf:``) with

- ``config.json``: ``{"model": "clipcap", "mapper": "mlp" or "transformer", "prefix_length": 10, "clip_length": 10,
  "layers": 8, "normalize": false, "stop": ".", "clip": {…}, "gpt": {…}}``; ``clip`` is a CLIPVisionConfig and ``gpt`` a
  GPT2Config of transformers; ``clip_length`` and ``layers`` are the transformer mapper's;
- ``model.safetensors``: ``clip.…`` a CLIPVisionModelWithProjection, ``gpt.…`` a GPT2LMHeadModel, ``clip_project.…`` the
  mapper, the latter two named as in the paper's own checkpoints, which can be converted by renaming nothing;
- GPT-2's tokenizer and CLIP's image processor, as transformers saves them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from captioner.models.from_transformers import TransformersCaptioner
from captioner.models.generating import EncodedImages, grid_of
from framesense.models.pretrained import Pretrained
from framesense.models.torch_compat import prepare_torchvision

FAMILY = "clipcap"
MAPPER_HEADS, MAPPER_WIDENING = 8, 2
"""Of the transformer mapper, as in the paper's code."""


@dataclass(frozen=True)
class PrefixSizes:
    """The shape of the mapper; stored in config.json."""

    mapper: Literal["mlp", "transformer"] = "mlp"
    prefix_length: int = 10
    clip_length: int = 10
    layers: int = 8
    normalize: bool = False
    """Whether CLIP's embedding is L2-normalised before it is mapped."""
    stop: str = "."
    """The word that ends a caption."""


class Mlp(nn.Module):
    """CLIP's embedding → prefix, by one hidden layer."""

    def __init__(self, clip: int, sizes: PrefixSizes, gpt: int) -> None:
        super().__init__()
        out = gpt * sizes.prefix_length
        self.model = nn.Sequential(nn.Linear(clip, out // 2), nn.Tanh(), nn.Linear(out // 2, out))
        self._gpt = gpt

    def forward(self, embedding: Tensor) -> Tensor:
        """Map B × clip embeddings to B × prefix × gpt."""
        prefix: Tensor = self.model(embedding).unflatten(1, (-1, self._gpt))
        return prefix


class _Attention(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.to_queries = nn.Linear(size, size, bias=False)
        self.to_keys_values = nn.Linear(size, 2 * size, bias=False)
        self.project = nn.Linear(size, size)

    def forward(self, tokens: Tensor) -> Tensor:
        queries = self.to_queries(tokens).unflatten(-1, (MAPPER_HEADS, -1)).transpose(1, 2)
        keys, values = self.to_keys_values(tokens).unflatten(-1, (2, MAPPER_HEADS, -1)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(queries, keys, values)
        projected: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return projected


class _FeedForward(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(size, size * MAPPER_WIDENING), nn.Linear(size * MAPPER_WIDENING, size)

    def forward(self, tokens: Tensor) -> Tensor:
        widened: Tensor = self.fc2(self.fc1(tokens).relu())
        return widened


class _Layer(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attn, self.mlp = _Attention(size), _FeedForward(size)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        grown: Tensor = tokens + self.mlp(self.norm2(tokens))
        return grown


class TransformerMapper(nn.Module):
    """CLIP's embedding as some tokens, beside constant ones that a transformer turns into the prefix."""

    def __init__(self, clip: int, sizes: PrefixSizes, gpt: int) -> None:
        super().__init__()
        self.linear = nn.Linear(clip, sizes.clip_length * gpt)
        self.prefix_const = nn.Parameter(torch.randn(sizes.prefix_length, gpt))
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(_Layer(gpt) for _ in range(sizes.layers))
        self._clip_length = sizes.clip_length

    def forward(self, embedding: Tensor) -> Tensor:
        """Map B × clip embeddings to B × prefix × gpt."""
        tokens: Tensor = self.linear(embedding).unflatten(1, (self._clip_length, -1))
        tokens = torch.cat([tokens, self.prefix_const.expand(len(tokens), -1, -1)], dim=1)
        for layer in self.transformer.layers:  # type: ignore[union-attr]
            tokens = layer(tokens)
        return tokens[:, self._clip_length :]


class ClipCapModel(nn.Module):
    """CLIP, the mapper and GPT-2 side by side, named as in the file of weights."""

    def __init__(self, sizes: PrefixSizes, clip_config: Any, gpt_config: Any) -> None:
        super().__init__()
        from transformers import CLIPVisionModelWithProjection, GPT2LMHeadModel

        mapper = {"mlp": Mlp, "transformer": TransformerMapper}[sizes.mapper]
        self.sizes = sizes
        self.clip: Any = CLIPVisionModelWithProjection(clip_config)
        self.gpt: Any = GPT2LMHeadModel(gpt_config)
        self.clip_project = mapper(clip_config.projection_dim, sizes, gpt_config.n_embd)


class ClipCap(TransformersCaptioner):
    @classmethod
    def load(cls, files: Pretrained, device: torch.device, dtype: torch.dtype) -> Self:
        """Load a model; raises OSError or ValueError where it cannot be had or the files do not fit each other."""
        prepare_torchvision()
        from transformers import CLIPVisionConfig, GPT2Config

        config = files.config()
        try:
            own = {name: config[name] for name in PrefixSizes.__dataclass_fields__ if name in config}
            model = ClipCapModel(PrefixSizes(**own), CLIPVisionConfig(**config["clip"]), GPT2Config(**config["gpt"]))
            weights = safetensors.torch.load_file(files.file("model.safetensors"))
            weights.setdefault("gpt.lm_head.weight", weights["gpt.transformer.wte.weight"])  # GPT-2 ties them
            model.load_state_dict(weights)
        except (KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
            raise ValueError(f"{files.name} does not hold a ClipCap model: {error}") from error
        tokenizer = files.tokenizer()
        ends = [tokenizer.encode(model.sizes.stop)[0], tokenizer.eos_token_id]
        return cls(
            files,
            model.eval().requires_grad_(False).to(device, dtype),
            image_size=model.clip.config.image_size,
            dtype=dtype,
            stop=ends,
        )

    def encode(self, pixels: Tensor) -> EncodedImages:
        found = self.model.clip(pixel_values=pixels)
        embedding = found.image_embeds
        if self.model.sizes.normalize:
            embedding = nn.functional.normalize(embedding, dim=-1)
        return EncodedImages(self.model.clip_project(embedding), grid_of(found.last_hidden_state))

    def generate(self, encoded: EncodedImages, beams: int, max_tokens: int) -> Tensor:
        generated: Tensor = self.model.gpt.generate(
            inputs_embeds=encoded.states,
            attention_mask=torch.ones(encoded.states.shape[:2], dtype=torch.long, device=self.device),
            num_beams=beams,
            do_sample=False,
            max_new_tokens=max_tokens,
            min_new_tokens=1,
            eos_token_id=sorted(self._stop),
            pad_token_id=self.tokenizer.eos_token_id,
        )
        return generated

    def score(self, encoded: EncodedImages, generated: Tensor) -> Tensor:
        begun = torch.cat([encoded.states, self.model.gpt.get_input_embeddings()(generated[:, :-1])], dim=1)
        logits: Tensor = self.model.gpt(inputs_embeds=begun, use_cache=False).logits
        return logits[:, encoded.states.shape[1] - 1 :]

    @property
    def embeddings(self) -> Tensor:
        weight: Tensor = self.model.gpt.get_input_embeddings().weight
        return weight


def save(folder: Path, model: ClipCapModel, tokenizer: Any, image_processor: Any) -> None:
    """Write what :meth:`ClipCap.load` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model": FAMILY,
        **asdict(model.sizes),
        "clip": model.clip.config.to_dict(),
        "gpt": model.gpt.config.to_dict(),
    }
    weights = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    weights.pop("gpt.lm_head.weight")
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    tokenizer.save_pretrained(folder)
    image_processor.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n", encoding="utf-8")
