"""Jobs: long work that a worker carries out."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from framesense.schemas.problems import Problem


class JobKind(StrEnum):
    VIDEO = "video"
    PHOTO_SET = "dataset"
    EDIT = "edit"
    EDIT_SERIES = "edit_series"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Progress(BaseModel):
    done: int = Field(default=0, ge=0)
    total: int | None = Field(default=None, ge=0, description="absent until it is known")
    message: str = ""


class Job(BaseModel):
    id: str
    kind: JobKind
    name: str = Field(default="", description="what the user called the input, a file name for instance")
    state: JobState
    progress: Progress = Progress()
    parameters: dict[str, Any] = Field(default_factory=dict, description="what was asked for")
    created_at: datetime
    started_at: datetime | None = Field(
        default=None, description="when work on it began; with other models than before: when it began again"
    )
    finished_at: datetime | None = None
    result_url: str | None = None
    error: Problem | None = None
    queue_position: int | None = Field(
        default=None, ge=0, description="how many jobs run before it; absent once it runs, and in events"
    )
    warning: str | None = Field(
        default=None, description="why it will not start by itself while it is queued: no worker listens; not in events"
    )


class JobList(BaseModel):
    jobs: list[Job] = Field(description="newest first")
    total: int = Field(ge=0, description="how many there are in all, of the kinds asked for")
    next_cursor: str | None = Field(default=None, description="`cursor` of the next page; absent on the last one")
