"""The tagger's settings, read from environment variables of the same names in capitals."""

from typing import Literal, Self

from pydantic import Field, model_validator

from framesense.cores import available_cores
from framesense.models.spec import DTypeChoice, ModelSpec
from framesense.serving.settings import ModelName, ModelServerSettings


class TaggerSettings(ModelServerSettings):
    tagger_host: str = Field(default="127.0.0.1", description="address to listen on")
    tagger_port: int = Field(default=8002, ge=0, le=65535, description="port to listen on")

    tagger_model: ModelName = Field(
        default="embedded",
        description="embedded, open_clip:ARCH/TAG, hf:ORG/NAME[@REVISION] (CLIP, SigLIP, SigLIP 2) or path:DIR; "
        "unset: the tier's",
    )
    tagger_device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 ...")
    tagger_dtype: DTypeChoice = Field(default="auto", description="auto: bfloat16 where the hardware has it")
    storage_url: str = Field(
        default="./data/blobs", description="where classifiers and label sets are kept: a folder or any fsspec URL"
    )

    tagger_compile: bool = Field(
        default=False,
        description="compile the model's encoder of pictures (needs a C compiler): minutes at start, then faster",
    )
    tagger_load: Literal["start", "first-use"] = Field(
        default="start", description="start or first-use: when the model is loaded"
    )
    tagger_unload_after: float = Field(
        default=0, ge=0, description="seconds without a request after which the model is unloaded; 0: never"
    )

    tagger_max_batch: int = Field(default=32, ge=1, description="largest number of images in one call of the model")
    tagger_max_wait: float = Field(
        default=0.05, ge=0, le=10, description="longest time that an image waits for others to fill a batch, in seconds"
    )
    tagger_max_queue: int = Field(
        default=256, ge=1, description="images that may wait before further requests are refused"
    )
    tagger_threads: int | None = Field(default=None, ge=1, description="torch's threads; unset: MODEL_THREADS")
    tagger_decode_threads: int = Field(default_factory=available_cores, ge=1, description="threads that decode images")
    tagger_text_cache: int = Field(default=20_000, ge=1, description="texts whose embeddings are cached")

    tagger_max_images: int = Field(default=64, ge=1, description="largest number of images in one request")
    tagger_max_request_bytes: int = Field(default=256 * 1024**2, ge=1, description="largest request, in bytes")
    tagger_max_labels: int = Field(
        default=1000, ge=1, description="largest number of labels in a request, label set or classifier"
    )
    tagger_max_label_length: int = Field(default=200, ge=1, description="longest label, text or template, in letters")
    tagger_max_templates: int = Field(default=20, ge=1, description="largest number of templates averaged for a label")
    tagger_max_head_bytes: int = Field(
        default=16 * 1024**2, ge=1, description="largest classifier that may be uploaded, in bytes"
    )
    tagger_max_stored: int = Field(
        default=1000, ge=1, description="largest number of stored classifiers, and of stored label sets"
    )
    tagger_max_archive_images: int = Field(
        default=2000, ge=1, description="largest number of labelled photos to learn or test with"
    )
    tagger_max_archive_bytes: int = Field(
        default=1024**3, ge=1, description="size that a zip of labelled photos may unpack to, in bytes"
    )

    @model_validator(mode="after")
    def _request_fits_queue(self) -> Self:
        if self.tagger_max_images > self.tagger_max_queue:
            raise ValueError("tagger_max_images must not be larger than tagger_max_queue")
        return self

    @property
    def model_spec(self) -> ModelSpec:
        return ModelSpec.parse(self.tagger_model)
