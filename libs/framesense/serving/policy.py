"""When a model is loaded and unloaded, and which others it may be switched for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from framesense.http.problems import ProblemError
from framesense.models.spec import ModelSource, ModelSpec


@dataclass(frozen=True)
class ModelPolicy:
    """Say when a model is loaded and unloaded, and whether it may be switched."""

    load: Literal["start", "first-use"] = "start"
    unload_after: float | None = None
    """Seconds without a request after which it is unloaded; None: never."""
    switch: Literal["load-first", "unload-first"] = "load-first"
    """Whether both models are in memory for a moment (no request waits), or the old one goes first (they wait)."""
    wait: float = 60.0
    """Seconds that a request waits for a model that is loaded on its account, before it is told to come back."""
    allow_switch: bool = True
    folders: tuple[Path, ...] = ()
    """Where ``path:`` models may be that are switched to; what the settings name at start may be anywhere."""

    def require_allowed(self, name: str, current: str, accepts: Callable[[ModelSpec], None]) -> ModelSpec:
        """Return the model of a name that may be switched to.

        Args:
            name: as a person wrote it.
            current: the present model's name, which is allowed wherever it lies.
            accepts: raises ValueError, in words, for a name that the service can have no model of.

        Raises ProblemError: 403 where switching is not allowed, or not to that folder; 422 for no such model.
        """
        if not self.allow_switch:
            detail = "Models are not switched here at run time. Set ALLOW_MODEL_SWITCH=true to allow it."
            raise ProblemError(403, "model-switch-refused", "Model switch refused", detail)
        try:
            spec = ModelSpec.parse(name)
            accepts(spec)
        except ValueError as error:
            raise ProblemError(422, "unknown-model", "Unknown model", f"{error}.") from error
        if spec.source is ModelSource.PATH and str(spec) != current:
            self._require_allowed_folder(spec.path)
        return spec

    def _require_allowed_folder(self, path: Path) -> None:
        folder = path.resolve()
        if not any(folder.is_relative_to(allowed.expanduser().resolve()) for allowed in self.folders):
            known = ", ".join(str(allowed) for allowed in self.folders) or "none"
            detail = f"Models may be switched to in these folders only: {known}. MODEL_FOLDERS can name more."
            raise ProblemError(403, "model-folder-refused", "Model folder refused", detail)
        if not folder.is_dir():
            raise ProblemError(422, "unknown-model", "Unknown model", f"There is no folder {path} here.")
