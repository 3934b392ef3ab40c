"""The captioner's settings, read from environment variables of the same names in capitals."""

from typing import Literal, Self

from pydantic import Field, model_validator

from framesense.cores import available_cores
from framesense.models.spec import DTypeChoice, ModelSpec
from framesense.serving.settings import ModelName, ModelServerSettings


class CaptionerSettings(ModelServerSettings):
    captioner_host: str = Field(default="127.0.0.1", description="address to listen on")
    captioner_port: int = Field(default=8001, ge=0, le=65535, description="port to listen on")

    captioner_model: ModelName = Field(
        default="embedded",
        description="embedded, hf:ORG/NAME[@REVISION], open_clip:coca_ARCH/TAG or path:DIR; unset: the tier's",
    )
    captioner_device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 ...")
    captioner_dtype: DTypeChoice = Field(default="auto", description="auto: bfloat16 where the hardware has it")

    captioner_compile: bool = Field(
        default=False,
        description="compile the model's encoder of pictures (needs a C compiler): minutes at start, then faster",
    )
    captioner_load: Literal["start", "first-use"] = Field(
        default="start", description="start or first-use: when the model is loaded"
    )
    captioner_unload_after: float = Field(
        default=0, ge=0, description="seconds without a request after which the model is unloaded; 0: never"
    )

    captioner_max_batch: int = Field(default=32, ge=1, description="largest number of images in one call of the model")
    captioner_max_wait: float = Field(
        default=0.05, ge=0, le=10, description="longest time that an image waits for others to fill a batch, in seconds"
    )
    captioner_max_queue: int = Field(
        default=256, ge=1, description="images that may wait before further requests are refused"
    )
    captioner_threads: int | None = Field(default=None, ge=1, description="torch's threads; unset: MODEL_THREADS")
    captioner_decode_threads: int = Field(
        default_factory=available_cores, ge=1, description="threads that decode images"
    )

    captioner_max_images: int = Field(default=64, ge=1, description="largest number of images in one request")
    captioner_max_request_bytes: int = Field(default=256 * 1024**2, ge=1, description="largest request, in bytes")
    captioner_max_beams: int = Field(default=10, ge=1, description="widest beam search that may be asked for")
    captioner_max_tokens: int = Field(default=64, ge=1, description="longest caption that may be asked for, in tokens")

    @model_validator(mode="after")
    def _request_fits_queue(self) -> Self:
        if self.captioner_max_images > self.captioner_max_queue:
            raise ValueError("captioner_max_images must not be larger than captioner_max_queue")
        return self

    @property
    def model_spec(self) -> ModelSpec:
        return ModelSpec.parse(self.captioner_model)
