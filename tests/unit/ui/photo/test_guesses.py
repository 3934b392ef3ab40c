"""What is said of photos whose captions are guesses."""

import io

import httpx
from PIL import Image

from framesense.schemas.captions import Caption, CaptionResponse, hedged
from framesense.schemas.models import ModelInfo
from framesense.schemas.tags import ImageTags, Tag, TagsResponse, ThresholdOn
from ui.api import GatewayApi, Photo
from ui.photo.guesses import Guess, find_guesses

MODEL = ModelInfo(
    service="captioner",
    name="embedded",
    family="x",
    revision="1",
    device="cpu",
    dtype="float32",
    parameters=1,
    note="Small.",
)


def png(colour: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(stream, "PNG")
    return stream.getvalue()


PHOTOS = [Photo(f"{n}.png", "image/png", png((20, 160, 40))) for n in range(3)]


def answer(*confidences: float | None) -> CaptionResponse:
    captions = [Caption(caption="a dog", tokens=[], log_probability=0, confidence=chance) for chance in confidences]
    return CaptionResponse(captions=captions, model=MODEL)


def gateway(status: int = 200) -> tuple[GatewayApi, list[bytes]]:
    """A gateway that finds grass, surely, the sea, maybe, and hardly a cow in every photo; and the requests it got."""
    got: list[bytes] = []

    def reply(request: httpx.Request) -> httpx.Response:
        got.append(request.read())
        if status != 200:
            problem = {"type": "urn:framesense:problem:x", "title": "No", "status": status, "detail": "No."}
            return httpx.Response(status, json=problem, headers={"content-type": "application/problem+json"})
        tags = [
            Tag(label="grass", cosine=0.3, probability=0.999),
            Tag(label="sea", cosine=0.2, probability=0.6),
            Tag(label="cow", cosine=0.1, probability=0.2),
        ]
        images = [ImageTags(image="x", tags=tags, over_threshold=1) for _ in range(got[-1].count(b'name="images"'))]
        tagged = TagsResponse(
            images=images,
            labels=[],
            templates=[],
            threshold=0.5,
            threshold_on=ThresholdOn.PROBABILITY,
            model=MODEL,
        )
        return httpx.Response(200, content=tagged.model_dump_json())

    return GatewayApi(httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(reply))), got


def test_guesses_are_told_by_colours_and_tags() -> None:
    api, got = gateway()
    guess = Guess("Mostly green: grass", "Small.")
    assert find_guesses(api, PHOTOS, answer(0.2, 0.5, None), 0.5) == [guess, None, None]
    assert find_guesses(api, PHOTOS, answer(0.2, 0.9, 0.1), 0.5) == [guess, None, guess]
    assert [body.count(b'name="images"') for body in got] == [1, 2], "only photos in doubt are tagged"


def test_photos_whose_captions_are_known_are_not_tagged() -> None:
    api, got = gateway()
    assert find_guesses(api, PHOTOS, answer(0.7, 0.5, None), 0.5) == [None] * 3
    assert find_guesses(api, PHOTOS, answer(0.1, 0.1, 0.1), 0) == [None] * 3
    assert not got


def test_without_a_tagger_colours_are_told() -> None:
    api, _ = gateway(503)
    (guess,) = find_guesses(api, PHOTOS[:1], answer(0.2), 0.5)
    assert guess == Guess("Mostly green", "Small.")


def test_captions_in_doubt_are_hedged() -> None:
    assert hedged("a dog", 0.2, 0.5) == "perhaps: a dog"
    assert hedged("a dog", 0.2, 0.5, ["road", "car"]) == "road, car; perhaps: a dog"
    assert hedged("a dog", 0.7, 0.5, ["road", "car"]) == "a dog"
    assert hedged("a dog", 0.5, 0.5) == hedged("a dog", None, 0.5) == "a dog"
