"""The editor's settings, read from environment variables of the same names in capitals."""

from typing import Literal

from pydantic import Field

from framesense.models.spec import DTypeChoice, ModelSpec
from framesense.serving.settings import ModelName, ModelServerSettings, OptionalModelName


class EditorSettings(ModelServerSettings):
    editor_host: str = Field(default="127.0.0.1", description="address to listen on")
    editor_port: int = Field(default=8003, ge=0, le=65535, description="port to listen on")

    editor_model: ModelName = Field(
        default="embedded", description="embedded, hf:ORG/NAME[@REVISION] or path:DIR of a diffusers pipeline"
    )
    editor_controlnet: OptionalModelName = Field(
        default="", description="a ControlNet beside it (canny or depth): hf:ORG/NAME[@REVISION] or path:DIR"
    )
    editor_control: Literal["auto", "canny", "depth"] = Field(
        default="auto", description="what the ControlNet is shown of a photo; auto: as its name says"
    )
    editor_depth: OptionalModelName = Field(
        default="", description="the depth estimator (of transformers) for a depth ControlNet: hf:ORG/NAME or path:DIR"
    )
    editor_device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 ...")
    editor_dtype: DTypeChoice = Field(default="auto", description="auto: bfloat16 where the hardware has it")
    editor_low_memory: Literal["auto", "on", "off"] = Field(
        default="auto", description="attention in slices, the decoder in tiles: slower, in less memory; auto: if short"
    )
    editor_compile: bool = Field(
        default=False, description="compile diffusers models (needs a C compiler): a slow first edit, then faster ones"
    )
    editor_batch: int = Field(
        default=1,
        ge=1,
        le=16,
        description="pictures of one edit that diffusers models make at once: faster on a GPU; they may then differ in "
        "their last bits from pictures made alone",
    )
    editor_threads: int | None = Field(default=None, ge=1, description="torch's threads; unset: MODEL_THREADS")

    editor_load: Literal["start", "first-use"] = Field(
        default="start", description="start or first-use: when the model is loaded"
    )
    editor_unload_after: float = Field(
        default=0, ge=0, description="seconds without an edit after which the model is unloaded; 0: never"
    )

    editor_max_queue: int = Field(default=16, ge=1, description="edits that may wait before further ones are refused")
    editor_max_request_bytes: int = Field(default=80 * 1024**2, ge=1, description="largest request, in bytes")
    editor_min_side: int = Field(default=8, ge=2, description="shortest side of a photo to edit, in pixels")
    editor_max_side: int = Field(default=12_000, ge=64, description="longest side of a photo to edit, in pixels")
    editor_max_result_pixels: int = Field(
        default=64_000_000, ge=4096, description="largest picture made, width × height: what an upscale may come to"
    )
    editor_preview_interval: float = Field(
        default=0.25, ge=0, description="shortest time between two previews, in seconds; 0: one at every step"
    )
    editor_preview_side: int = Field(default=256, ge=16, description="longest side of a preview, in pixels")
    editor_keep_alive: float = Field(
        default=1, gt=0, description="seconds of silence after which a waiting client is sent an empty line"
    )

    @property
    def model_spec(self) -> ModelSpec:
        return ModelSpec.parse(self.editor_model)

    @property
    def controlnet_spec(self) -> ModelSpec | None:
        return ModelSpec.parse(self.editor_controlnet) if self.editor_controlnet else None

    @property
    def depth_spec(self) -> ModelSpec | None:
        return ModelSpec.parse(self.editor_depth) if self.editor_depth else None
