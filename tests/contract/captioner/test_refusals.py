"""What the captioner refuses, in words."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from captioner.settings import CaptionerSettings
from tests.support.captioner_api import CHELSEA, captions, post, problem


@pytest.mark.parametrize("name", ["beams", "max_tokens"])
@pytest.mark.parametrize("value", ["0", "-1", "31", "1e9", "nan", "inf", "2.5", "many", "", "9" * 5000])
def test_bad_numbers(client: TestClient, name: str, value: str) -> None:
    found = problem(post(client, CHELSEA, **{name: value}))
    assert found.status == 422
    assert name in found.detail


@pytest.mark.parametrize("query", [{"extras": "smell"}, {"extras": "attention,smell"}, {"encoding_format": "morse"}])
def test_unknown_options(client: TestClient, query: dict[str, str]) -> None:
    found = problem(post(client, CHELSEA, **query))
    assert found.status == 422
    assert "attention" in found.detail or "base64" in found.detail


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"", 422), (b"<html></html>", 415), (b"<svg></svg>", 415), (b"plain text", 415), (CHELSEA[:9000], 422)],
)
def test_a_bad_image_is_refused_by_name_and_the_next_request_works(
    client: TestClient, data: bytes, status: int
) -> None:
    found = problem(post(client, CHELSEA, data))
    assert found.status == status
    assert "photo-1.png" in found.detail
    assert len(captions(post(client, CHELSEA))) == 1


def test_too_large_a_file(client: TestClient) -> None:
    assert problem(post(client, CHELSEA, bytes(2_000_001))).status == 413


def test_too_large_a_request_is_refused_by_its_length(client: TestClient) -> None:
    found = problem(post(client, *[bytes(1_900_000)] * 3))
    assert found.status == 413
    assert "5,000,000" in found.detail


def test_too_many_images(client: TestClient) -> None:
    found = problem(post(client, *[CHELSEA[:100]] * 5))
    assert found.status == 413
    assert "4" in found.detail


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 415),
        ({"json": {"image": "x"}}, 415),
        ({"data": {"images": "text"}}, 415),
        ({"files": {"other": ("x.png", CHELSEA)}}, 422),
        ({"files": {"images": (None, "text")}}, 422),
        ({"content": b"nonsense", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400),
    ],
    ids=["nothing", "json", "urlencoded", "another-field", "text-field", "no-boundary", "nonsense"],
)
def test_requests_without_an_image(client: TestClient, options: dict[str, object], status: int) -> None:
    assert problem(client.post("/caption", **options)).status == status


@pytest.mark.parametrize(
    "bad",
    [
        {"captioner_model": "gpt"},
        {"captioner_max_queue": 3},
        {"captioner_max_batch": 0},
        {"captioner_dtype": "int8"},
        {"captioner_max_wait": float("nan")},
    ],
)
def test_senseless_settings(bad: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        CaptionerSettings(**{"captioner_max_images": 4, "captioner_max_queue": 8, **bad})
