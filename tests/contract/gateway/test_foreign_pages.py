"""What the gateway does for pages of elsewhere, as the requests arrive that browsers send for them."""

import socket

import httpx
import pytest

from framesense.schemas.problems import MEDIA_TYPE, Problem
from tests.support.gateway_process import MP4, Gateway, problem

EVIL = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
FORM = {"video": ("clip.mp4", MP4)}


def test_a_form_of_another_page_starts_nothing(gateway: Gateway) -> None:
    answer = gateway.http.post("/video_captions", files=FORM, params={"every_n_second": 10}, headers=EVIL)
    assert "GATEWAY_CORS_ORIGINS" in problem(answer, 403).detail
    assert gateway.http.get("/jobs").json()["jobs"] == []
    assert gateway.left_behind() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/sdapi/v1/interrupt"),
        ("POST", "/sdapi/v1/txt2img"),
        ("POST", "/caption"),
        ("POST", "/get_captions"),
        ("POST", "/edits"),
        ("POST", "/uploads"),
        ("PUT", "/models/captioner"),
        ("POST", "/references"),
        ("POST", "/label-sets"),
        ("DELETE", "/jobs/00000000000000000000000000000000"),
        ("POST", "/nowhere"),
    ],
)
@pytest.mark.parametrize("headers", [EVIL, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}])
def test_nothing_is_changed_for_another_page(gateway: Gateway, method: str, path: str, headers: dict[str, str]) -> None:
    problem(gateway.http.request(method, path, headers=headers), 403)


def test_a_job_is_deleted_by_programs_not_by_pages(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    override = {**EVIL, "X-HTTP-Method-Override": "DELETE"}
    problem(gateway.http.delete(f"/jobs/{job.id}", headers=EVIL), 403)
    problem(gateway.http.post(f"/jobs/{job.id}", headers=override), 403)
    assert gateway.http.get(f"/jobs/{job.id}").json()["state"] == "queued"
    assert gateway.http.delete(f"/jobs/{job.id}").is_success


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/jobs", "/ready", "/docs", "/sdapi/v1/progress"])
def test_a_rebound_name_gets_nothing(gateway: Gateway, method: str, path: str) -> None:
    host = f"evil.example:{gateway.http.base_url.port}"
    answer = gateway.http.request(method, path, headers={"Host": host, "Origin": f"http://{host}"})
    assert answer.status_code == 421
    if method != "HEAD":
        assert "ALLOWED_HOSTS" in problem(answer, 421).detail
    assert "access-control-allow-origin" not in answer.headers


def test_what_pages_are_told_of_others_is_closed_to_them(gateway: Gateway) -> None:
    answer = gateway.http.get("/jobs", headers=EVIL)
    assert problem(answer, 403)
    assert "access-control-allow-origin" not in answer.headers
    problem(gateway.http.get("/jobs", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}), 403)
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    assert gateway.http.get("/docs", headers=followed).status_code == 200
    preflight = {**EVIL, "Access-Control-Request-Method": "PUT"}
    assert gateway.http.options("/models/captioner", headers=preflight).status_code == 400


def test_the_page_of_the_ui_works(gateway: Gateway) -> None:
    ui = {"Origin": f"http://127.0.0.1:{gateway.settings.ui_public_port}", "Sec-Fetch-Site": "same-site"}
    answer = gateway.http.post("/uploads", headers={**ui, "Tus-Resumable": "1.0.0", "Upload-Length": "5"})
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == ui["Origin"]


def test_its_own_page_works(gateway: Gateway) -> None:
    own = {"Origin": str(gateway.http.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    answer = gateway.http.post("/video_captions", files=FORM, params={"every_n_second": 10}, headers=own)
    assert answer.status_code == 202


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "10.1.2.3"])
def test_programs_need_no_header(gateway: Gateway, host: str) -> None:
    answer = gateway.http.post("/sdapi/v1/interrupt", headers={"Host": f"{host}:8000"})
    assert answer.json() == {}


def test_http_without_a_host(gateway: Gateway) -> None:
    """HTTP/1.0 has none, and no browser speaks it."""
    url = httpx.URL(gateway.http.base_url)
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert b" 200 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_refused_preflight_says_why(gateway: Gateway) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
    answer = gateway.http.options("/jobs", headers=asked)
    assert (answer.status_code, answer.headers["content-type"]) == (400, MEDIA_TYPE)
    assert "GATEWAY_CORS_ORIGINS" in Problem.model_validate(answer.json()).detail
    assert "access-control-allow-origin" not in answer.headers
