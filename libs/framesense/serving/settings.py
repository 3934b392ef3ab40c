"""Settings that every model server has; each one extends :class:`ModelServerSettings` in its own ``settings.py``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from framesense.models.spec import ModelSpec
from framesense.models.tiers import TIERS, Tier
from framesense.serving.policy import ModelPolicy
from framesense.settings import ServerSettings, ServiceSettings, ServiceTokenSettings


def _normalise(name: str) -> str:
    return str(ModelSpec.parse(name))


ModelName = Annotated[str, AfterValidator(_normalise)]
"""The name of a model, as :class:`framesense.models.spec.ModelSpec` prints it."""

OptionalModelName = Annotated[str, AfterValidator(lambda name: _normalise(name) if name.strip() else "")]
"""A :data:`ModelName`, or empty for none."""


def find_models_dir() -> Path:
    """Return the folder with the embedded weights: the repository's models/ in a checkout, else ./models."""
    for folder in Path(__file__).resolve().parents:
        if any((folder / "models").glob("*/MODEL_CARD.md")):
            return folder / "models"
    return Path("models")


class ModelServerSettings(ServiceSettings, ServerSettings, ServiceTokenSettings):
    """Hold what every model server is told: its tier, its weights, and when models are loaded and switched."""

    framesense_tier: Tier = Field(
        default=Tier.EMBEDDED,
        description="embedded, standard or large: which models are loaded, and fetched by `make models`, unless "
        "CAPTIONER_MODEL, TAGGER_MODEL or EDITOR_MODEL names another (docs/models.md)",
    )
    models_dir: Path = Field(default_factory=find_models_dir, description="where the embedded weights are")
    model_threads: int | None = Field(
        default=None,
        ge=1,
        description="cores that each model server computes with; unset: all that the host or the container's CPU limit "
        "grants",
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
        default=60, ge=0, description="seconds that a request waits for the model when it has to be loaded first"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_the_tier(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Let a service whose own setting names no model load its tier's; the field itself refuses an unknown tier."""
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

    def policy(self, load: Literal["start", "first-use"], unload_after: float) -> ModelPolicy:
        """Return when a service's model is loaded, unloaded and switched.

        Args:
            load: when it is loaded, by the service's own setting.
            unload_after: seconds without a request after which it is unloaded, by the service's own setting; 0: never.
        """
        return ModelPolicy(
            load=load,
            unload_after=unload_after or None,
            switch=self.model_switch,
            wait=self.model_wait,
            allow_switch=self.allow_model_switch,
            folders=(*self.model_folders, self.models_dir),
        )
