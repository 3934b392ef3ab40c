"""Which files of a repository are fetched, and for which models."""

import pytest

from framesense.models.hub import FetchError, RepoFile, choose_files, models_of, wanted_by
from framesense.models.spec import ModelSpec
from framesense.models.tiers import TIERS, Tier


def chosen(*names: str, half: bool = False) -> set[str]:
    return {file.name for file in choose_files([RepoFile(name, 10) for name in names], half=half)}


def test_one_set_of_weights_and_the_texts() -> None:
    everything = ("config.json", "vocab.txt", "model.safetensors", "pytorch_model.bin", "tf_model.h5", "README.md")
    assert chosen(*everything, "onnx/model.onnx") == {"config.json", "vocab.txt", "model.safetensors"}


def test_shards_where_there_is_no_single_file() -> None:
    shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json")
    assert chosen(*shards, "pytorch_model-00001-of-00002.bin") == set(shards)
    assert chosen(*shards, "model.safetensors") == {"model.safetensors", "model.safetensors.index.json"}


def test_pickles_where_there_is_nothing_else() -> None:
    assert chosen("config.json", "pytorch_model.bin") == {"config.json", "pytorch_model.bin"}


PIPELINE = (
    "model_index.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "unet/diffusion_pytorch_model.bin",
    "text_encoder/model.safetensors",
    "text_encoder/model.fp16.safetensors",
    "safety_checker/model.safetensors",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "v1-5-pruned-emaonly.safetensors",
    "v1-5-pruned.ckpt",
)


def test_a_pipeline_in_the_precision_that_is_wanted() -> None:
    texts = {"model_index.json", "unet/config.json", "tokenizer/vocab.json", "tokenizer/merges.txt"}
    whole = {"unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"}
    assert chosen(*PIPELINE) == texts | whole
    halves = {"unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder/model.fp16.safetensors"}
    assert chosen(*PIPELINE, half=True) == texts | halves


@pytest.mark.parametrize("tier", Tier)
def test_every_tiers_models_have_a_place_to_come_from(tier: Tier) -> None:
    repositories = {wanted.repository for spec in models_of([tier], {}) for wanted in wanted_by(spec, half=False)}
    assert len(repositories) == (0 if tier is Tier.EMBEDDED else 3)
    assert all("/" in repository for repository in repositories)


def test_an_open_clip_model_with_a_tokenizer_of_its_own() -> None:
    found = wanted_by(ModelSpec.parse("open_clip:ViT-B-16-SigLIP/webli"), half=False)
    assert [wanted.repository for wanted in found] == ["timm/ViT-B-16-SigLIP", "timm/ViT-B-16-SigLIP"]
    files = [RepoFile(name, 1) for name in ("open_clip_model.safetensors", "tokenizer.json", "open_clip_config.json")]
    assert [file.name for file in found[0].choose(files)] == ["open_clip_model.safetensors"]
    assert {file.name for file in found[1].choose(files)} == {"tokenizer.json", "open_clip_config.json"}


def test_what_the_environment_names_takes_the_tiers_place() -> None:
    names = [str(spec) for spec in models_of(["standard"], {"CAPTIONER_MODEL": "hf:my/own", "TAGGER_MODEL": ""})]
    assert names == ["hf:my/own", TIERS[Tier.STANDARD].tagger, TIERS[Tier.STANDARD].editor]
    with pytest.raises(FetchError, match="or a tier"):
        models_of(["huge"], {})
