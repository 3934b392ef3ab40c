"""The API's description against a running stack: schemathesis sends what the description allows and what it does not,
alone and in sequences that follow from one another, and every answer must be one that is described.

``FUZZ_SECONDS`` is how long (`make test-fuzz`: ten minutes); ``FUZZ_SEED`` makes another run. What a run found is in
``out/fuzz``.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from framesense.schemas.jobs import Job
from tests.support.padded_videos import BIKES
from tests.support.photos import photo
from tests.support.stack_settings import settings_at
from tools.settings import ROOT
from tools.stack import Stack

SECONDS = int(os.environ.get("FUZZ_SECONDS", "40"))
SEED = os.environ.get("FUZZ_SEED", "20261130")
HERE = Path(__file__).parent

pytestmark = pytest.mark.timeout(SECONDS + 900)  # a whole stack starts, and what runs when time is up comes to its end


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a stack of its own: what is sent deletes jobs and fills lists."""
    settings = settings_at(tmp_path_factory.mktemp("stack"))
    with (
        Stack(settings, Console(file=io.StringIO())).running(),
        httpx.Client(base_url=settings.gateway_url, timeout=300) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def jobs(gateway: httpx.Client) -> list[str]:
    """A finished job of each kind, one that failed, and their ids."""
    pictures = [("photos", (f"{colour}.jpg", photo(colour))) for colour in ("red", "green", "blue", "white")]
    edit = {"prompt": "a red room", "steps": "2", "width": "64", "height": "64"}
    submissions = (
        ("/video_captions", {"every_n_second": "2"}, [("video", (BIKES.name, BIKES.read_bytes()))]),
        ("/video_captions", {}, [("video", ("broken.ts", b"\x47" + bytes(9000)))]),
        ("/photo-sets", {"labels": "red,green"}, pictures),
        ("/edits", edit, [("image", ("room.jpg", photo("red", size=(64, 64))))]),
    )
    ids = []
    for path, fields, files in submissions:
        answer = gateway.post(path, data=fields, files=files)
        assert answer.status_code == 202, answer.text
        ids.append(Job.model_validate(answer.json()).id)
    for job in ids:
        with gateway.stream("GET", f"/jobs/{job}/events") as events:
            events.read()  # it ends when the job is finished
    return ids


def test_every_answer_is_one_that_is_described(gateway: httpx.Client, jobs: list[str], tmp_path: Path) -> None:
    report = ROOT / "out" / "fuzz"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{gateway.base_url}/openapi.json".replace("//openapi", "/openapi")),
        *("--seed", SEED, "--max-time", str(SECONDS), "--continue-on-failure", "--request-timeout", "120"),
        *("--report", "ndjson", "--report-dir", str(report)),
    ]
    # In a folder of its own: what an earlier run found there would be tried first, and no run be like another.
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "FUZZ_JOBS": ",".join(jobs),
        "COLUMNS": "150",
        "PYTHONPATH": str(ROOT),
    }
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert run.returncode == 0, run.stdout
    assert gateway.get("/ready").is_success
