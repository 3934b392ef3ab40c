"""A finished video job with its stored analysis, read once and kept for redrawing its curve at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from framesense.schemas.jobs import Job
from framesense.schemas.novelty import AnalysedParameters, Signal
from framesense.storage.analyses import AnalysisStore, Frames, Summary


class AnalysisCache:
    """Read whole analyses. They never change, so the last few are kept in memory."""

    def __init__(self, analyses: AnalysisStore, *, kept: int) -> None:
        self._analyses = analyses
        self._load = lru_cache(maxsize=kept)(self._read)

    def load(self, key: str) -> tuple[Summary, Frames] | None:
        """Return a whole analysis, or None where there is none."""
        try:
            return self._load(key)
        except KeyError:
            return None

    def _read(self, key: str) -> tuple[Summary, Frames]:
        found = self._analyses.load(key)
        if found is None:
            raise KeyError(key)  # not returned: that would be remembered
        return found


@dataclass(frozen=True)
class Analysed:
    """A job that succeeded, the key of its analysis, and what that holds."""

    job: Job
    key: str
    summary: Summary
    frames: Frames

    def parameters(self, changes: Mapping[str, object]) -> AnalysedParameters:
        """Return the job's own parameters, but for the changes.

        A reference means the signal ``patch``; another signal leaves the job's reference behind.
        """
        if changes.get("reference"):
            changes = {"signal": Signal.PATCH, **changes}
        parameters = {**self.job.parameters, **changes}
        if parameters.get("signal") != Signal.PATCH:
            parameters["reference"] = None
        return AnalysedParameters.model_validate(parameters)


def thumbnail_url(job: Job, index: int) -> str:
    """Return the address of a frame's thumbnail."""
    return f"/jobs/{job.id}/frames/{index}.jpg"
