"""Clients written before there were jobs get what they always got."""

import json
import re
import socket
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest

from framesense.schemas.jobs import JobState
from framesense.schemas.problems import Problem
from tests.support.gateway_process import MP4, Gateway, problem
from tests.support.waiting import wait_until

CAPTIONS = ["a street", "a street", "a dog", "a street"]
WORDS = [[0.0, 1.0], [0.0, 1.0], [3.0, 4.0], [0.0, 2.0]]


def test_an_image_with_features_and_word_vectors(gateway: Gateway) -> None:
    answer = gateway.http.post("/get_image_caption", files={"image": ("a.png", b"picture", "image/png")})
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["captions", "encoders_out", "embedded_words"]
    assert isinstance(body["captions"], str)
    assert np.array(body["encoders_out"]).shape == (1, 9, 9, 1280)
    assert np.array(body["embedded_words"]).shape == (2, 8)


def test_an_image_that_is_missing_is_refused(gateway: Gateway) -> None:
    problem(gateway.http.post("/get_image_caption", files={"other": ("a.png", b"picture")}), 422)
    problem(gateway.http.post("/get_image_caption"), 415)


def analysed(gateway: Gateway, every_n_second: float = 10) -> bytes:
    """A video whose analysis is there already."""
    gateway.analyse(gateway.submit(MP4, every_n_second=every_n_second), CAPTIONS, WORDS)
    return MP4


@pytest.mark.parametrize("metric", ["euclidean", "euclidian", None])
def test_a_video_by_euclidean_distance(gateway: Gateway, metric: str | None) -> None:
    query = {"every_n_second": 10, "rolling_window_size": 2} | ({"metric": metric} if metric else {})
    answer = gateway.http.post("/get_video_captions", files={"video": ("a.mp4", analysed(gateway))}, params=query)
    assert answer.status_code == 200
    # Zeros until two frames have passed, then ‖(3, 4) − (0, 1)‖ and ‖(0, 2) − (1.5, 2.5)‖.
    expected = [0.0, 0.0, pytest.approx(18**0.5), pytest.approx(2.5**0.5)]
    assert answer.json() == {"captions": CAPTIONS, "distance_from_previous": expected}
    assert list(answer.json()) == ["captions", "distance_from_previous"]


def test_a_video_by_cosine_is_one_over_the_similarity(gateway: Gateway) -> None:
    query: dict[str, str | int] = {"metric": "cosine", "rolling_window_size": 1}
    answer = gateway.http.post("/get_video_captions", files={"video": ("a.mp4", analysed(gateway))}, params=query)
    # The first has none before it; (0, 1) is like (0, 1); (3, 4) has the cosine 0.8 to (0, 1), and (0, 2) to (3, 4).
    assert answer.json()["distance_from_previous"] == [0.0, pytest.approx(1), pytest.approx(1.25), pytest.approx(1.25)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("every_n_second", "0"),
        ("every_n_second", "nan"),
        ("metric", "manhattan"),
        ("rolling_window_size", "0"),
        ("rolling_window_size", "9" * 30),
    ],
)
def test_wrong_parameters_are_refused(gateway: Gateway, name: str, value: str) -> None:
    answer = gateway.http.post("/get_video_captions", files={"video": ("a.mp4", MP4)}, params={name: value})
    assert name in problem(answer, 422).detail
    assert gateway.jobs.page().total == 0


def test_it_answers_when_the_job_is_done(gateway: Gateway) -> None:
    def work() -> None:
        wait_until(lambda: gateway.jobs.page().total == 1)
        gateway.analyse(gateway.jobs.page().jobs[0], CAPTIONS, WORDS)

    worker = threading.Thread(target=work)
    worker.start()
    answer = gateway.http.post("/get_video_captions", files={"video": ("a.mp4", MP4)})
    worker.join()
    assert answer.json()["captions"] == CAPTIONS


