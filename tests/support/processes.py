"""A model server as a process of its own, for tests that want the real thing."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port


@dataclass(frozen=True)
class ModelServer:
    url: str
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def told(self) -> str:
        return self.log.read_text()


@contextmanager
def model_server(
    service: str, folder: Path, *, wait: bool = True, port: int | None = None, **environment: object
) -> Iterator[ModelServer]:
    """``python -m captioner`` or another, on a free port or the one given: ready, unless it need not ``wait``; settings
    by name."""
    port, log = port or free_port(), folder / f"{service}.log"
    own = {f"{service.upper()}_PORT": str(port), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    settings = {**os.environ, **own, **{name.upper(): str(value) for name, value in environment.items()}}
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-m", service], env=settings, stdout=stream, stderr=stream)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, "/ready" if wait else "/health", process, log)
        yield ModelServer(url, log, process)
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str, path: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until it answers 200 there."""
    while True:
        time.sleep(0.1)  # asking takes time from the loading that is waited for
        assert process.poll() is None, log.read_text()
        try:
            answer = httpx.get(url + path, trust_env=False, timeout=60)
        except httpx.TransportError:
            continue
        if answer.status_code == 200:
            return
        if "cannot be loaded" in answer.text:
            pytest.fail(answer.text)
