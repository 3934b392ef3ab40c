"""Who is let through where keys are required, by what, and what the others are told."""

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from framesense.schemas.access import SESSION_COOKIE, KeyLimits, Scope
from framesense.schemas.jobs import Job
from gateway.access.audit import LOGGER
from tests.support.gateway_process import MP4, Gateway, problem
from tests.support.keyed_gateway import KeyedClient, KeyedGateway, running_keyed_gateway
from tools.settings import StackSettings
from tools.stack import first_key_hint


@pytest.fixture
def keyed(redis_url: str, tmp_path: Path) -> Iterator[KeyedGateway]:
    with running_keyed_gateway(redis_url, tmp_path) as running:
        yield running


@pytest.fixture
def reader(keyed: KeyedGateway) -> KeyedClient:
    return keyed.client("rita", Scope.READ)


@pytest.fixture
def sender(keyed: KeyedGateway) -> KeyedClient:
    return keyed.client("sam", Scope.SUBMIT)


@pytest.fixture
def admin(keyed: KeyedGateway) -> KeyedClient:
    return keyed.client("ada", Scope.ADMIN)


def signed_in(keyed: KeyedGateway, client: KeyedClient) -> httpx.Client:
    browser = httpx.Client(base_url=keyed.anonymous.base_url, timeout=30)
    assert browser.post("/session", json={"key": client.text}).status_code == 200
    return browser


ENTRIES = [
    ("GET", "/jobs"),
    ("GET", "/jobs/0"),
    ("GET", "/jobs/0/video"),
    ("GET", "/jobs/0/events"),
    ("POST", "/caption"),
    ("POST", "/video_captions"),
    ("POST", "/uploads"),
    ("OPTIONS", "/uploads"),
    ("PATCH", "/uploads/0"),
    ("GET", "/metrics"),
    ("PUT", "/models/captioner"),
    ("POST", "/sdapi/v1/txt2img"),
    ("GET", "/sdapi/v1/options"),
    ("GET", "/nowhere"),
    ("GET", "/%3Fx"),
    ("GET", "/health%3F/../jobs"),
    ("GET", "/%2e/jobs"),
    ("GET", "/jobs/"),
    ("get", "/jobs"),
    ("TRACE", "/jobs"),
]


@pytest.mark.parametrize(("method", "path"), ENTRIES)
def test_nothing_is_open_before_there_is_a_key(keyed: KeyedGateway, method: str, path: str) -> None:
    answer = keyed.anonymous.request(method, path)
    assert "framesense keys add" in problem(answer, 401).detail
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), ENTRIES)
def test_nothing_is_open_without_one(keyed: KeyedGateway, reader: KeyedClient, method: str, path: str) -> None:
    assert "Bearer" in problem(keyed.anonymous.request(method, path), 401).detail


def test_make_up_says_how_to_make_the_first_key(keyed: KeyedGateway) -> None:
    settings = StackSettings(bind_address="127.0.0.1", gateway_port=keyed.anonymous.base_url.port or 80)
    assert "framesense keys add" in str(first_key_hint(settings))
    keyed.client("ada", Scope.ADMIN)
    assert first_key_hint(settings) is None


@pytest.mark.parametrize("path", ["/", "/health", "/docs", "/redoc", "/openapi.json", "/session"])
def test_what_is_for_everybody_needs_none(keyed: KeyedGateway, path: str) -> None:
    assert keyed.anonymous.get(path).status_code == 200
    assert keyed.anonymous.head(path).status_code == 200


def test_readiness_needs_none(keyed: KeyedGateway) -> None:
    assert keyed.anonymous.get("/ready").status_code in (200, 503)


def test_a_key_comes_as_bearer_or_as_a_password(keyed: KeyedGateway, reader: KeyedClient) -> None:
    assert reader.http.get("/jobs").status_code == 200
    assert keyed.anonymous.get("/jobs", auth=("anyone", reader.text)).status_code == 200
    problem(keyed.anonymous.get("/jobs", auth=("anyone", "secret")), 401)
    problem(keyed.anonymous.get("/jobs", params={"key": reader.text}), 401)


def test_a_scope_is_named_where_it_is_missing(reader: KeyedClient, sender: KeyedClient, admin: KeyedClient) -> None:
    refused = problem(reader.http.post("/video_captions", files={"video": ("a.mp4", MP4)}), 403)
    assert "scope submit" in refused.detail and "rita" in refused.detail and "has read" in refused.detail
    assert "scope admin" in problem(sender.http.put("/models/captioner", json={"model": "embedded"}), 403).detail
    assert "scope admin" in problem(sender.http.get("/metrics"), 403).detail
    assert admin.http.get("/metrics").status_code == 200
    for http in (reader.http, sender.http, admin.http):
        assert http.get("/nowhere").status_code == 404 and http.patch("/jobs").status_code == 405


