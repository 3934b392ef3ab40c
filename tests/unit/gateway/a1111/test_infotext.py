"""The text of an edit's parameters that A1111 writes into a picture, read back."""

from hypothesis import given
from hypothesis import strategies as st

from framesense.edits.png_metadata import a1111_parameters
from framesense.schemas.edits import EditedImage, EditParameters, Preserve, SchedulerName
from framesense.schemas.models import ModelInfo
from gateway.a1111.infotext import read_infotext

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40).map(str.strip)


@given(
    prompt=WORDS.filter(bool),
    negative=WORDS,
    name=WORDS.filter(bool),
    strength=st.floats(0.01, 1),
    seed=st.integers(0, 99),
)
def test_what_is_written_is_read_back(prompt: str, negative: str, name: str, strength: float, seed: int) -> None:
    asked = EditParameters(
        prompt=prompt,
        negative_prompt=negative,
        strength=strength,
        steps=7,
        guidance_scale=4.5,
        scheduler=SchedulerName.DPMPP_2M,
        preserve=Preserve.MASK,
    )
    image = EditedImage(index=0, seed=seed, width=640, height=480, parameters=asked, seconds=1, method="paint")
    model = ModelInfo(service="editor", name=name, family="", revision="abc", device="", dtype="", parameters=0)
    found = read_infotext(a1111_parameters(image, model))
    expected = {
        "Prompt": asked.prompt,
        "Negative prompt": asked.negative_prompt,
        "Steps": "7",
        "Sampler": "DPM++ 2M",
        "CFG scale": "4.5",
        "Seed": str(seed),
        "Size": "640x480",
        "Size-1": "640",
        "Size-2": "480",
        "Model": name,
        "Denoising strength": f"{strength:g}",
    }
    assert {key: found.get(key) for key in expected} == expected


def test_texts_of_other_programs() -> None:
    found = read_infotext(
        "a cat, (sitting:1.2)\non a sofa\nNegative prompt: dog,\nblurry\nSteps: 30, Sampler: Euler a, CFG scale: 7, "
        'Seed: 1, Size: 512x768, Model hash: 6ce0161689, Lora hashes: "a: 1, b: 2", Hires upscale: 1.5'
    )
    assert found["Prompt"] == "a cat, (sitting:1.2)\non a sofa"
    assert found["Negative prompt"] == "dog,\nblurry"
    assert found["Lora hashes"] == "a: 1, b: 2"
    assert found["Hires upscale"] == "1.5"
    assert read_infotext("only words, and: these") == {"Prompt": "only words, and: these", "Negative prompt": ""}
    assert read_infotext(" \n") == {}
