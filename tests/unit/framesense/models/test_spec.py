import subprocess
import sys
from pathlib import Path

import pytest
import torch

from framesense.models.spec import ModelSource, ModelSpec, choose_device, choose_dtype


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("embedded", ModelSpec(ModelSource.EMBEDDED)),
        (
            "hf:Salesforce/blip-image-captioning-base",
            ModelSpec(ModelSource.HUGGING_FACE, "Salesforce/blip-image-captioning-base"),
        ),
        ("hf:org/na.me_1@refs/pr/3", ModelSpec(ModelSource.HUGGING_FACE, "org/na.me_1", "refs/pr/3")),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", ModelSpec(ModelSource.OPEN_CLIP, "ViT-B-32/laion2b_s34b_b79k")),
        ("path:/models/my captioner", ModelSpec(ModelSource.PATH, "/models/my captioner")),
        ("path:relative@home", ModelSpec(ModelSource.PATH, "relative@home")),
    ],
)
def test_specs_are_read_and_printed_back(text: str, spec: ModelSpec) -> None:
    assert ModelSpec.parse(text) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    "text", ["", "Embedded", "hf:", "hf:name", "hf:a/b/c", "hf:a/b@", "open_clip:ViT", "path:", "s3://bucket", "a/b"]
)
def test_anything_else_is_refused_with_what_is_possible(text: str) -> None:
    with pytest.raises(ValueError, match="hf:ORG/NAME@REVISION"):
        ModelSpec.parse(text)


def test_home_is_expanded_and_only_folders_have_a_path() -> None:
    assert ModelSpec.parse("path:~/models").path == Path.home() / "models"
    with pytest.raises(ValueError, match="not a folder"):
        _ = ModelSpec.parse("embedded").path


def test_a_device_that_is_not_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="'tpu9' cannot be used"):
        choose_device("tpu9")
    with pytest.raises(ValueError, match="'cuda:63' cannot be used"):
        choose_device("cuda:63")


def test_auto_device_follows_the_machine() -> None:
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx2": True, "avx512_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_auto_dtype_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_dtype("auto", torch.device("cpu")) is dtype


def test_a_wanted_dtype_is_taken() -> None:
    assert choose_dtype("float16", torch.device("cpu")) is torch.float16


def test_the_module_imports_no_torch() -> None:
    code = "import sys, framesense.models; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
