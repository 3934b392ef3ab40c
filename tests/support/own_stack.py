"""A whole stack of its own for a test: real processes, free ports, a data folder that is thrown away."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.own_redis import own_redis_url
from tools.processes import free_port
from tools.settings import ROOT


@dataclass(frozen=True)
class OwnStack:
    data: Path
    environment: Mapping[str, str]

    @classmethod
    def at(cls, data: Path, **settings: str) -> "OwnStack":
        parts = ("GATEWAY", "UI", "CAPTIONER", "TAGGER", "EDITOR")
        ports = {f"{part}_PORT": str(free_port()) for part in parts}
        own = {
            "DATA_DIR": str(data),
            "BIND_ADDRESS": "127.0.0.1",
            "REDIS_URL": "",
            "REDIS_PORT": "0",
            "COLUMNS": "200",
            **ports,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STORAGE_")}
        return cls(data, {**inherited, **own, **settings})

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.environment['GATEWAY_PORT']}"

    @property
    def ui(self) -> str:
        return f"http://127.0.0.1:{self.environment['UI_PORT']}"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", *words]

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """A module of tools/ with this stack's settings; its output is in ``stdout``."""
        return subprocess.run(
            self.command(*words),
            cwd=ROOT,
            env={**self.environment, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=280,
        )

    def pids(self) -> dict[str, int]:
        return {file.stem: json.loads(file.read_text())["pid"] for file in (self.data / "run").glob("*.json")}

    def redis_url(self) -> str:
        """The address of its own Redis, with the password."""
        url = own_redis_url(self.data)
        assert url
        return url
