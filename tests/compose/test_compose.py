"""The stack in containers, with a real Docker Engine: built, started, used, one of its workers killed."""

import io
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import skimage
import webuiapi
from PIL import Image, ImageStat

from tools.clip import STREET, render
from tools.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
COFFEE = Path(skimage.__file__).parent / "data" / "coffee.png"
OURS = ("gateway", "worker", "edit-worker", "captioner", "tagger", "editor", "ui")
MODEL_SERVERS = {"captioner", "tagger", "editor"}

pytestmark = [
    pytest.mark.compose,
    pytest.mark.timeout(1800),  # images are built and models loaded
    pytest.mark.skipif(shutil.which("docker") is None, reason="there is no Docker here"),
]


@dataclass(frozen=True)
class Project:
    name: str
    environment: Mapping[str, str]
    override: Path

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.environment['GATEWAY_PORT']}"

    @property
    def ui(self) -> str:
        return f"http://127.0.0.1:{self.environment['UI_PORT']}"

    def compose(self, *words: str, check: bool = True) -> str:
        """Standard output; fails with everything that was printed."""
        command = ["docker", "compose", "-p", self.name, "-f", "docker-compose.yml", "-f", str(self.override), *words]
        return _run(command, check=check, env={**os.environ, **self.environment})

    def containers(self, service: str) -> list[dict[str, Any]]:
        """What ``docker inspect`` says of a service's containers."""
        ids = self.compose("ps", "-aq", service).split()
        inspected: list[dict[str, Any]] = json.loads(_run(["docker", "inspect", *ids]))
        return inspected

    def python(self, service: str, code: str) -> str:
        return self.compose("exec", "-T", service, "python", "-c", code)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    override = tmp_path_factory.mktemp("compose") / "override.yml"
    short = "{environment: {JOB_LEASE: 3}}"  # so that a killed worker's job is taken over soon
    override.write_text(
        "services: {" + ", ".join(f"{name}: {short}" for name in ("worker", "edit-worker", "gateway")) + "}\n"
    )
    ports = {"BIND_ADDRESS": "127.0.0.1", "GATEWAY_PORT": str(free_port()), "UI_PORT": str(free_port())}
    own = Project(f"framesense-test-{secrets.token_hex(3)}", ports, override)
    own.compose("build")
    try:
        try:
            own.compose("up", "--detach", "--wait", "--scale", "worker=2")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{own.compose('logs', '--tail', '40')}") from error
        yield own
    finally:
        own.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)


def test_only_gateway_and_ui_are_published(project: Project) -> None:
    published = {
        service: {
            (binding["HostIp"], binding["HostPort"])
            for container in project.containers(service)
            for bindings in container["NetworkSettings"]["Ports"].values()
            for binding in bindings or []
        }
        for service in (*OURS, "redis")
    }
    assert published == {
        "gateway": {("127.0.0.1", project.environment["GATEWAY_PORT"])},
        "ui": {("127.0.0.1", project.environment["UI_PORT"])},
        "worker": set(),
        "edit-worker": set(),
        "captioner": set(),
        "tagger": set(),
        "editor": set(),
        "redis": set(),
    }


@pytest.mark.parametrize("service", [*OURS, "redis"])
def test_nobody_is_root_or_writes_to_the_image(project: Project, service: str) -> None:
    assert project.compose("exec", "-T", service, "id", "-u").strip() != "0"
    assert all(container["HostConfig"]["ReadonlyRootfs"] for container in project.containers(service))
    written = project.compose("exec", "-T", service, "sh", "-c", "touch /etc/x /usr/x 2>&1 || true")
    assert written.count("Read-only file system") == 2


@pytest.mark.parametrize("service", ["captioner", "tagger", "editor", "worker", "edit-worker", "redis"])
def test_what_is_inside_has_no_way_out(project: Project, service: str) -> None:
    networks = [name for container in project.containers(service) for name in container["NetworkSettings"]["Networks"]]
    inspected = json.loads(_run(["docker", "network", "inspect", *set(networks)]))
    assert inspected and all(network["Internal"] for network in inspected)


def test_services_know_one_another_by_secrets(project: Project) -> None:
    assert "NOAUTH" in project.compose("exec", "-T", "redis", "redis-cli", "get", "framesense:jobs")
    ask = "import httpx; print(httpx.get('http://captioner:8001/{}').status_code)"
    assert project.python("gateway", ask.format("ready")).strip() == "200"
    assert project.python("gateway", ask.format("models")).strip() == "401"


def test_only_model_servers_have_torch(project: Project) -> None:
    found = {
        service: project.python(service, "from importlib.util import find_spec; print(find_spec('torch') is not None)")
        for service in OURS
    }
    assert {service for service, has in found.items() if has.strip() == "True"} == MODEL_SERVERS


