"""Which model made an answer, which models are loaded, and switching to another."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class WordEmbeddings(StrEnum):
    DECODER = "decoder"
    """The captioner's own embedding of each token."""
    SENTENCE_ENCODER = "sentence-encoder"
    """Of a captioner whose decoder has none of its own."""


class ModelInfo(BaseModel):
    """A loaded model, named well enough to tell its answers from another's."""

    service: str = Field(examples=["captioner"])
    name: str = Field(description="the model's name", examples=["embedded"])
    family: str = Field(description="the architecture", examples=["show-attend-tell"])
    revision: str = Field(description="changes whenever the weights do", examples=["3f1c9a2b7d10"])
    device: str = Field(examples=["cpu"])
    dtype: str = Field(examples=["bfloat16"])
    parameters: int = Field(ge=0, description="number of weights")
    word_embeddings: WordEmbeddings | None = Field(
        default=None, description="of a captioner: whose embeddings of words the novelty signal 'words' compares"
    )
    note: str | None = Field(default=None, description="what to know before trusting its answers")
    encoder: str | None = Field(
        default=None,
        description="the image encoder, where its pooled features can be passed between models that share it",
        examples=["efficientnet-lite2@3f1c9a2b7d10"],
    )
    no_confidence: str | None = Field(default=None, description="of a captioner: why its captions carry no confidence")


class ModelPhase(StrEnum):
    UNLOADED = "unloaded"
    """Not in memory; the next request loads it."""
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class ModelState(BaseModel):
    """What a model server holds in memory now."""

    service: str = Field(examples=["captioner"])
    model: str = Field(description="the model that answers, or would", examples=["embedded"])
    state: ModelPhase
    detail: str | None = Field(default=None, description="why it does not answer, and what to do about it")
    device: str | None = Field(default=None, description="where it is loaded", examples=["cpu"])
    memory_bytes: int | None = Field(
        default=None, ge=0, description="what loading it took: of the GPU's memory, or of the process's"
    )
    process_bytes: int | None = Field(default=None, ge=0, description="the server's whole resident memory")
    batch_limit: int | None = Field(
        default=None, ge=1, description="images a model call, since a larger batch ran out of memory"
    )
    loaded_at: datetime | None = None
    in_use: int = Field(default=0, ge=0, description="requests that are using it")
    idle_since: datetime | None = Field(default=None, description="when the last of them ended; empty while in use")
    switching_to: str | None = Field(default=None, description="the model that is being loaded in its place")
    switch_error: str | None = Field(default=None, description="why the last switch did not come about")


class ModelSwitch(BaseModel):
    """Which model shall answer from now on."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(
        min_length=1,
        max_length=500,
        description="embedded, hf:ORG/NAME, hf:ORG/NAME@REVISION, open_clip:ARCH/TAG or path:FOLDER",
        examples=["hf:Salesforce/blip-image-captioning-base"],
    )


class ModelsResponse(BaseModel):
    models: list[ModelInfo] = Field(description="those that have been loaded, also where they are unloaded for now")
    states: list[ModelState] = Field(default_factory=list)


class ModelServers(ModelsResponse):
    """Several model servers' answers."""

    unavailable: dict[str, str] = Field(
        default_factory=dict, description="the model servers that do not answer, each with the reason"
    )
