"""A captioner with small limits, and requests to its API."""

from pathlib import Path

import skimage
from fastapi.testclient import TestClient
from httpx2 import Response

from captioner.settings import CaptionerSettings
from framesense.schemas.captions import Caption, CaptionResponse
from framesense.schemas.problems import MEDIA_TYPE, Problem

PHOTOS = Path(skimage.__file__).parent / "data"


CHELSEA = (PHOTOS / "chelsea.png").read_bytes()


COFFEE = (PHOTOS / "coffee.png").read_bytes()


def settings(models_dir: Path, **changes: object) -> CaptionerSettings:
    return CaptionerSettings(
        models_dir=models_dir,
        captioner_max_images=4,
        captioner_max_queue=8,
        captioner_max_beams=5,
        captioner_max_tokens=30,
        max_image_bytes=2_000_000,
        captioner_max_request_bytes=5_000_000,
        **changes,
    )


def post(
    client: TestClient, *images: bytes, field: str = "images", media_type: str = "image/png", **query: object
) -> Response:
    files = [(field, (f"photo-{n}.png", image, media_type)) for n, image in enumerate(images)]
    query["return"] = query.pop("extras", None)
    return client.post("/caption", files=files, params={k: v for k, v in query.items() if v is not None})


def captions(answer: Response) -> list[Caption]:
    assert answer.status_code == 200, answer.text
    return CaptionResponse.model_validate_json(answer.content).captions


def problem(answer: Response) -> Problem:
    assert answer.headers["content-type"] == MEDIA_TYPE
    found = Problem.model_validate_json(answer.content)
    assert found.status == answer.status_code
    assert found.request_id == answer.headers["x-request-id"]
    return found
