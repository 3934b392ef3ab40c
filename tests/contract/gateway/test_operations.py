"""What those who run the gateway see: readiness, metrics, cross-origin rules, and no surprises when parts are gone."""

import os
import socket
import time
from collections import defaultdict
from pathlib import Path

import httpx
import pytest
from redis import Redis

from framesense.http.app import create_service
from framesense.jobs.payloads import VideoPayload
from framesense.jobs.queue import create_celery, enqueue
from framesense.schemas.jobs import Job, JobState
from framesense.settings import JobSettings
from framesense.storage.analyses import video_key
from gateway.jobs.expiry import FORM_SECONDS
from gateway.settings import GatewaySettings
from tests.support.gateway_edits import send_edit
from tests.support.gateway_process import MP4, Gateway, problem, running_gateway, served
from tests.support.waiting import wait_until
from tools.processes import free_port


def test_ready_names_what_does_not_work_though_the_rest_does(redis_url: str, tmp_path: Path) -> None:
    editor = create_service("editor")
    with served(editor) as (url, stop), running_gateway(redis_url, tmp_path, editor_url=url) as gateway:
        listeners = gateway.dependencies.listeners
        checks = ["captioner", "redis", "storage", "tagger"]

        def ready() -> dict[str, str]:
            answer = gateway.http.get("/ready")
            assert answer.status_code == 200
            told = answer.json()
            warnings = told.pop("warnings", {})
            assert told == {"status": "degraded" if warnings else "ready", "checks": checks}
            assert all(len(warning) > 20 for warning in warnings.values())
            return dict(warnings)

        assert set(ready()) == {"queue video", "queue dataset", "queue edit"}
        listeners.beat("worker", ["video", "dataset"])
        wait_until(lambda: set(ready()) == {"queue edit"})
        waits = Job.model_validate(gateway.http.get(f"/jobs/{send_edit(gateway).id}").json())
        assert waits.warning and "'edit'" in waits.warning
        listeners.beat("edit-worker", ["edit"])
        wait_until(lambda: ready() == {})
        assert gateway.http.get(f"/jobs/{waits.id}").json()["warning"] is None
        stop()
        wait_until(lambda: set(ready()) == {"editor"})


def test_metrics_count_jobs_and_those_that_wait_once(gateway: Gateway, redis_url: str) -> None:
    job = gateway.submit(MP4)
    enqueue(create_celery(JobSettings(redis_url=redis_url)), job.kind, job.id)  # as after a worker's death
    gateway.jobs.cancel(gateway.submit(MP4).id)
    told = gateway.http.get("/metrics").text
    assert 'framesense_jobs{state="queued"} 1.0' in told
    assert 'framesense_jobs{state="cancelled"} 1.0' in told
    assert 'framesense_jobs{state="failed"} 0.0' in told
    assert 'framesense_queue_length{queue="video"} 1.0' in told
    assert 'framesense_queue_workers{queue="video"} 0.0' in told
    assert "framesense_disk_free_bytes" in told and 'le="300.0"' in told
    assert 'route="/jobs/{job_id}"' not in told or gateway.jobs.page().jobs[0].id not in told


def test_without_redis_everything_says_so(tmp_path: Path) -> None:
    with running_gateway(f"redis://127.0.0.1:{free_port()}/0", tmp_path) as gateway:
        for path in ("/jobs", f"/jobs/{'0' * 32}", f"/jobs/{'0' * 32}/events"):
            answer = gateway.http.get(path)
            problem(answer, 503)
            assert answer.headers["retry-after"]
        problem(gateway.http.post("/video_captions", files={"video": ("a.mp4", MP4)}), 503)
        assert "redis" in problem(gateway.http.get("/ready"), 503).detail
        assert gateway.http.get("/health").status_code == 200
        assert "http_requests_total" in gateway.http.get("/metrics").text
        assert gateway.http.post("/caption", files={"image": ("a.png", b"picture")}).status_code == 200
        assert gateway.left_behind() == []


