"""Payloads as Redis keeps them, and as the release before wrote them."""

import json

import pytest

from framesense.jobs.payloads import (
    PAYLOADS,
    VERSION,
    Attempts,
    EditPayload,
    EditSource,
    PhotoSetPayload,
    StoredFile,
    UnknownPayloadError,
    VideoPayload,
    read_payload,
)
from framesense.schemas.jobs import JobKind

FILE = StoredFile(sha256="ab", name="clip.mp4", bytes=7)
PAYLOAD = VideoPayload(video=FILE, every_n_second=2.5, beams=4, max_tokens=24)


def test_every_kind_of_job_has_a_payload() -> None:
    assert set(PAYLOADS) == set(JobKind)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (JobKind.VIDEO, PAYLOAD.with_work("one").with_work("two")),
        (JobKind.PHOTO_SET, PhotoSetPayload(photos=FILE, attempts=Attempts(count=2, done=5))),
        (JobKind.EDIT_SERIES, EditPayload(edit=EditSource(photos=["a.png", "b.png"], mask=True))),
    ],
)
def test_what_is_written_is_read(kind: JobKind, payload: VideoPayload) -> None:
    text = payload.model_dump_json(exclude_none=True)
    assert json.loads(text)["version"] == VERSION
    assert read_payload(kind, text) == payload


def test_payloads_of_the_release_before_are_read() -> None:
    video = {
        "video": {"sha256": "ab", "name": "clip.mp4", "bytes": 7},
        "every_n_second": 10.0,
        "beams": 4,
        "max_tokens": 24,
        "analysis": "new",
        "earlier": ["old"],
        "attempts": None,
        "model_changes": {"count": 1, "reason": "the captioner changed"},
    }
    read = read_payload(JobKind.VIDEO, json.dumps(video))
    assert isinstance(read, VideoPayload)
    assert (read.version, read.work, read.earlier, read.works) == (VERSION, "new", ("old",), ("new", "old"))
    photos = {"photos": {"sha256": "ab", "name": "set.zip", "bytes": 7}, "tagging": "key"}
    tagged = read_payload(JobKind.PHOTO_SET, json.dumps(photos))
    assert isinstance(tagged, PhotoSetPayload)
    assert tagged.works == ("key",)
    edit = read_payload(JobKind.EDIT, json.dumps({"edit": {"photos": ["a.png"], "mask": False}}))
    assert edit == EditPayload(edit=EditSource(photos=["a.png"]))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"video": 1}', '{"version": 99, "edit": {"photos": []}}'])
def test_what_cannot_be_read_is_said(text: str) -> None:
    for kind in JobKind:
        with pytest.raises(UnknownPayloadError, match=kind):
            read_payload(kind, text)


def test_work_that_was_left_is_remembered_once() -> None:
    payload = PAYLOAD.with_work("a").with_work("b").with_work("a")
    assert (payload.work, payload.earlier) == ("a", ("b",))
    assert PAYLOAD.works == ()
