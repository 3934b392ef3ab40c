"""Edits sent to a gateway, and finished as a worker does."""

import io
import json
from collections.abc import Mapping

from PIL import Image

from framesense.schemas.jobs import Job, JobKind
from framesense.storage.edits import EditStore, FinishedPicture
from gateway.openapi.editing_examples import EDIT_RESULT
from tests.support.gateway_process import Gateway
from tests.support.photos import photo

ROOM = photo("blue", size=(64, 48), kind="PNG")


WORDS = {"prompt": "a red room"}


GRID = {
    "base": WORDS,
    "rows": {"parameter": "strength", "values": [0.3, 0.6]},
    "columns": {"parameter": "seed", "values": [1, 2, 3]},
}


Files = Mapping[str, tuple[str | None, bytes]] | list[tuple[str, tuple[str | None, bytes]]]


def edit_mask(white: bool, size: tuple[int, int] = (64, 48)) -> bytes:
    stream = io.BytesIO()
    image = Image.new("L", size)
    if white:
        image.paste(255, (0, 0, 20, 20))
    image.save(stream, "PNG")
    return stream.getvalue()


def send_edit(gateway: Gateway, files: Files | None = None, **fields: str) -> Job:
    files = {"image": ("room.png", ROOM)} if files is None else files
    answer = gateway.http.post("/edits", files=files, data=fields or WORDS)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    return Job.model_validate(answer.json())


def send_series(gateway: Gateway, series: object, files: Files | None = None) -> Job:
    files = {"image": ("room.png", ROOM)} if files is None else files
    answer = gateway.http.post("/edits/series", files=files, data={"parameters": json.dumps(series)})
    assert answer.status_code == 202, answer.text
    return Job.model_validate(answer.json())


def finish_edit(gateway: Gateway, job: Job, pictures: int = 1) -> None:
    """What a worker does, with pictures made up: all are there, one of them without a change map."""
    store = EditStore(gateway.storage)
    assert gateway.jobs.start(job.id)
    images = []
    for index in range(pictures):
        image = EDIT_RESULT.images[0].model_copy(update={"index": index, "photo_index": 0, "seed": 7 + index})
        bare = image.model_copy(update={"image_url": None, "change_map_url": None, "photo_url": None})
        png = f"png {index}".encode()
        store.append(job.id, FinishedPicture(bare, png, b"jpeg", change_map=b"change" if index == 0 else None))
        images.append(bare)
    sheet = b"sheet" if job.kind is JobKind.EDIT_SERIES else None
    result = EDIT_RESULT.model_copy(update={"job_id": job.id, "name": job.name, "images": images})
    store.finish(job.id, result, sheet)
    assert gateway.jobs.succeed(job.id, f"/jobs/{job.id}/result")
