"""References: footage that someone marked as normal, for the signal ``patch`` to compare other frames with."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from framesense.schemas.names import KeptName


class TimeRange(BaseModel):
    """Frames from ``start`` to ``end``, both included; seconds."""

    model_config = ConfigDict(extra="forbid")

    start: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    end: float = Field(ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end < self.start:
            raise ValueError("end must not be before start")
        return self


class NewReference(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: KeptName
    job: str = Field(description="id of a finished video job whose frames are normal")
    ranges: list[TimeRange] | None = Field(
        default=None, description="which of them; all when left out", min_length=1, max_length=100
    )


class Reference(NewReference):
    model_config = ConfigDict(extra="ignore")

    created_at: datetime
    revision: str = Field(description="changes when the reference is made anew")
    frames: int = Field(ge=1, description="how many frames it was made of")
    video: str = Field(description="the video's name")
    usual_distance: float = Field(default=0.0, ge=0, description="median distance of its frames to the rest of it")
    farthest_distance: float = Field(
        default=0.8, ge=0, description="largest such distance: what is clearly farther stands out"
    )


class ReferenceList(BaseModel):
    references: list[Reference] = Field(description="by name")