def test_model_servers_that_are_silent_hold_nothing_up(redis_url: str, tmp_path: Path) -> None:
    """As a stopped process does, a listener takes connections and never answers. The client waits 30 s at most."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with running_gateway(redis_url, tmp_path, captioner_url=url, tagger_url=url, probe_timeout=0.2) as gateway:
            told = problem(gateway.http.get("/ready"), 503).detail
            assert "captioner" in told and "tagger" in told
            assert set(gateway.http.get("/models").json()["unavailable"]) >= {"captioner", "tagger"}
            assert gateway.submit(MP4).state is JobState.QUEUED


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://127.0.0.1:8501", None, True),
        ("http://127.0.0.1:8502", None, False),
        ("https://127.0.0.1", None, False),
        ("http://media.example:8501", "media.example:8000", True),
        ("http://[::1]:8501", "[::1]:8000", True),
        ("https://listed.example", None, True),
        ("https://evil.example", None, False),
        ("http://127.0.0.1.evil.example", None, False),
        ("null", None, False),
        ("http://[", None, False),
    ],
)
def test_which_pages_may_call(
    redis_url: str, cors_gateway: Gateway, origin: str, host: str | None, allowed: bool
) -> None:
    headers = {"Origin": origin, **({"Host": host} if host else {})}
    answer = cors_gateway.http.get("/jobs", headers=headers)
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
    if allowed:
        exposed = answer.headers["access-control-expose-headers"].lower()
        for name in ("location", "upload-offset", "x-request-id", "preference-applied", "tus-resumable"):
            assert name in exposed

    preflight = {
        **headers,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "upload-offset,tus-resumable,content-type",
    }
    answer = cors_gateway.http.options("/uploads/x", headers=preflight)
    assert (answer.status_code == 200) is allowed
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)


def test_problems_are_readable_across_origins(cors_gateway: Gateway) -> None:
    answer = cors_gateway.http.get(f"/jobs/{'0' * 32}", headers={"Origin": "https://listed.example"})
    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == "https://listed.example"


@pytest.fixture(scope="module")
def cors_gateway(redis_process: str, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("cors")
    origins = "https://listed.example, https://b.example"
    with running_gateway(redis_process, folder, gateway_cors_origins=origins, allowed_hosts="media.example") as it:
        yield it


def test_origins_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", "https://a.example, https://b.example")
    assert GatewaySettings().gateway_cors_origins == ["https://a.example", "https://b.example"]


def test_old_jobs_and_their_blobs_are_swept(redis_url: str, tmp_path: Path) -> None:
    with running_gateway(redis_url, tmp_path, housekeeping_interval=0.05, job_retention=1) as gateway:
        finished, queued = gateway.submit(MP4 + b"old"), gateway.submit(MP4 + b"new")
        key = gateway.analyse(finished, ["a dog"], [[0, 1]])
        wait_until(lambda: gateway.jobs.get(finished.id) is None)
        wait_until(lambda: len(gateway.storage.list("videos")) == 1)
        assert gateway.analyses.load(key) is None
        assert gateway.jobs.get(queued.id) is not None


def test_a_job_that_cannot_be_queued_leaves_nothing(gateway: Gateway) -> None:
    with Redis.from_url(gateway.settings.redis_url) as redis:
        redis.set("video", "not a list: pushing a task onto it fails")
    answer = gateway.http.post("/video_captions", files={"video": ("a.mp4", MP4)})
    assert answer.status_code >= 500
    assert gateway.jobs.page().total == 0
    assert gateway.storage.list("videos") == []


def test_blobs_that_no_job_refers_to_are_swept_once_they_are_old(redis_url: str, tmp_path: Path) -> None:
    with running_gateway(redis_url, tmp_path, housekeeping_interval=0.05, orphan_grace=1) as gateway:
        job = gateway.submit(MP4 + b"kept")
        for key in ("videos/a/source", "analyses/b/chunks/0.npz", "photosets/c/source", "taggings/d/e", "edits/f/mask"):
            gateway.storage.write(key, b"left by a gateway that died")
        assert len(gateway.storage.list("videos")) == 2, "too young to be taken for an orphan"
        others = ("analyses", "photosets", "taggings", "edits")
        wait_until(lambda: not any(gateway.storage.list(root) for root in others))
        wait_until(lambda: len(gateway.storage.list("videos")) == 1)
        sha256 = gateway.jobs.payload(job.id, VideoPayload).video.sha256
        assert gateway.storage.exists(video_key(sha256))


def test_the_file_of_a_form_that_a_gateway_died_at_is_swept(redis_url: str, tmp_path: Path) -> None:
    with running_gateway(redis_url, tmp_path, housekeeping_interval=0.05) as gateway:
        upload = gateway.http.post("/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "1000"})
        for name in ("form-01", "form-02"):
            (gateway.settings.upload_folder / name).write_bytes(b"half a video")
        long_ago = time.time() - FORM_SECONDS - 1
        os.utime(gateway.settings.upload_folder / "form-01", (long_ago, long_ago))
        wait_until(lambda: "form-01" not in gateway.left_behind())
        assert len(gateway.left_behind()) == 3, "a form may be at work, an upload may still be gone on with"
        assert upload.status_code == 201


def test_a_job_carries_the_id_of_its_request_for_its_worker_s_log(gateway: Gateway) -> None:
    files = {"video": ("a.mp4", MP4)}
    sent = gateway.http.post("/video_captions?every_n_second=10", files=files, headers={"X-Request-ID": "night-7"})
    assert gateway.jobs.payload(sent.json()["id"], VideoPayload).request_id == "night-7"


def test_unknown_addresses_and_methods_are_problems(gateway: Gateway) -> None:
    assert "/docs" in problem(gateway.http.get("/nothing"), 404).detail
    answer: httpx.Response = gateway.http.put("/jobs")
    assert "GET" in problem(answer, 405).detail


def test_the_root_sends_browsers_to_the_documentation(gateway: Gateway) -> None:
    answer = gateway.http.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 307
    page = gateway.http.get(answer.headers["location"])
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_the_root_tells_programs_where_everything_is(gateway: Gateway) -> None:
    found = gateway.http.get("/").json()
    described = gateway.http.get("/openapi.json").json()["info"]
    assert (found["name"], found["version"]) == (described["title"], described["version"])
    for path in found["links"].values():
        assert gateway.http.get(path).status_code in (200, 503), path


def test_head_is_answered_wherever_there_is_a_get(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    gateway.analyse(job, ["a", "b"], [[0.0, 1.0], [1.0, 0.0]])
    paths = gateway.http.get("/openapi.json").json()["paths"]
    for path in sorted(path for path, methods in paths.items() if "get" in methods):
        address = path.format_map(defaultdict(lambda: "0", job_id=job.id, export_format="csv", name="rooms"))
        got, asked = gateway.http.get(address), gateway.http.head(address)
        assert (asked.status_code, asked.content) == (got.status_code, b""), address
        assert asked.headers.get("content-type") == got.headers.get("content-type"), address


def test_a_request_id_of_any_bytes_passes_through_to_the_model_servers(gateway: Gateway) -> None:
    for odd in (b"\xe9\xfc", b"\xff" * 64, b"a b", b"x" * 5000):
        files = {"images": ("a.png", b"picture", "image/png")}
        answer = gateway.http.post("/caption", files=files, headers=[(b"X-Request-ID", odd)])
        assert answer.status_code == 200
        assert answer.headers["x-request-id"].isalnum()
