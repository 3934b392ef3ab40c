"""What the pages ask of the gateway, where its answer depends on the model behind it."""

import httpx
import pytest

from framesense.schemas.captions import Caption, CaptionResponse, CaptionToken
from framesense.schemas.models import ModelInfo
from framesense.schemas.problems import MEDIA_TYPE, Problem
from ui.api import GatewayApi, GatewayError, Photo

MODEL = ModelInfo(
    service="captioner", name="x", family="blip", revision="1", device="cpu", dtype="float32", parameters=1
)
ANSWER = CaptionResponse(
    captions=[Caption(caption="a cat", tokens=[CaptionToken(text="a", log_probability=0)], log_probability=0)],
    model=MODEL,
)


def api(refused: str) -> tuple[GatewayApi, list[str]]:
    """A gateway that refuses attention maps, and what it was asked for."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("return", ""))
        if asked[-1]:
            problem = Problem(type=f"urn:framesense:problem:{refused}", title="No", status=422, detail="No maps.")
            return httpx.Response(422, content=problem.model_dump_json(), headers={"content-type": MEDIA_TYPE})
        return httpx.Response(200, content=ANSWER.model_dump_json())

    return GatewayApi(httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(answer))), asked


def test_a_model_without_attention_maps_still_captions() -> None:
    gateway, asked = api("unsupported-option")
    assert gateway.caption([Photo("a.png", "image/png", b"x")], beams=4) == ANSWER
    assert asked == ["attention", ""]


def test_another_refusal_is_told() -> None:
    gateway, asked = api("not-an-image")
    with pytest.raises(GatewayError, match="No maps"):
        gateway.caption([Photo("a.png", "image/png", b"x")], beams=4)
    assert asked == ["attention"]
