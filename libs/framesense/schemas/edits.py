"""Describe edits of a photo by diffusion: their parameters, their results, and the events of an edit under way."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from framesense.schemas.models import ModelInfo
from framesense.schemas.problems import Problem

MAX_PROMPT, MAX_STEPS, MAX_IMAGES, MAX_GUIDANCE, MAX_SIDE = 2000, 150, 16, 30.0, 4096
MAX_SEED = 2**32 - 1

Prompt = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_PROMPT)]


class Task(StrEnum):
    """A task: to change a photo, to make one, or to restore one."""

    EDIT = "edit"
    """Changed towards the prompt."""
    GENERATE = "generate"
    """Made from the prompt alone: no photo."""
    DENOISE = "denoise"
    UPSCALE_X2 = "upscale_x2"
    UPSCALE_X4 = "upscale_x4"

    @property
    def restores(self) -> bool:
        return self in (Task.DENOISE, Task.UPSCALE_X2, Task.UPSCALE_X4)


class Preserve(StrEnum):
    """The part of the photo that is kept as it is."""

    NONE = "none"
    AUTO = "auto"
    """All but what the words are about, as the model finds it."""
    MASK = "mask"
    """All but the white of the mask sent."""


class Fit(StrEnum):
    """The way in which a photo is brought to a width and height of other proportions."""

    FIT = "fit"
    """Whole, within them; the result keeps the photo's proportions."""
    CROP = "crop"
    """Filling them; what stands out at the sides is cut off."""
    FILL = "fill"
    """Whole, with its blurred edges around it."""


class SchedulerName(StrEnum):
    """A scheduler: it takes the noise away, step by step. Named as most programs do."""

    EULER = "euler"
    EULER_A = "euler_a"
    DDIM = "ddim"
    DPMPP_2M = "dpm++_2m"
    LCM = "lcm"

    @property
    def label(self) -> str:
        """Return the name as people write it."""
        return _SCHEDULER_TITLES[self.value]


_SCHEDULER_TITLES = {
    "euler": "Euler",
    "euler_a": "Euler a",
    "ddim": "DDIM",
    "dpm++_2m": "DPM++ 2M",
    "lcm": "LCM",
}


class EditParameters(BaseModel):
    """The parameters of an edit. The model's own default takes the place of a parameter that is absent."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    task: Task = Task.EDIT
    prompt: Prompt = Field(default="", description="what the picture should show", examples=["a bedroom at night"])
    negative_prompt: Prompt = Field(default="", description="what it should not show")
    unconditional: bool = Field(default=False, description="there is no prompt on purpose: no words steer the picture")
    strength: float = Field(
        default=0.5,
        gt=0,
        le=1,
        allow_inf_nan=False,
        validation_alias=AliasChoices("strength", "denoising_strength"),
        description="how far the photo may be changed; 1: only the words count. Also taken as denoising_strength",
    )
    steps: int | None = Field(default=None, ge=1, le=MAX_STEPS, description="of the whole schedule")
    guidance_scale: float | None = Field(
        default=None, ge=0, le=MAX_GUIDANCE, allow_inf_nan=False, description="how strictly the words are followed"
    )
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="drawn when absent; always answered")
    scheduler: SchedulerName | None = None
    width: int | None = Field(default=None, ge=8, le=MAX_SIDE, description="pixels; the photo's own when absent")
    height: int | None = Field(default=None, ge=8, le=MAX_SIDE, description="pixels; the photo's own when absent")
    fit: Fit = Fit.FIT
    preserve: Preserve | None = Field(
        default=None,
        description="which part of the photo is kept as it is; by default mask where a mask is sent, else none",
    )
    mask_blur: float = Field(
        default=4.0, ge=0, le=64, allow_inf_nan=False, description="feather of the mask's edge: sigma in pixels"
    )
    images: int = Field(default=1, ge=1, le=MAX_IMAGES, description="how many; each has the seed after the last one's")

    @model_validator(mode="after")
    def _says_what_to_do(self) -> Self:
        if self.unconditional and self.prompt:
            raise ValueError("send either a 'prompt' or unconditional=true, one of the two")
        if self.task in (Task.EDIT, Task.GENERATE) and not self.prompt and not self.unconditional:
            raise ValueError("say in 'prompt' what the picture should show, for instance 'a bedroom at night'")
        if self.task is Task.GENERATE and self.preserve not in (None, Preserve.NONE):
            raise ValueError("a picture made from words alone has nothing to preserve")
        return self


class Change(BaseModel):
    """The size of the change that an edit made. Differences are mean absolute ones of sRGB values, from 0 to 1."""

    inside: float = Field(ge=0, le=1, description="within the region that was to change, weighted by it")
    outside: float = Field(ge=0, le=1, description="outside it; 0 when the whole photo was to change")
    region: float = Field(ge=0, le=1, description="share of the picture that was to change")
    ssim_outside: float | None = Field(
        default=None, ge=-1, le=1, description="structural similarity outside the region; absent where there is none"
    )


class PromptSimilarity(BaseModel):
    """The similarity of picture and prompt in the tagger's embedding space, before and after the edit."""

    before: float = Field(description="cosine of the photo and the prompt")
    after: float = Field(description="cosine of the edited picture and the prompt")
    gain: float = Field(description="after − before")
    photo_similarity: float = Field(description="cosine of the edited picture and the photo")
    model: ModelInfo | None = Field(default=None, description="the tagger's model, that measured them")


