"""An editor with a model that paints one colour, and requests to its API."""

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from fastapi.testclient import TestClient
from httpx2 import Response
from PIL import Image
from pydantic import TypeAdapter

from editor.app import create_app
from editor.settings import EditorSettings
from framesense.media.images import RGB
from framesense.schemas.edits import (
    EditEvent,
    ImageEvent,
)
from framesense.schemas.problems import MEDIA_TYPE, Problem
from tests.support.paint_model import Painter
from tests.support.waiting import wait_until_ready

PHOTOS = Path(skimage.__file__).parent / "data"
CAT = (PHOTOS / "chelsea.png").read_bytes()
CAT_PIXELS = np.asarray(Image.open(io.BytesIO(CAT)))
HEIGHT, WIDTH = CAT_PIXELS.shape[:2]
EVENT: TypeAdapter[EditEvent] = TypeAdapter(EditEvent)
LIMITS = {"max_image_bytes": 2_000_000, "max_image_pixels": 2_000_000, "editor_max_result_pixels": 4_000_000}


def settings(**changed: Any) -> EditorSettings:
    return EditorSettings(**{**LIMITS, "editor_max_queue": 2, "editor_max_side": 1500, **changed})


@contextmanager
def serving(painter: Painter, **changed: Any) -> Iterator[TestClient]:
    with TestClient(create_app(settings(**changed), load=painter.load)) as client:
        wait_until_ready(client)
        yield client


def png(pixels: Any, mode: str | None = None) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(np.asarray(pixels, np.uint8))
    (image.convert(mode) if mode else image).save(stream, "PNG")
    return stream.getvalue()


def left_half(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    return png(mask)


def ask(client: TestClient, image: bytes | None = CAT, mask: bytes | None = None, **parameters: Any) -> Response:
    files: list[tuple[str, Any]] = [("parameters", (None, json.dumps({"prompt": "all red", **parameters})))]
    files += [(name, (f"{name}.png", data)) for name, data in (("image", image), ("mask", mask)) if data is not None]
    return client.post("/edits", files=files)


def events(answer: Response) -> list[EditEvent]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [EVENT.validate_json(line) for line in answer.text.splitlines() if line]


def pictures(answer: Response) -> list[ImageEvent]:
    return [event for event in events(answer) if isinstance(event, ImageEvent)]


def picture(client: TestClient, image: bytes | None = CAT, mask: bytes | None = None, **parameters: Any) -> ImageEvent:
    (made,) = pictures(ask(client, image, mask, **parameters))
    return made


def pixels(event: ImageEvent) -> RGB:
    return read(event.png)


def read(encoded: str | None) -> Any:
    assert encoded is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def refused(answer: Response, status: int = 422) -> Problem:
    assert answer.headers["content-type"] == MEDIA_TYPE, answer.text
    found = Problem.model_validate_json(answer.content)
    assert found.status == answer.status_code == status
    return found
