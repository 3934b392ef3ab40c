"""The gateway's settings; the environment variable of each is its name in capitals."""

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import Field

from framesense.schemas.captions import DEFAULT_GUESS_BELOW, GUESS_BELOW
from framesense.settings import CommaSeparated, JobSettings, ServerSettings


class GatewaySettings(JobSettings, ServerSettings):
    gateway_host: str = Field(default="127.0.0.1", description="address to listen on")
    gateway_port: int = Field(default=8000, ge=0, le=65535, description="port to listen on")
    gateway_cors_origins: CommaSeparated = Field(
        default=[],
        description="origins, separated by commas, whose pages may call the gateway besides its own and the UI's",
    )
    ui_public_port: int = Field(
        default=8501,
        ge=1,
        le=65535,
        description="the UI's port as the browser sees it: its pages may call the gateway where the host is the same",
    )
    require_keys: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="whether requests need a key: auto: where the gateway can be reached from other machines "
        "(docs/security.md)",
    )
    published_address: str = Field(
        default="",
        description="address at which the gateway can be reached, by which REQUIRE_KEYS=auto decides; empty: "
        "GATEWAY_HOST",
    )
    keys_file: Path = Field(
        default=Path("./data/keys.json"), description="the keys that `framesense keys` makes and revokes"
    )
    session_lifetime: float = Field(
        default=12 * 3600, ge=60, description="seconds after which a browser has to sign in again"
    )
    wrong_keys_a_minute: int = Field(
        default=10, ge=1, description="wrong keys a minute from one address, after which it is refused for a while"
    )
    audit_log: Path | None = Field(
        default=None, description="file for the audit log; empty: standard error, with the rest of the log"
    )
    upload_folder: Path = Field(
        default=Path("./data/incoming"),
        description="where uploads arrive; on the blob store's filesystem, storing one is a rename",
    )
    upload_expiry: float = Field(default=86400, gt=0, description="seconds that an unfinished or unused upload is kept")
    disk_reserve_bytes: int = Field(
        default=256 * 1024**2,
        ge=0,
        description="bytes that uploads leave free on the disk; what would not fit is refused",
    )
    client_share: int = Field(
        default=2, ge=1, description="unfinished jobs of a client beyond which its next ones let others' pass"
    )
    client_max_jobs: int = Field(
        default=0, ge=0, description="largest number of unfinished jobs of one client; 0: no limit"
    )
    max_video_bytes: int = Field(default=2 * 1024**3, ge=1, description="largest video file, in bytes")
    max_photo_set_bytes: int = Field(default=8 * 1024**3, ge=1, description="largest photo set, in bytes")
    max_photos_per_request: int = Field(
        default=20_000, ge=1, description="largest number of photos in a set that is sent as files, not as a zip"
    )
    max_images_per_request: int = Field(default=64, ge=1, description="largest number of images in one request")
    max_image_request_bytes: int = Field(default=256 * 1024**2, ge=1, description="largest request of images, in bytes")
    max_labelled_photos: int = Field(
        default=2000, ge=1, description="largest number of labelled photos sent as files in one request"
    )
    max_classifier_bytes: int = Field(
        default=16 * 1024**2, ge=1, description="largest classifier that may be uploaded, in bytes"
    )
    allow_model_switch: bool = Field(default=True, description="whether PUT /models may load another model")
    editor_min_side: int = Field(default=8, ge=2, description="shortest side of a photo to edit, in pixels")
    editor_max_side: int = Field(default=12_000, ge=64, description="longest side of a photo to edit, in pixels")
    editor_max_result_pixels: int = Field(
        default=64_000_000, ge=4096, description="largest picture made, width × height: what an upscale may come to"
    )
    edit_max_photos: int = Field(
        default=64, ge=1, le=500, description="largest number of photos in one series of edits"
    )
    edit_max_series_images: int = Field(
        default=64, ge=1, le=999, description="largest number of pictures in one series of edits"
    )
    a1111_label_set: str = Field(
        default="", description="label set for /sdapi/v1/interrogate with deepdanbooru; empty: everyday things"
    )
    tagger_timeout: float = Field(
        default=600, gt=0, description="seconds that the tagger may take: thousands of labelled photos are one request"
    )
    prefer_wait_limit: float = Field(
        default=300, ge=0, description="longest wait that Prefer: wait is granted, in seconds"
    )
    idempotency_retention: float = Field(
        default=86400, ge=1, description="seconds that an Idempotency-Key is remembered with its job"
    )
    events_keep_alive: float = Field(
        default=15, gt=0, description="seconds between keep-alive comments in an event stream"
    )
    event_listeners: int = Field(
        default=1000, ge=1, description="largest number of event streams and waiting requests at once"
    )
    probe_timeout: float = Field(
        default=5, gt=0, description="seconds a model server may take to say what model it has, or whether it is ready"
    )
    orphan_grace: float = Field(
        default=3600, gt=0, description="seconds that stored files are kept which no job refers to"
    )
    housekeeping_interval: float = Field(default=600, gt=0, description="seconds between sweeps of what has expired")
    gateway_max_references: int = Field(default=200, ge=0, description="largest number of references of normal footage")
    guess_below: float = Field(default=DEFAULT_GUESS_BELOW, ge=0, le=1, description=GUESS_BELOW)
    analyses_in_memory: int = Field(default=8, ge=0, description="analyses kept in memory, ready for redrawing a curve")

    media_concurrency: int = Field(default=2, ge=1, description="videos that are probed or cut at once; others wait")
    media_timeout: float = Field(default=60, gt=0, description="seconds that reading or cutting a video may take")
    clip_longest: float = Field(default=60, ge=2, description="longest clip of a moment, in seconds")

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine reaches the gateway; by a name other than localhost, others do too."""
        address = (self.published_address or self.gateway_host).strip("[]")
        try:
            return address == "localhost" or ipaddress.ip_address(address).is_loopback
        except ValueError:
            return False

    @property
    def keys_required(self) -> bool:
        """Tell whether requests need a key."""
        return self.require_keys == "always" or (self.require_keys == "auto" and not self.is_local)
