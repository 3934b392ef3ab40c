"""What an edited picture says of itself, read back with Pillow."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from framesense.edits.png_metadata import a1111_parameters, picture_texts, with_texts
from framesense.schemas.edits import EditedImage, EditParameters, Preserve, SchedulerName, Task
from framesense.schemas.models import ModelInfo

MODEL = ModelInfo(
    service="editor", name="hf:org/a, b: c", family="sd", revision="12ab", device="cpu", dtype="float32", parameters=1
)


def _image(**parameters: object) -> EditedImage:
    asked = EditParameters.model_validate(
        {"prompt": "a room\nat night", "steps": 20, "guidance_scale": 7.5, "scheduler": "dpm++_2m", **parameters}
    )
    return EditedImage(index=3, seed=9, width=64, height=48, parameters=asked, seconds=1, method="SDEdit")


def _png(mode: str = "RGB") -> tuple[bytes, Image.Image]:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    image, stream = Image.fromarray(pixels).convert(mode), io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue(), image


def test_parameters_as_other_programs_read_them() -> None:
    image = _image(negative_prompt="people", preserve="mask", mask_blur=6, strength=0.6)
    assert a1111_parameters(image, MODEL) == (
        "a room\nat night\nNegative prompt: people\n"
        "Steps: 20, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: 9, Size: 64x48, Model hash: 12ab, "
        'Model: "hf:org/a, b: c", Denoising strength: 0.6, Mask blur: 6, Version: Framesense'
    )
    generated = a1111_parameters(_image(task=Task.GENERATE), MODEL)
    assert "Denoising" not in generated and "Negative" not in generated and "Mask" not in generated
    restored = a1111_parameters(_image(task=Task.DENOISE, prompt="", steps=None, scheduler=None), MODEL)
    assert restored.startswith("CFG scale")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("prompt", ["a room, at night: dark", "ein Zimmer – nachts, für zwei", "夜の部屋 🛏"])
def test_texts_are_added_and_pixels_stay(mode: str, prompt: str) -> None:
    png, before = _png(mode)
    image = _image(prompt=prompt, preserve=Preserve.AUTO, scheduler=SchedulerName.EULER_A)
    with Image.open(io.BytesIO(with_texts(png, picture_texts(image, MODEL)))) as after:
        assert after.tobytes() == before.tobytes()
        said = json.loads(after.text["framesense"])  # type: ignore[attr-defined]
        assert after.text["parameters"].splitlines()[0] == prompt  # type: ignore[attr-defined]
    assert EditParameters.model_validate(said["parameters"]) == image.parameters
    assert (said["seed"], said["model"]["name"], said["method"]) == (9, MODEL.name, "SDEdit")


def test_what_is_no_png_is_refused() -> None:
    for content in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" + bytes(100)):
        with pytest.raises(ValueError, match="PNG"):
            with_texts(content, {"a": "b"})