def test_model_servers_share_torchs_layer(project: Project) -> None:
    layers = [set(_layers(project.containers(service)[0]["Image"])) for service in sorted(MODEL_SERVERS)]
    base = set(_layers("python:3.11-slim-bookworm"))
    # Beyond the base image: the pins and torch.
    assert len(set.intersection(*layers) - base) >= 2


def test_images_hold_no_tests_and_no_training(project: Project) -> None:
    for service in OURS:
        listing = project.compose(
            "exec", "-T", service, "sh", "-c", "ls -d /src/* /models/* /cache/* /data/* 2>/dev/null || true"
        )
        assert "test" not in listing and "training" not in listing, listing
        for module in ("tests", "training", "tools"):
            code = f"from importlib.util import find_spec; print(find_spec('{module}'))"
            assert project.python(service, code).strip() == "None"


def test_the_demonstration_runs_through_the_containers(project: Project, tmp_path: Path) -> None:
    demo = _run(
        [sys.executable, "-m", "tools.demo", "--gateway", project.gateway, "--once", "--out", str(tmp_path)],
        env={**os.environ, **project.environment},
    )
    assert "Odd moments" in demo
    assert demo.count("✓ found") == 9 and "✗" not in demo
    assert len(json.loads((tmp_path / "street-result.json").read_text())["moments"]) >= 2
    assert (tmp_path / "street-novelty.png").stat().st_size > 10_000
    assert (tmp_path / "doorstep-highlights.mp4").stat().st_size > 10_000


def test_a_photo_is_edited_over_rest_and_by_a1111s_client(project: Project) -> None:
    with httpx.Client(base_url=project.gateway, timeout=180) as http:
        asked = {"prompt": "a cup at night", "strength": "0.8", "seed": "7"}
        files = {"image": ("coffee.png", COFFEE.read_bytes(), "image/png")}
        job = http.post("/edits", data=asked, files=files).raise_for_status().json()
        assert list(_events(http, job["id"]))[-1]["state"] == "succeeded"
        (made,) = http.get(f"/jobs/{job['id']}/result").raise_for_status().json()["images"]
        edited = Image.open(io.BytesIO(http.get(made["image_url"]).raise_for_status().content)).convert("L")
    photo = Image.open(COFFEE)
    assert made["agreement"] is not None, "the worker reaches the tagger"
    assert edited.size == photo.size
    darker = ImageStat.Stat(edited).mean[0] / ImageStat.Stat(photo.convert("L")).mean[0]
    assert darker < 0.8
    client = webuiapi.WebUIApi(host="127.0.0.1", port=int(project.environment["GATEWAY_PORT"]))
    answer = client.img2img(
        images=[photo], prompt="a cup at night", denoising_strength=0.8, seed=7, steps=12, width=600, height=400
    )
    assert answer.image.size == (600, 400)
    assert answer.info["seed"] == 7


def test_the_pages_are_served_and_reach_the_gateway(project: Project) -> None:
    assert httpx.get(project.ui).is_success
    code = "import os, urllib.request as u; print(u.urlopen(os.environ['GATEWAY_URL'] + '/ready').status)"
    assert project.python("ui", code).strip() == "200"


def test_another_worker_finishes_a_killed_workers_job(project: Project, tmp_path: Path) -> None:
    street = render(STREET, tmp_path)
    with httpx.Client(base_url=project.gateway, timeout=60) as http:
        files = {"video": (street.name, street.read_bytes(), "video/mp4")}
        job = http.post("/video_captions", data={"every_n_second": "0.2"}, files=files).raise_for_status().json()
        states = _events(http, job["id"])
        next(state for state in states if state["progress"]["done"] > 0)
        (killed,) = [c for c in project.containers("worker") if f"job {job['id']}: started" in _log(c)]
        _run(["docker", "kill", killed["Id"]])
        last = list(states)[-1]
        assert last["state"] == "succeeded", last
        frames = http.get(f"/jobs/{job['id']}/result").raise_for_status().json()["frames"]
    assert [frame["index"] for frame in frames] == list(range(300))
    (other,) = [c for c in project.containers("worker") if c["Id"] != killed["Id"]]
    assert f"job {job['id']}: started" in _log(other)


def _events(http: httpx.Client, job_id: str) -> Iterator[dict[str, Any]]:
    with http.stream("GET", f"/jobs/{job_id}/events", timeout=300) as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                state: dict[str, Any] = json.loads(line.removeprefix("data:"))
                yield state
                if state["finished_at"]:
                    return


def _layers(image: str) -> list[str]:
    layers: list[str] = json.loads(_run(["docker", "image", "inspect", image]))[0]["RootFS"]["Layers"]
    return layers


def _log(container: Mapping[str, Any]) -> str:
    return _run(["docker", "logs", container["Id"]])


def _run(command: list[str], *, check: bool = True, env: Mapping[str, str] | None = None) -> str:
    ran = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    assert ran.returncode == 0 or not check, f"{' '.join(command)}:\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout if command[1] != "logs" else ran.stdout + ran.stderr
