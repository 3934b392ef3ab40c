"""Settings that several services share. Each service extends one of these in its own ``settings.py``.

A field ``redis_url`` is read from the environment variable ``REDIS_URL``; .env.example and the README's table list
them all.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from framesense.models.tiers import TIERS, Tier
from framesense.serving.runtime import Policy


class ServiceSettings(BaseSettings):
    """Every service's."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    max_image_bytes: int = Field(default=32 * 1024**2, ge=1, description="largest image file, in bytes")
    max_image_pixels: int = Field(default=64_000_000, ge=1, description="largest image, in pixels")


class ModelServerSettings(ServiceSettings):
    """Every model server's."""

    framesense_tier: Tier = Field(
        default=Tier.EMBEDDED,
        description="embedded, standard or large: which models are loaded, and fetched by `make models`, unless "
        "CAPTIONER_MODEL, TAGGER_MODEL or EDITOR_MODEL names another (docs/models.md)",
    )
    allow_model_switch: bool = Field(default=True, description="whether PUT /models may load another model")
    model_folders: Annotated[list[Path], NoDecode] = Field(
        default=[], description="folders, separated by commas, with the path: models that may be switched to"
    )
    model_switch: Literal["load-first", "unload-first"] = Field(
        default="load-first",
        description="load-first: the old model answers until the new one is loaded, both are in memory for a moment; "
        "unload-first: less memory, requests wait",
    )
    model_wait: float = Field(
        default=60, ge=0, description="seconds a request waits for a model that is loaded on its account"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_the_tier(cls, values: dict[str, Any]) -> dict[str, Any]:
        """A service whose own setting names no model loads its tier's. A tier that is none is told by its field."""
        tier = values.get("framesense_tier") or Tier.EMBEDDED
        if tier not in set(Tier):
            return values
        fields = {f"{service}_model": name for service, name in asdict(TIERS[Tier(tier)]).items()}
        chosen = {field: values.get(field) or name for field, name in fields.items() if field in cls.model_fields}
        return {**values, **chosen, "framesense_tier": tier}

    @field_validator("model_folders", mode="before")
    @classmethod
    def _separate(cls, value: object) -> object:
        return [folder.strip() for folder in value.split(",") if folder.strip()] if isinstance(value, str) else value

    def policy(self, load: Literal["start", "first-use"], unload_after: float, *folders: Path) -> Policy:
        """How a service's model lives: ``load`` and ``unload_after`` (seconds, 0: never) are the service's own
        settings, ``folders`` are allowed besides those set."""
        return Policy(
            load=load,
            unload_after=unload_after or None,
            switch=self.model_switch,
            wait=self.model_wait,
            allow_switch=self.allow_model_switch,
            folders=(*self.model_folders, *folders),
        )


class JobSettings(ServiceSettings):
    """The gateway's and the worker's: they meet in Redis and in the blob store."""

    redis_url: str = "redis://127.0.0.1:6379/0"
    storage_url: str = Field(
        default="./data/blobs", description="a folder or any fsspec URL, such as s3://bucket/prefix"
    )
    job_visibility_timeout: float = Field(
        default=3600, gt=0, description="seconds until Redis hands an unacknowledged task to another worker"
    )
    job_lease: float = Field(default=15, gt=0, description="seconds a silent worker keeps its job")
    job_retention: float = Field(default=30 * 86400, gt=0, description="seconds a finished job is kept")
    captioner_url: str = "http://127.0.0.1:8001"
    tagger_url: str = "http://127.0.0.1:8002"
    editor_url: str = "http://127.0.0.1:8003"
