"""The query that asks for another curve of a video than its job's own."""

from typing import Annotated, Self

from fastapi import Query
from pydantic import BaseModel, Field, model_validator

from framesense.schemas.names import KeptName
from framesense.schemas.novelty import MaxMoments, Metric, RollingWindowSize, Sensitivity, Signal

AS_BEFORE = "left out: as in the job's parameters"


class NoveltyQuery(BaseModel):
    """Novelty parameters that take the place of the job's own; what is left out stays as it was."""

    metric: Metric | None = Field(None, description=AS_BEFORE)
    rolling_window_size: RollingWindowSize | None = Field(None, description=AS_BEFORE)
    signal: Signal | None = Field(None, description=AS_BEFORE)
    sensitivity: Sensitivity | None = Field(None, description="0 lists the strongest moments only, 1 faint ones too")
    max_moments: MaxMoments | None = Field(None, description="most moments listed")
    reference: KeptName | None = Field(
        None, description="compare patches with this footage instead of the frames before; means signal=patch"
    )

    @model_validator(mode="after")
    def _reference_goes_with_patch(self) -> Self:
        if self.reference is not None and self.signal not in (None, Signal.PATCH):
            raise ValueError("a reference is for the signal 'patch' only")
        return self


Changes = Annotated[NoveltyQuery, Query()]
