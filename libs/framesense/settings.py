"""Settings that several services share.

Each service extends one of these in its own ``settings.py``; model servers extend
:class:`framesense.serving.settings.ModelServerSettings`.

A field ``redis_url`` is read from the environment variable ``REDIS_URL``; .env.example and the README's table list
them all.
"""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from framesense.logs import LogFormat


def _separate(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_separate)]
"""A list that the environment writes with commas between."""


class HttpSettings(BaseSettings):
    """Hold what every service is told that browsers can reach."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    allowed_hosts: CommaSeparated = Field(
        default=[],
        description="host names, separated by commas, by which a service may be called besides localhost, IP addresses "
        "and the machine's own name; *.example.org stands for all below it, * for any",
    )


class ServerSettings(HttpSettings):
    """Hold how long the gateway and the model servers wait for slow clients, and how much JSON they take."""

    header_timeout: float = Field(
        default=30, gt=0, description="seconds in which the headers of a request must have arrived"
    )
    max_header_bytes: int = Field(default=65_536, ge=1024, description="largest headers of a request, in bytes")
    upload_idle_timeout: float = Field(default=60, gt=0, description="seconds that an upload may send nothing")
    upload_min_rate: float = Field(
        default=1024,
        gt=0,
        description="bytes a second at which an upload must arrive on the average, once it has taken as long as an "
        "upload may be silent",
    )
    max_json_bytes: int = Field(default=4 * 1024**2, ge=1, description="largest JSON document, in bytes")


class ServiceSettings(BaseSettings):
    """Hold what every service is told: how much to log, and how large an image may be."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR: how much is logged"
    )
    log_format: LogFormat = Field(default="text", description="text or json: how lines of the log are written")
    max_image_bytes: int = Field(default=32 * 1024**2, ge=1, description="largest image file, in bytes")
    max_image_pixels: int = Field(default=64_000_000, ge=1, description="largest image, in pixels")
    max_pixels_at_once: int = Field(
        default=128_000_000,
        ge=1,
        description="pixels that a process decodes at once, about 7 bytes each; other images wait",
    )


def read_secret(file: Path | str) -> str:
    """Return what a file of a secret holds, without a line's end. Raises ValueError where it holds none."""
    try:
        secret = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"the secret in {file} cannot be read: {error.strerror}") from error
    if not secret:
        raise ValueError(f"{file} is empty: it should hold a secret")
    return secret


def with_password(redis_url: str, password: str) -> str:
    """Return a Redis URL with a password in it; one that has a password keeps it."""
    parts = urlsplit(redis_url)
    if parts.password or not password:
        return redis_url
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.removesuffix(':')}:{quote(password, safe='')}@{host}"))


class ServiceTokenSettings(BaseSettings):
    """Hold the secret by which the gateway and the worker are known to the model servers."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    service_token: SecretStr = Field(
        default=SecretStr(""),
        description="secret that the gateway and the worker send to the model servers, which then refuse whoever does "
        "not; empty: they refuse nobody",
    )
    service_token_file: Path | None = Field(default=None, description="file that holds it, instead")

    @model_validator(mode="before")
    @classmethod
    def _read_token(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("service_token_file") and not values.get("service_token"):
            return {**values, "service_token": read_secret(values["service_token_file"])}
        return values

    @property
    def token(self) -> str:
        return self.service_token.get_secret_value()


class JobSettings(ServiceSettings, ServiceTokenSettings):
    """Hold what the gateway and the worker share: they meet in Redis and in the blob store."""

    redis_url: str = Field(default="redis://127.0.0.1:6379/0", description="where Redis is")
    redis_password_file: Path | None = Field(
        default=None, description="file that holds Redis's password, which REDIS_URL then need not"
    )
    storage_url: str = Field(
        default="./data/blobs", description="a folder or any fsspec URL, such as s3://bucket/prefix"
    )
    job_visibility_timeout: float = Field(
        default=3600, gt=0, description="seconds after which Redis gives an unacknowledged task to another worker"
    )
    job_lease: float = Field(
        default=15, gt=0, description="seconds after which a worker that is not heard of loses its job"
    )
    job_retention: float = Field(default=30 * 86400, gt=0, description="seconds that a finished job is kept")
    max_video_frames: int = Field(
        default=36_000,
        ge=1,
        validation_alias=AliasChoices("max_video_frames", "worker_max_frames"),
        description="largest number of frames looked at of one video: ten hours at one a second",
    )
    captioner_url: str = Field(default="http://127.0.0.1:8001", description="where the captioner is")
    tagger_url: str = Field(default="http://127.0.0.1:8002", description="where the tagger is")
    editor_url: str = Field(default="http://127.0.0.1:8003", description="where the editor is")

    @model_validator(mode="before")
    @classmethod
    def _read_password(cls, values: dict[str, Any]) -> dict[str, Any]:
        if not values.get("redis_password_file"):
            return values
        url = values.get("redis_url") or cls.model_fields["redis_url"].default
        return {**values, "redis_url": with_password(url, read_secret(values["redis_password_file"]))}