class EditedImage(BaseModel):
    """One picture that an edit made."""

    index: int = Field(ge=0)
    seed: int = Field(ge=0)
    width: int
    height: int
    parameters: EditParameters = Field(description="with every default filled in")
    change: Change | None = Field(default=None, description="absent for a picture made from words alone")
    agreement: PromptSimilarity | None = Field(
        default=None, description="absent where no tagger answered or without words"
    )
    seconds: float = Field(ge=0, description="time in the model server")
    model: ModelInfo | None = Field(default=None, description="the editor's, that made it")
    method: str = Field(description="how it was made, in words: 'SDEdit, guided upsampling', 'bicubic interpolation'")
    notes: list[str] = Field(default_factory=list, description="what to know of it: resized, a small model, ...")
    image_url: str | None = None
    change_map_url: str | None = Field(default=None, description="PNG, white where it changed most")
    mask_url: str | None = Field(default=None, description="PNG, white where it was to change")
    photo: str = Field(default="", description="name of the photo it was made of")
    photo_index: int | None = Field(default=None, ge=0, description="its place among those sent; absent without one")
    photo_url: str | None = Field(default=None, description="that photo as it was sent; absent without one")
    row: str | None = Field(default=None, description="its row in the contact sheet: 'strength 0.4'")
    column: str | None = Field(default=None, description="its column in the contact sheet")


class EditResult(BaseModel):
    """The result of an edit, or of a series of edits."""

    job_id: str
    name: str
    parameters: EditParameters
    images: list[EditedImage]
    contact_sheet_url: str | None = Field(default=None, description="PNG; of a series")
    rows: list[str] = Field(default_factory=list, description="the series' labels, from top to bottom")
    columns: list[str] = Field(default_factory=list, description="the series' labels, from left to right")
    best: int | None = Field(default=None, description="index of the image that matches the words best")
    model: ModelInfo


class Axis(BaseModel):
    """One parameter and the values that a series gives it."""

    model_config = ConfigDict(extra="forbid")

    parameter: Literal["strength", "steps", "guidance_scale", "seed", "prompt", "scheduler", "preserve"]
    values: list[Any] = Field(min_length=1, max_length=64, examples=[[0.3, 0.5, 0.7]])


class SheetOrder(StrEnum):
    """The layout of the contact sheet of a series."""

    GRID = "grid"
    """By rows and columns."""
    AGREEMENT = "agreement"
    """The pictures that match the words better than the photo did come first."""


class SeriesParameters(BaseModel):
    """One photo under a grid of parameters, or many photos under the same ones."""

    model_config = ConfigDict(extra="forbid")

    base: EditParameters = Field(description="what every picture of the series shares")
    rows: Axis | None = None
    columns: Axis | None = None
    sort: SheetOrder = Field(default=SheetOrder.GRID, description="order of the pictures in the contact sheet")

    @model_validator(mode="before")
    @classmethod
    def _prompt_may_be_an_axis(cls, given: Any) -> Any:
        """Take an axis's first prompt for the base's, where the base has none."""
        base = given.get("base") if isinstance(given, dict) else None
        if isinstance(base, dict) and "prompt" not in base:
            for axis in (given.get("rows"), given.get("columns")):
                match axis:
                    case {"parameter": "prompt", "values": [str(prompt), *_]}:
                        return {**given, "base": {**base, "prompt": prompt}}
        return given

    @property
    def varied(self) -> set[str]:
        """Return the names of the parameters that differ from picture to picture."""
        return {axis.parameter for axis in (self.rows, self.columns) if axis}


class SamplerInfo(BaseModel):
    name: SchedulerName
    title: str = Field(description="as people write it: 'DPM++ 2M'")


class EditorCapabilities(BaseModel):
    """The capabilities of the editor's model: its tasks, schedulers and defaults."""

    tasks: list[Task]
    preserve: list[Preserve]
    schedulers: list[SamplerInfo]
    default_scheduler: SchedulerName
    default_steps: int
    default_guidance_scale: float
    size: int = Field(description="side of the square that the model sees, in pixels")
    multiple_of: int = Field(description="the model's width and height are multiples of it")
    note: str | None = Field(default=None, description="what to know of the model before trusting it")
    model: ModelInfo


class StepEvent(BaseModel):
    """A step is done."""

    event: Literal["step"] = "step"
    image: int = Field(ge=0, description="which of the images, from 0")
    step: int = Field(ge=0)
    steps: int = Field(ge=1, description="that will be taken: strength × steps of the schedule, at least one")
    preview: str | None = Field(default=None, description="JPEG, base64: the picture as the model sees it so far")


class ImageEvent(BaseModel):
    """A picture is done. Its files are PNG in base64; the URLs of ``image`` are still empty."""

    event: Literal["image"] = "image"
    image: EditedImage
    png: str
    change_map: str | None = None
    mask: str | None = None


class FailureEvent(BaseModel):
    """The edit failed after its answer had begun."""

    event: Literal["failure"] = "failure"
    problem: Problem


EditEvent = Annotated[StepEvent | ImageEvent | FailureEvent, Field(discriminator="event")]
"""A line of the editor's answer to ``POST /edits`` (``application/x-ndjson``): steps, an image, steps, an image, …"""