def test_a_video_that_fails_is_told(gateway: Gateway) -> None:
    def work() -> None:
        wait_until(lambda: gateway.jobs.page().total == 1)
        told = Problem(type="urn:framesense:problem:no-video", title="No video", status=422, detail="Only sound.")
        gateway.jobs.fail(gateway.jobs.page().jobs[0].id, told)

    worker = threading.Thread(target=work)
    worker.start()
    answer = gateway.http.post("/get_video_captions", files={"video": ("a.mp4", MP4)})
    worker.join()
    assert problem(answer, 422).detail == "Only sound."


def test_no_video_is_refused(gateway: Gateway) -> None:
    problem(gateway.http.post("/get_video_captions"), 422)
    problem(gateway.http.post("/get_video_captions", files={"video": ("a.mp4", b"")}), 422)
    problem(gateway.http.post("/get_video_captions", files={"video": ("a.mp4", b"words")}), 415)


def test_a_client_that_hangs_up_cancels_the_job_nobody_else_knows(gateway: Gateway) -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n' + MP4 + b"\r\n--B--\r\n"
    head = f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {len(body)}\r\n\r\n"
    host = urlsplit(str(gateway.http.base_url))
    with socket.create_connection((host.hostname, host.port)) as connection:
        connection.sendall(f"POST /get_video_captions HTTP/1.1\r\nHost: localhost\r\n{head}".encode() + body)
        wait_until(lambda: gateway.jobs.page().total == 1)
    wait_until(lambda: gateway.jobs.page().jobs[0].state is JobState.CANCELLED)


def test_a_bare_request_is_told_the_field_that_the_form_has(gateway: Gateway) -> None:
    assert "curl -F image=@FILE" in problem(gateway.http.post("/get_captions"), 415).detail


def test_the_page_has_a_labelled_form(gateway: Gateway) -> None:
    answer = gateway.http.get("/get_captions")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="en">' in answer.text
    assert '<label for="image">' in answer.text
    assert re.search(r'<input id="image" name="image" type="file"', answer.text)


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}


@pytest.mark.parametrize("accept", ["*/*", "", "text/plain", "application/json", "text/html;q=0.5, */*", "text/*"])
def test_programs_get_the_bare_caption(gateway: Gateway, accept: str) -> None:
    files = {"image": ("a.png", b"picture", "image/png")}
    answer = gateway.http.post("/get_captions", files=files, headers={"Accept": accept})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == gateway.http.post("/caption", files=files).json()["captions"][0]["caption"]
    refused = gateway.http.post("/get_captions", files={"other": ("a.png", b"picture")}, headers={"Accept": accept})
    problem(refused, 422)


def test_several_images_are_a_caption_a_line(gateway: Gateway) -> None:
    files = [("images", ("a.png", b"one", "image/png")), ("images", ("b.png", b"two", "image/png"))]
    captions = [caption["caption"] for caption in gateway.http.post("/caption", files=files).json()["captions"]]
    assert gateway.http.post("/get_captions", files=files).text.splitlines() == captions


def test_the_page_answers_the_caption_escaped(gateway: Gateway) -> None:
    pages = [
        gateway.http.post("/get_captions", files={"image": ("a.png", bytes([n]), "image/png")}, headers=BROWSER).text
        for n in range(30)
    ]
    assert all("Caption</h2><p>a " in page for page in pages)
    assert any("&lt;b&gt;bold&lt;/b&gt;" in page for page in pages)
    assert not any("<b>" in page for page in pages)


def test_the_page_tells_what_went_wrong(gateway: Gateway) -> None:
    files = {"image": ("<i>.png", bytes(100_001), "image/png")}
    answer = gateway.http.post("/get_captions", files=files, headers=BROWSER)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert 'role="alert"' in answer.text
    assert "&lt;i&gt;.png" in answer.text
    assert "<i>" not in answer.text


def test_numbers_are_json_numbers(gateway: Gateway) -> None:
    """At right angles 1 / cosine has a pole; JSON has no infinity."""
    gateway.analyse(gateway.submit(MP4), ["a", "b"], [[0.0, 1.0], [1.0, 0.0]])
    query: dict[str, str | int] = {"metric": "cosine", "rolling_window_size": 1}
    answer = gateway.http.post("/get_video_captions", files={"video": ("a.mp4", MP4)}, params=query)
    assert json.loads(answer.text, parse_constant=pytest.fail)["distance_from_previous"][1] > 1e30
