"""Describe the payload of a job, which its worker needs and the user does not see: one model a kind of job.

The gateway writes a payload when it makes the job; the worker notes in it what it found out; deletion reads from it
which blobs the job refers to. Payloads lie in Redis as JSON and outlive releases: a field may be added with a default,
and a change that old workers could not read takes a new :data:`VERSION`.
"""

from typing import Annotated, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from framesense.schemas.jobs import JobKind
from framesense.schemas.novelty import Interval
from framesense.schemas.videos import VideoStreamNumber

VERSION = 2
"""Written into each payload. Since 2 a video's interval may be `auto`; releases before there was a version wrote the
fields of 1."""


class UnknownPayloadError(ValueError):
    """A payload that this release cannot read: its version is newer, or it is damaged."""


class StoredFile(BaseModel):
    """An uploaded file in the blob store, under its content's hash."""

    sha256: str
    name: str
    bytes: int = Field(ge=0)


class Attempts(BaseModel):
    """Count the workers that began a job in vain, with ``done`` units of it finished."""

    count: int = Field(ge=1)
    done: int = Field(ge=0)


class ModelChanges(BaseModel):
    """Count how often a job began again because a model server changed its model, and say why it last did."""

    count: int = Field(ge=1)
    reason: str


class Payload(BaseModel):
    """The fields that every kind of payload has."""

    model_config = ConfigDict(frozen=True)

    version: Annotated[int, Field(ge=1, le=VERSION)] = VERSION
    request_id: str = Field(default="", description="of the request that made the job; its worker's log has it too")
    client: str = Field(default="", description="who sent the job, as far as the gateway can tell")
    size: int = Field(default=0, ge=0, description="bytes of the files that came with the job")
    lateness: int = Field(default=0, ge=0, description="steps by which the job goes after others of its kind")
    attempts: Attempts | None = None
    model_changes: ModelChanges | None = None

    @property
    def content(self) -> str | None:
        """Return the SHA-256 of the file that the job is about, which other jobs may be about too, if there is one.

        All that jobs share in the store is of one such file.
        """
        return None


class SharedWorkPayload(Payload):
    """A payload of jobs whose result is stored under a key of its own, which other jobs may share."""

    work: str | None = Field(default=None, description="key of the analysis or tagging that the job makes")
    earlier: tuple[str, ...] = Field(default=(), description="keys of work that was begun with models used before")

    def with_work(self, key: str) -> Self:
        """Return the payload at work on ``key``; what it was at work on before joins ``earlier``."""
        former = {*self.earlier, *([self.work] if self.work else [])} - {key}
        return self.model_copy(update={"work": key, "earlier": tuple(sorted(former))})

    @property
    def works(self) -> tuple[str, ...]:
        """All keys under which the job has stored something, the present one first."""
        return (self.work, *self.earlier) if self.work else self.earlier


class VideoPayload(SharedWorkPayload):
    """A video to analyse, and how its frames are sampled and captioned."""

    video: StoredFile
    every_n_second: Interval
    video_stream: VideoStreamNumber | None = None
    beams: int = Field(ge=1)
    max_tokens: int = Field(ge=1)
    work: str | None = Field(default=None, validation_alias=AliasChoices("work", "analysis"))

    @property
    def content(self) -> str:
        return self.video.sha256


class PhotoSetPayload(SharedWorkPayload):
    """A zip of photos to tag."""

    photos: StoredFile
    work: str | None = Field(default=None, validation_alias=AliasChoices("work", "tagging"))

    @property
    def content(self) -> str:
        return self.photos.sha256


class EditSource(BaseModel):
    """The names of the photos to edit, as they were uploaded, and whether a mask was uploaded with them."""

    photos: list[str]
    mask: bool = False


class EditPayload(Payload):
    """Photos to edit; the files lie in the store under the job's id."""

    edit: EditSource


PAYLOADS: dict[JobKind, type[Payload]] = {
    JobKind.VIDEO: VideoPayload,
    JobKind.PHOTO_SET: PhotoSetPayload,
    JobKind.EDIT: EditPayload,
    JobKind.EDIT_SERIES: EditPayload,
}


def read_payload(kind: JobKind, text: str) -> Payload:
    """Read the JSON of a payload. Raises UnknownPayloadError."""
    try:
        return PAYLOADS[kind].model_validate_json(text)
    except ValidationError as error:
        raise UnknownPayloadError(f"the payload of a {kind} job cannot be read: {error}") from error
