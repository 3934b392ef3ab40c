"""Where the processes listen and keep their data: from the environment, then from the file .env."""

import os
from pathlib import Path
from typing import Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[1]
ENV_FILE = ROOT / ".env"


class StackSettings(BaseSettings):
    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    bind_address: str = Field(default="127.0.0.1", description="where gateway and ui listen; 0.0.0.0 for everyone")
    gateway_port: int = Field(default=8000, ge=1, le=65535, description="port to listen on")
    ui_port: int = Field(default=8501, ge=1, le=65535, description="port to listen on")
    captioner_port: int = Field(default=8001, ge=1, le=65535, description="port, on the loopback address only")
    tagger_port: int = Field(default=8002, ge=1, le=65535, description="port, on the loopback address only")
    editor_port: int = Field(default=8003, ge=1, le=65535, description="port, on the loopback address only")
    redis_port: int = Field(
        default=0, ge=0, le=65535, description="port, on the loopback address only; 0: any free one"
    )
    redis_url: str = Field(default="", description="a Redis that already runs; empty: start one")
    data_dir: Path = Field(default=Path("data"), description="uploads, results, Redis's file, logs")
    start_timeout: float = Field(default=300, gt=0, description="seconds within which every process must be ready")
    stop_timeout: float = Field(
        default=15, gt=0, description="seconds that a process may take to stop before it is killed"
    )
    framesense_key: SecretStr = Field(
        default=SecretStr(""), description="key that `make demo` sends to a gateway which requires one"
    )
    log_megabytes: int = Field(default=20, ge=1, description="size at which a log is renamed, in MB")
    log_backups: int = Field(default=4, ge=0, description="renamed logs kept of each process")

    @classmethod
    def load(cls) -> Self:
        """Read the settings; raises pydantic.ValidationError."""
        return cls(_env_file=ENV_FILE)  # type: ignore[call-arg]

    @property
    def data(self) -> Path:
        return (ROOT / self.data_dir).resolve()

    @property
    def local_address(self) -> str:
        """How this machine reaches what listens on ``bind_address``."""
        return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.bind_address, self.bind_address)  # noqa: S104

    @property
    def gateway_url(self) -> str:
        return f"http://{self.local_address}:{self.gateway_port}"

    @property
    def ui_url(self) -> str:
        return f"http://{self.local_address}:{self.ui_port}"

    @property
    def captioner_url(self) -> str:
        return f"http://127.0.0.1:{self.captioner_port}"

    @property
    def tagger_url(self) -> str:
        return f"http://127.0.0.1:{self.tagger_port}"

    @property
    def editor_url(self) -> str:
        return f"http://127.0.0.1:{self.editor_port}"


def environment() -> dict[str, str]:
    """Return what every process is started with; the services' own settings in .env reach them this way."""
    return {**{name: value for name, value in dotenv_values(ENV_FILE).items() if value is not None}, **os.environ}
