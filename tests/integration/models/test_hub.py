"""Fetching models from a hub that runs here, on real files: resumed, checked, pinned, and then used offline."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import skimage

from framesense.schemas.captions import CaptionResponse
from framesense.schemas.models import ModelPhase, ModelsResponse
from tests.support import tiny_models as tiny
from tests.support.hub_server import Hub, running_hub
from tests.support.processes import running_server
from tests.support.waiting import wait_until
from tools.processes import free_port

COFFEE = (Path(skimage.__file__).parent / "data" / "coffee.png").read_bytes()
NAME = "salesforce/tiny-blip"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as a repository holds it: with weights for other frameworks beside, and a readme."""
    folder = tiny.blip(tmp_path_factory.mktemp("repository") / "blip")
    (folder / "vocabulary.model").write_bytes(random.Random(0).randbytes(40_000_000))
    for other in ("tf_model.h5", "pytorch_model.bin", "README.md", "model.fp16.safetensors"):
        (folder / other).write_bytes(b"x" * 1000)
    return folder


@pytest.fixture
def hub(folder: Path) -> Iterator[Hub]:
    with running_hub() as hub:
        hub.repositories[NAME] = folder
        yield hub


def fetch(hub: Hub, home: Path, *models: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs the fetcher as ``make models`` does, in a process of its own."""
    process = start_fetch(hub, home, *models, **environment)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def start_fetch(hub: Hub, home: Path, *models: str, **environment: str) -> "subprocess.Popen[str]":
    own = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    own |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DOWNLOAD_TIMEOUT": "60"}
    command = [sys.executable, "-m", "framesense.models.hub", *models]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env={**own, **environment}, stdout=pipe, stderr=pipe, text=True)


def cached(home: Path, hub: Hub) -> Path:
    return home / "hub" / f"models--{NAME.replace('/', '--')}" / "snapshots" / hub.commit(NAME)


def test_what_is_needed_arrives_and_the_captioner_starts_offline(hub: Hub, tmp_path: Path) -> None:
    done = fetch(hub, tmp_path, f"hf:{NAME}")
    assert done.returncode == 0, done.stderr
    assert "their sums are right" in done.stdout
    names = {path.name for path in cached(tmp_path, hub).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not names & {"tf_model.h5", "pytorch_model.bin", "README.md", "model.fp16.safetensors"}
    lock = json.loads((tmp_path / "models.lock.json").read_text())
    entry = lock[f"{NAME}@main"]
    assert entry["commit"] == hub.commit(NAME)
    assert len(entry["files"]["model.safetensors"]["sha256"]) == 64

    sent = hub.sent.total()
    again = fetch(hub, tmp_path, f"hf:{NAME}")
    assert again.returncode == 0, again.stderr
    assert hub.sent.total() == sent

    offline = {"hf_home": tmp_path, "hf_endpoint": f"http://127.0.0.1:{free_port()}"}
    with running_server("captioner", tmp_path, captioner_model=f"hf:{NAME}", **offline) as server:
        answer = httpx.post(f"{server.url}/caption", files={"image": ("a.png", COFFEE)}, trust_env=False, timeout=120)
        found = CaptionResponse.model_validate_json(answer.content)
        assert (found.model.family, found.model.revision) == ("blip", hub.commit(NAME))


def test_a_broken_transfer_goes_on_where_it_stopped(hub: Hub, folder: Path, tmp_path: Path) -> None:
    large = "vocabulary.model"
    hub.stall_after = 25_000_000
    killed = start_fetch(hub, tmp_path, f"hf:{NAME}")
    assert hub.stalled.wait(120)
    wait_until(lambda: _has_grown(tmp_path, killed))
    killed.kill()
    killed.wait()
    hub.stall_after = None
    before = hub.sent[large]
    done = fetch(hub, tmp_path, f"hf:{NAME}")
    assert done.returncode == 0, done.stderr
    assert (cached(tmp_path, hub) / large).read_bytes() == (folder / large).read_bytes()
    assert hub.ranges and all(int(asked.removeprefix("bytes=").rstrip("-")) >= 10_000_000 for asked in hub.ranges)
    assert hub.sent[large] - before < 31_000_000
    assert not list(tmp_path.rglob("*.part"))


def _has_grown(home: Path, process: "subprocess.Popen[str]") -> bool:
    assert process.poll() is None
    return any(part.stat().st_size > 10_000_000 for part in home.rglob("*.part"))


def test_a_connection_that_breaks_is_taken_up_again_at_once(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.break_once = 25_000_000
    done = fetch(hub, tmp_path, f"hf:{NAME}")
    assert done.returncode == 0, done.stderr
    assert hub.ranges
    large = "vocabulary.model"
    assert (cached(tmp_path, hub) / large).read_bytes() == (folder / large).read_bytes()


def test_a_damaged_file_is_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.damaged.add("model.safetensors")
    done = fetch(hub, tmp_path, f"hf:{NAME}")
    assert done.returncode == 1
    assert "model.safetensors is damaged" in done.stderr
    assert not (cached(tmp_path, hub) / "model.safetensors").exists()
    hub.damaged.clear()
    assert fetch(hub, tmp_path, f"hf:{NAME}").returncode == 0


def test_the_lock_pins_the_commit(hub: Hub, folder: Path, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path / "one", f"hf:{NAME}").returncode == 0
    lock = tmp_path / "one" / "models.lock.json"
    first = hub.commit(NAME)
    (folder / "README.md").write_text("a new commit")
    assert hub.commit(NAME) != first
    moved = fetch(hub, tmp_path / "two", f"hf:{NAME}", MODELS_LOCK=str(lock))
    assert moved.returncode == 1  # the commit that was pinned is gone from this hub: nothing else is taken in its place
    assert "no such revision" in moved.stderr
    document = json.loads(lock.read_text())
    document[f"{NAME}@main"]["commit"] = hub.commit(NAME)
    document[f"{NAME}@main"]["files"]["model.safetensors"]["sha256"] = "0" * 64
    lock.write_text(json.dumps(document))
    other = fetch(hub, tmp_path / "two", f"hf:{NAME}", MODELS_LOCK=str(lock))
    assert other.returncode == 1
    assert "another sum" in other.stderr


def test_what_goes_wrong_is_told_with_what_to_do(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.repositories["meta/gated"] = folder
    hub.gated.add("meta/gated")
    cases = {
        "hf:nobody/nothing": "Check the name",
        "hf:meta/gated": "https://huggingface.co/meta/gated",
        f"hf:{NAME}@nonsense": "no such revision",
        "gpt": "or a tier: embedded, standard, large",
        "open_clip:ViT-B-32/nonsense": "laion2b_s34b_b79k",
    }
    for name, words in cases.items():
        done = fetch(hub, tmp_path, name)
        assert done.returncode == 1, name
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    hub.url = f"http://127.0.0.1:{free_port()}"
    done = fetch(hub, tmp_path, f"hf:{NAME}")
    assert done.returncode == 1
    assert "the hub cannot be reached" in done.stderr
    assert "offline" in fetch(hub, tmp_path, f"hf:{NAME}", HF_HUB_OFFLINE="1").stderr.lower()
    assert fetch(hub, tmp_path, "embedded").returncode == 0


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collections import namedtuple

    from framesense.models import hub as fetching

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage(10, 5, 500_000_100))
    made = fetching.Fetcher(tmp_path, fetching.Lock(tmp_path / "lock"), print)
    made._hub.endpoint = hub.url
    with pytest.raises(fetching.FetchError, match="set HF_HOME to a larger disk"):
        made.fetch(fetching.ModelSpec.parse(f"hf:{NAME}"))
    assert hub.sent.total() == 0


def test_a_model_that_was_not_fetched_is_told_by_the_service(tmp_path: Path) -> None:
    with running_server(
        "captioner", tmp_path, ready=False, captioner_model="hf:nobody/nothing", hf_home=tmp_path
    ) as server:
        server.wait_until_healthy()
        wait_until(lambda: "being loaded" not in httpx.get(f"{server.url}/ready", trust_env=False, timeout=60).text)
        answer = httpx.get(f"{server.url}/ready", trust_env=False, timeout=60)
        assert answer.status_code == 503
        assert "make models MODELS=hf:nobody/nothing" in answer.text
        (state,) = ModelsResponse.model_validate_json(
            httpx.get(f"{server.url}/models", trust_env=False, timeout=60).content
        ).states
        assert state.state is ModelPhase.FAILED
        assert "make models" in (state.detail or "")
        assert "make models MODELS=hf:nobody/nothing" in server.log
