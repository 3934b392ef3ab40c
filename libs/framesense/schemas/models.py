"""Which model made an answer."""

from pydantic import BaseModel, Field


class ModelInfo(BaseModel):
    """A loaded model, named well enough to tell its answers from another's."""

    service: str = Field(examples=["captioner"])
    name: str = Field(description="the model's name", examples=["embedded"])
    family: str = Field(description="the architecture", examples=["show-attend-tell"])
    revision: str = Field(description="changes whenever the weights do", examples=["3f1c9a2b7d10"])
    device: str = Field(examples=["cpu"])
    dtype: str = Field(examples=["bfloat16"])
    parameters: int = Field(ge=0, description="number of weights")
    note: str | None = Field(default=None, description="what to know before trusting its answers")


class ModelsResponse(BaseModel):
    models: list[ModelInfo]


class ModelServers(ModelsResponse):
    """Several model servers' answers."""

    unavailable: dict[str, str] = Field(
        default_factory=dict, description="the model servers that do not answer, each with the reason"
    )
