"""Beams that share what is known of their picture write what they write without that."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from skimage import data

from captioner.models import beams
from captioner.models.factory import load_model
from captioner.models.generating import GeneratingCaptioner
from captioner.settings import CaptionerSettings
from tests.support import tiny_models as tiny


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("make", [tiny.blip, tiny.vit_gpt2, tiny.florence2])
def test_they_write_what_transformers_writes_by_itself(
    make: Callable[[Path], Path], width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = CaptionerSettings(captioner_model=f"path:{make(tmp_path / 'model')}", captioner_device="cpu")
    model = load_model(settings.model_copy(update={"captioner_dtype": "float32"})).model
    assert isinstance(model, GeneratingCaptioner)
    with torch.inference_mode():
        pictures = (data.coffee(), data.chelsea(), data.astronaut())
        encoded = model.encode(torch.stack([model.preprocess(picture) for picture in pictures]))
        ours = model.generate(encoded, width, 8)
        monkeypatch.setattr(beams, "PictureCache", lambda *known: None)
        theirs = model.generate(encoded, width, 8)
    assert torch.equal(ours, theirs)
