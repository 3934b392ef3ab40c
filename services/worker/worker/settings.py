"""The worker's settings, read from environment variables of the same names in capitals."""

import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import NoDecode

from framesense.jobs.queue import QUEUES
from framesense.settings import JobSettings


def _formerly(name: str, older: str) -> AliasChoices:
    """Let a setting also be read by the name that it had in earlier releases."""
    return AliasChoices(name, older)


class WorkerSettings(JobSettings):
    worker_queues: Annotated[list[str], NoDecode] = Field(
        default=list(dict.fromkeys(QUEUES.values())),
        description="queues to take jobs from, separated by commas; a worker of its own for edits need not wait for "
        "long videos",
    )
    worker_concurrency: int = Field(
        default=1, ge=1, description="jobs carried out at a time; decoding uses all cores anyway"
    )
    worker_turn_seconds: float = Field(
        default=6,
        ge=0,
        description="seconds after which a video or a photo set lets others pass that wait, and goes on after them",
    )
    worker_batch: int = Field(
        default=16, ge=1, description="largest number of frames in a caption request, and between two checkpoints"
    )
    worker_requests: int = Field(default=2, ge=1, description="caption requests under way at a time")
    worker_prefetch: int = Field(default=2, ge=1, description="decoded batches waiting to be captioned")
    worker_frame_size: int = Field(default=640, ge=16, description="longest side of a frame to caption, in pixels")
    worker_thumbnail_width: int = Field(default=320, ge=16, description="width of a thumbnail, in pixels")
    worker_thumbnail_quality: int = Field(default=80, ge=1, le=100, description="quality of thumbnails, as JPEG has it")
    worker_max_frame_pixels: int = Field(
        default=8192 * 8192, ge=1, description="largest video frame, width × height in pixels"
    )
    worker_decoder_memory: int = Field(
        default=4 * 1024**3, ge=1024**3, description="address space that decoding a video may take, in bytes"
    )
    worker_decoder_idle_seconds: float = Field(
        default=120, gt=0, description="seconds without a packet read or decoded after which a decoder is given up"
    )
    worker_video_seconds: float = Field(
        default=6 * 3600,
        gt=0,
        description="longest time that a video is worked at, in seconds; then its job fails, what is finished is kept",
    )
    worker_max_attempts: int = Field(
        default=3, ge=1, description="workers that may die at a job without finishing a frame before it is given up"
    )
    worker_caption_timeout: float = Field(default=120, gt=0, description="seconds that one caption request may take")
    worker_caption_retry_seconds: float = Field(
        default=60,
        ge=0,
        validation_alias=_formerly("worker_caption_retry_seconds", "worker_caption_patience"),
        description="seconds of retrying before a captioner that fails is given up",
    )
    worker_photo_batch: int = Field(
        default=32, ge=1, description="photos in a tagging request, and between two checkpoints"
    )
    worker_photo_side: int = Field(
        default=520,
        ge=16,
        description="photos are shrunk by whole factors for the tagger, no side below so many pixels",
    )
    worker_max_photos: int = Field(default=20_000, ge=1, description="largest number of photos in one zip")
    worker_max_photo_set_bytes: int = Field(
        default=16 * 1024**3, ge=1, description="size that a zip of photos may unpack to, in bytes"
    )
    worker_max_clustered: int = Field(
        default=5000,
        ge=4,
        description="largest number of photos that are clustered and mapped; of larger sets, an even sample",
    )
    worker_tagger_timeout: float = Field(default=120, gt=0, description="seconds that one tagging request may take")
    worker_tagger_retry_seconds: float = Field(
        default=60,
        ge=0,
        validation_alias=_formerly("worker_tagger_retry_seconds", "worker_tagger_patience"),
        description="seconds of retrying before a tagger that fails is given up",
    )
    worker_editor_timeout: float = Field(
        default=60, gt=0, description="seconds that the editor may be silent; it sends a keep-alive every second"
    )
    worker_editor_retry_seconds: float = Field(
        default=300,
        ge=0,
        validation_alias=_formerly("worker_editor_retry_seconds", "worker_editor_patience"),
        description="seconds of retrying before an editor that fails is given up",
    )
    worker_loading_seconds: float = Field(
        default=1800,
        ge=0,
        description="seconds that a job waits for a model server that says it is loading its model",
    )
    worker_sheet_cell: int = Field(
        default=256, ge=32, le=1024, description="longest side of a picture on a contact sheet, in pixels"
    )
    worker_progress_interval: float = Field(
        default=0.25, ge=0, description="shortest time between progress events, in seconds"
    )
    worker_heartbeat_file: Path = Field(
        default=Path(tempfile.gettempdir()) / "framesense-worker.heartbeat",
        description="touched every 2 s while the worker can reach Redis; python -m worker.health looks at it",
    )
    worker_heartbeat_max_age: float = Field(
        default=20, gt=0, description="age of that file in seconds from which the worker counts as unhealthy"
    )

    @field_validator("worker_queues", mode="before")
    @classmethod
    def _separate(cls, value: object) -> object:
        return [queue.strip() for queue in value.split(",") if queue.strip()] if isinstance(value, str) else value

    @field_validator("worker_queues")
    @classmethod
    def _known(cls, queues: list[str]) -> list[str]:
        known = sorted(set(QUEUES.values()))
        if not queues or not set(queues) <= set(known):
            raise ValueError(f"name one or more of {', '.join(known)}")
        return queues