def test_a_refused_upload_leaves_nothing(keyed: KeyedGateway, reader: KeyedClient) -> None:
    for http in (keyed.anonymous, reader.http):
        assert http.post("/video_captions", files={"video": ("a.mp4", MP4)}).status_code in (401, 403)
        assert http.post("/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "5"}).status_code in (401, 403)
    assert keyed.gateway.left_behind() == []


def test_caches_on_the_way_keep_nothing_for_others(keyed: KeyedGateway, sender: KeyedClient) -> None:
    answer = sender.http.post("/video_captions", files={"video": ("a.mp4", MP4)}, params={"every_n_second": 10})
    job = Job.model_validate(answer.json())
    keyed.gateway.analyse(job, ["a dog"], [[1.0, 0.0]])
    for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/frames/0.jpg"):
        answer = sender.http.get(path)
        assert answer.status_code == 200 and answer.headers["cache-control"].startswith("private")


def test_a_method_cannot_be_disguised(reader: KeyedClient, sender: KeyedClient) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    upload = sender.http.post("/uploads", headers={**tus, "Upload-Length": "5"}).headers["location"]
    problem(reader.http.post(upload, headers={**tus, "X-HTTP-Method-Override": "DELETE"}), 403)
    assert sender.http.head(upload, headers=tus).status_code == 200


def test_a_browser_signs_in_and_out(keyed: KeyedGateway, sender: KeyedClient) -> None:
    assert keyed.anonymous.get("/session").json() == {"required": True, "key": None}
    browser = httpx.Client(base_url=keyed.anonymous.base_url, timeout=30)
    answer = browser.post("/session", json={"key": f" {sender.text}\n"})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie and "Secure" not in cookie
    assert sender.text not in cookie and answer.headers["cache-control"] == "no-store"
    shown = browser.get("/session").json()["key"]
    assert (shown["id"], shown["name"], shown["scopes"]) == (sender.key.id, "sam", ["submit"])
    assert browser.get("/jobs").status_code == 200
    token = browser.cookies[SESSION_COOKIE]
    assert browser.delete("/session").status_code == 204 and SESSION_COOKIE not in browser.cookies
    problem(browser.get("/jobs"), 401)
    stolen = problem(keyed.anonymous.get("/jobs", headers={"Cookie": f"{SESSION_COOKIE}={token}"}), 401)
    assert "Sign in again" in stolen.detail


def test_behind_a_proxy_that_speaks_tls_the_cookie_is_for_tls_alone(keyed: KeyedGateway, sender: KeyedClient) -> None:
    headers = {"X-Forwarded-Proto": "https"}
    answer = keyed.anonymous.post("/session", json={"key": sender.text}, headers=headers)
    assert "Secure" in answer.headers["set-cookie"]


def test_a_session_ends_with_its_key_and_in_time(keyed: KeyedGateway, sender: KeyedClient, redis_url: str) -> None:
    browser = signed_in(keyed, sender)
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        (name,) = redis.scan_iter("framesense:session:*")
        assert 0 < redis.ttl(name) <= keyed.gateway.settings.session_lifetime
        assert browser.cookies[SESSION_COOKIE] not in name and redis.get(name) == sender.key.id
    keyed.keys.revoke(sender.key.id)
    problem(browser.get("/jobs"), 401)
    problem(sender.http.get("/jobs"), 401)
    assert browser.get("/session").json()["key"] is None


@pytest.mark.parametrize("body", [{}, {"key": ""}, {"key": 5}, {"key": 300 * "a"}, {"key": "a", "other": 1}])
def test_a_sign_in_that_is_none(keyed: KeyedGateway, body: dict[str, object]) -> None:
    problem(keyed.anonymous.post("/session", json=body), 422)


def test_wrong_keys_are_slowed_down(redis_url: str, tmp_path: Path) -> None:
    with running_keyed_gateway(redis_url, tmp_path, wrong_keys_a_minute=3) as keyed:
        client = keyed.client("sam", Scope.SUBMIT)
        browser = signed_in(keyed, client)
        problem(keyed.anonymous.get("/jobs", headers={"Authorization": "Bearer guess"}), 401)
        problem(keyed.anonymous.get("/jobs", auth=("sam", "guess")), 401)
        problem(keyed.anonymous.post("/session", json={"key": "guess"}), 401)
        for http in (client.http, httpx.Client(base_url=keyed.anonymous.base_url, auth=("sam", "guess"), timeout=30)):
            refused = http.get("/jobs")
            assert "wrong keys" in problem(refused, 429).detail and 0 < int(refused.headers["retry-after"]) <= 60
        problem(keyed.anonymous.post("/session", json={"key": client.text}), 429)
        assert browser.get("/jobs").status_code == 200, "whoever is signed in already goes on"
        elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(
            base_url=client.http.base_url, headers=client.http.headers, transport=elsewhere, timeout=30
        ) as other:
            assert other.get("/jobs").status_code == 200


def test_a_key_has_its_requests_a_minute(keyed: KeyedGateway) -> None:
    client = keyed.client("sam", Scope.READ, KeyLimits(requests=3))
    assert [client.http.get("/jobs").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.http.get("/jobs")
    assert "3 requests a minute" in problem(refused, 429).detail and int(refused.headers["retry-after"]) > 0
    assert keyed.client("ada", Scope.ADMIN).http.get("/jobs").status_code == 200


def test_keys_that_cannot_be_read_let_nobody_through(keyed: KeyedGateway, sender: KeyedClient) -> None:
    keyed.keys.file.write_text("{")
    for answer in (sender.http.get("/jobs"), keyed.anonymous.get("/jobs"), sender.http.get("/session")):
        assert problem(answer, 503).type.endswith("keys-unreadable")


def test_a_page_of_the_ui_may_use_its_cookie_others_not(keyed: KeyedGateway, sender: KeyedClient) -> None:
    ui = f"http://127.0.0.1:{keyed.gateway.settings.ui_public_port}"
    preflight = {
        "Origin": ui,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = keyed.anonymous.options("/session", headers=preflight)
    assert answer.headers["access-control-allow-origin"] == ui
    assert answer.headers["access-control-allow-credentials"] == "true"
    refused = keyed.anonymous.get("/jobs", headers={"Origin": ui})
    assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == ui
    problem(
        keyed.anonymous.post("/session", json={"key": sender.text}, headers={"Origin": "https://evil.example"}), 403
    )


def test_pages_that_are_allowed_besides_have_no_credentials(redis_url: str, tmp_path: Path) -> None:
    studio = "http://127.0.0.1:3000"
    with running_keyed_gateway(redis_url, tmp_path, gateway_cors_origins=[studio]) as keyed:
        answer = keyed.anonymous.get("/health", headers={"Origin": studio})
        assert answer.headers["access-control-allow-origin"] in (studio, "*")
        assert "access-control-allow-credentials" not in answer.headers


def test_the_audit_log_tells_what_happened_and_no_key(
    keyed: KeyedGateway, sender: KeyedClient, admin: KeyedClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        keyed.anonymous.get("/jobs")
        problem(keyed.anonymous.post("/session", json={"key": f"{sender.text}x"}), 401)
        browser = signed_in(keyed, sender)
        answer = browser.post("/video_captions", files={"video": ("a.mp4", MP4)}, params={"every_n_second": 10})
        browser.delete(f"/jobs/{answer.json()['id']}", headers={"X-Request-ID": "request-7"})
        browser.put("/models/captioner", json={"model": "embedded"})
        keyed.keys.revoke(admin.key.id)
        browser.get("/jobs")
        token = browser.cookies[SESSION_COOKIE]
        browser.delete("/session")
    lines = [json.loads(found.getMessage()) for found in caplog.records if found.name == LOGGER]
    assert [line["event"] for line in lines] == [
        "key-added",
        "key-added",
        "refused",
        "refused",
        "sign-in",
        "deleted",
        "refused",
        "key-revoked",
        "sign-out",
    ]
    assert [line["why"] for line in lines if line["event"] == "refused"] == [
        "key-required",
        "wrong-key",
        "missing-scope",
    ]
    assert [line["key"] for line in lines if line["event"] == "refused"] == ["", "", sender.key.id]
    deleted = lines[5]
    assert (
        deleted["key"] == sender.key.id and deleted["address"] == "127.0.0.1" and deleted["request_id"] == "request-7"
    )
    assert deleted["what"].startswith("DELETE /jobs/") and deleted["time"].endswith("+00:00")
    ours = "\n".join(found.getMessage() for found in caplog.records if not found.name.startswith("http"))
    secrets = [sender.text.split("_", 2)[2], token, base64.b64encode(sender.text.encode()).decode()]
    assert [secret for secret in secrets if secret in ours] == []


def test_where_none_are_required_keys_mean_nothing(gateway: Gateway) -> None:
    assert gateway.http.get("/session").json() == {"required": False, "key": None}
    assert gateway.http.get("/jobs", headers={"Authorization": "Bearer anything"}).status_code == 200
    assert gateway.http.get("/jobs", headers={"Cookie": f"{SESSION_COOKIE}=old"}).status_code == 200
