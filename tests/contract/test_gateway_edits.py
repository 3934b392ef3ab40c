"""Edits: what is taken and refused at the door, the place in the queue, and everything that can be had of a finished
one. The editor and the worker are absent: what they make is in tests/integration/test_edits.py."""

import io
import json
import threading
import zipfile
from collections.abc import Mapping

import pytest
from PIL import Image

from framesense.edits import EditStore, Made, edit_prefix
from framesense.queue import PRIORITIES, waiting
from framesense.schemas.edits import EditedImage, EditParameters, EditResult, Preserve, SeriesParameters
from framesense.schemas.jobs import Job, JobKind, JobState
from gateway.editing_examples import EDIT_RESULT
from tests.gateway import MP4, Gateway, problem, wait_until
from tests.photos import photo

ROOM = photo("blue", size=(64, 48), kind="PNG")
WORDS = {"prompt": "a red room"}
GRID = {
    "base": WORDS,
    "rows": {"parameter": "strength", "values": [0.3, 0.6]},
    "columns": {"parameter": "seed", "values": [1, 2, 3]},
}

Files = Mapping[str, tuple[str, bytes]] | list[tuple[str, tuple[str, bytes]]]


def _mask(white: bool, size: tuple[int, int] = (64, 48)) -> bytes:
    stream = io.BytesIO()
    image = Image.new("L", size)
    if white:
        image.paste(255, (0, 0, 20, 20))
    image.save(stream, "PNG")
    return stream.getvalue()


def _send(gateway: Gateway, files: Files | None = None, **fields: str) -> Job:
    files = {"image": ("room.png", ROOM)} if files is None else files
    answer = gateway.http.post("/edits", files=files, data=fields or WORDS)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    return Job.model_validate(answer.json())


def _send_series(gateway: Gateway, series: object, files: Files | None = None) -> Job:
    files = {"image": ("room.png", ROOM)} if files is None else files
    answer = gateway.http.post("/edits/series", files=files, data={"parameters": json.dumps(series)})
    assert answer.status_code == 202, answer.text
    return Job.model_validate(answer.json())


def test_a_photo_and_words_become_a_job(gateway: Gateway) -> None:
    job = _send(gateway, prompt=" a red room ", denoising_strength="0.3", steps="12", guidance_scale="7.5")
    assert (job.kind, job.state, job.name, job.queue_position) == (JobKind.EDIT, JobState.QUEUED, "room.png", 0)
    asked = EditParameters.model_validate(job.parameters)
    assert (asked.prompt, asked.strength, asked.steps, asked.guidance_scale) == ("a red room", 0.3, 12, 7.5)
    assert asked.seed is not None, "drawn when the job is made, so that every worker uses the same one"
    assert gateway.jobs.payload(job.id)["edit"] == {"photos": ["room.png"], "mask": False}
    assert EditStore(gateway.storage).photo(job.id, 0) == ROOM
    assert gateway.http.get(f"/jobs/{job.id}/sources/0").headers["content-type"] == "image/png"
    assert 'framesense_queue_length{queue="edit"} 1.0' in gateway.http.get("/metrics").text
