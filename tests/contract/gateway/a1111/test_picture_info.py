"""Pictures described, and their metadata read, for A1111's clients."""

import base64

import pytest
from fastapi import Response
from PIL import Image, PngImagePlugin

from framesense.schemas.tags import ImageTags, Tag, TagsResponse, ThresholdOn
from tests.support.a1111_studio import (
    CAT,
    PHOTO,
    Studio,
    encoded,
    file,
    refused,
)
from tests.support.gateway_process import TAGGER_MODEL


def test_a_picture_in_words(studio: Studio) -> None:
    answer = studio.post("interrogate", {"image": CAT, "model": "clip"})
    assert answer.json()["caption"].startswith("a ")
    refused(studio.post("interrogate", {"image": CAT, "model": "dreams"}), 404)
    assert "image" in refused(studio.post("interrogate", {"image": "??", "model": "clip"}), 422).detail
    studio.gateway.captioner.failure = 503
    assert refused(studio.post("interrogate", {"image": CAT}), 503).title == "Busy"


@pytest.mark.parametrize("name", ["deepdanbooru", "deepbooru"])
def test_a_picture_in_tags(studio: Studio, name: str) -> None:
    tags = [Tag(label=label, cosine=0.3, probability=0.9) for label in ("cat", "sofa")]
    found = TagsResponse(
        images=[ImageTags(image="image", tags=tags, over_threshold=2)],
        labels=["cat", "sofa"],
        templates=["a photo of a {label}"],
        threshold=0.5,
        threshold_on=ThresholdOn.PROBABILITY,
        model=TAGGER_MODEL,
    )
    tagger = studio.gateway.tagger
    tagger.answer = Response(found.model_dump_json(), media_type="application/json")
    answer = studio.post("interrogate", {"image": CAT, "model": name})
    assert answer.json() == {"caption": "cat, sofa"}
    (asked,) = tagger.requests
    assert (asked.method, asked.path) == ("POST", "/tags")
    assert b"living room" in asked.body
    assert base64.b64decode(CAT) in asked.body


def test_what_pictures_say_of_themselves(studio: Studio) -> None:
    said = "a dog\nNegative prompt: cats\nSteps: 20, Sampler: Euler, CFG scale: 7.0, Seed: 1, Size: 512x256"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", said)
    texts.add_itxt("Author", "Zoë")
    answer = studio.post("png-info", {"image": encoded(file(PHOTO, pnginfo=texts))}).json()
    assert answer["info"] == said
    assert answer["items"] == {"Author": "Zoë"}
    assert answer["parameters"] == {
        "Prompt": "a dog",
        "Negative prompt": "cats",
        "Steps": "20",
        "Sampler": "Euler",
        "CFG scale": "7.0",
        "Seed": "1",
        "Size": "512x256",
        "Size-1": "512",
        "Size-2": "256",
    }
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + said.encode("utf-16-be")
    assert studio.post("png-info", {"image": encoded(file(PHOTO, "JPEG", exif=exif))}).json()["info"] == said
    assert studio.post("png-info", {"image": CAT}).json() == {"info": "", "items": {}, "parameters": {}}
    refused(studio.post("png-info", {"image": CAT[: len(CAT) // 8 * 4]}), 422)
    refused(studio.post("png-info", {"image": encoded(b"<html>")}), 415)
    refused(studio.post("png-info", {}), 415)
