"""The requests and answers of the A1111 API: its names, its defaults, its shapes."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SIDE = 512
"""That API's width and height when a request has none."""
STRENGTH = 0.75
"""That API's denoising_strength when a request has none."""


def _or_null(schema: dict[str, Any]) -> None:
    """Say in a schema that null is taken for each of its properties."""
    for name, one in schema.get("properties", {}).items():
        if {"type": "null"} not in one.get("anyOf", []):
            schema["properties"][name] = {"anyOf": [one, {"type": "null"}]}


class Request(BaseModel):
    """Unknown fields are ignored and null means absent, as in that API."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, protected_namespaces=(), json_schema_extra=_or_null)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {name: field for name, field in value.items() if field is not None} if isinstance(value, dict) else value


class ImageRequest(Request):
    """The fields that ``txt2img`` and ``img2img`` share."""

    prompt: str = Field(default="", examples=["a bedroom at night"])
    negative_prompt: str = ""
    styles: list[str] = Field(default_factory=list, description="refused unless empty")
    seed: int = Field(default=-1, ge=-1, description="-1: drawn, and answered")
    subseed: int = -1
    subseed_strength: float = Field(default=0, description="refused unless 0")
    seed_resize_from_h: int = Field(default=-1, description="refused when over 0")
    seed_resize_from_w: int = Field(default=-1, description="refused when over 0")
    sampler_name: str = Field(default="", description="one of GET /sdapi/v1/samplers", examples=["Euler a"])
    sampler_index: str = Field(default="", description="older name of sampler_name")
    scheduler: str = Field(default="", description="one of GET /sdapi/v1/schedulers", examples=["automatic"])
    batch_size: int = Field(default=1, ge=1, description="pictures at once; batch_size × n_iter are made")
    n_iter: int = Field(default=1, ge=1)
    steps: int | None = Field(default=None, description="the model's own number when absent")
    cfg_scale: float | None = Field(default=None, description="the model's own when absent")
    width: int = SIDE
    height: int = SIDE
    restore_faces: bool = Field(default=False, description="refused when true")
    tiling: bool = Field(default=False, description="refused when true")
    eta: float | None = Field(default=None, description="0 or 1 are taken, as clients send them unasked")
    s_min_uncond: float = 0
    s_churn: float = 0
    s_tmax: float = 0
    s_tmin: float = 0
    s_noise: float = 1
    override_settings: dict[str, Any] = Field(
        default_factory=dict, description="what is as it is already, such as the loaded model; else refused"
    )
    refiner_checkpoint: str = Field(default="", description="refused unless empty")
    script_name: str = Field(default="", description="refused unless empty")
    script_args: list[Any] = Field(default_factory=list)
    alwayson_scripts: dict[str, Any] = Field(default_factory=dict, description="refused where they ask for anything")
    infotext: str = Field(default="", description="refused unless empty")
    send_images: bool = True
    save_images: bool = Field(default=False, description="a job's pictures are kept in either case")
    force_task_id: str = Field(
        default="", max_length=200, description="a name for the job, to ask for its progress by", examples=["task(1)"]
    )

    @property
    def pictures(self) -> int:
        return self.batch_size * self.n_iter


class Txt2ImgRequest(ImageRequest):
    enable_hr: bool = Field(default=False, description="refused when true")
    firstphase_width: int = 0
    firstphase_height: int = 0


class Img2ImgRequest(ImageRequest):
    init_images: list[str] = Field(default_factory=list, description="base64 or data URIs", examples=[["iVBORw0KGgo…"]])
    mask: str = Field(default="", description="base64 or data URI; white is changed")
    resize_mode: int = Field(default=0, ge=0, le=3, description="0: stretch, 1: crop, 2: fill; 3 is refused")
    denoising_strength: float = STRENGTH
    image_cfg_scale: float | None = None
    mask_blur: float | None = Field(default=None, description="4 when absent")
    mask_blur_x: float | None = None
    mask_blur_y: float | None = None
    inpainting_fill: int = Field(
        default=0, ge=0, le=3, description="what is under the mask at first: 0 its surroundings, 1 the photo"
    )
    inpaint_full_res: bool = Field(
        default=True, description="only the masked part goes to the model, and back into the photo at its own size"
    )
    inpaint_full_res_padding: int = Field(default=0, ge=0, description="pixels around it that the model sees too")
    inpainting_mask_invert: int = Field(default=0, ge=0, le=1, description="1: black is changed instead")
    initial_noise_multiplier: float = 1
    include_init_images: bool = Field(default=False, description="repeat the pictures in the answer's parameters")

    @property
    def inverts(self) -> bool:
        return self.inpainting_mask_invert == 1

    @property
    def blur(self) -> float:
        """Return the blur of the mask's edge, in pixels. Raises ValueError for two different ones."""
        given = [blur for blur in (self.mask_blur, self.mask_blur_x, self.mask_blur_y) if blur is not None]
        if self.mask_blur is None and self.mask_blur_x != self.mask_blur_y:
            raise ValueError("mask_blur_x and mask_blur_y differ; here a mask is blurred alike in both directions")
        return given[0] if given else 4.0


class ImagesResponse(BaseModel):
    images: list[str] = Field(description="PNG in base64")
    parameters: dict[str, Any] = Field(description="what was asked for")
    info: str = Field(description="JSON: what was done")


class ExtrasRequest(Request):
    resize_mode: Literal[0, 1] = Field(default=0, description="0: by upscaling_resize, 1: to upscaling_resize_w × _h")
    show_extras_results: bool = True
    gfpgan_visibility: float = Field(default=0, description="refused unless 0")
    codeformer_visibility: float = Field(default=0, description="refused unless 0")
    codeformer_weight: float = 0
    upscaling_resize: float = Field(default=2, gt=0, description="times each side")
    upscaling_resize_w: int = Field(default=SIDE, ge=1)
    upscaling_resize_h: int = Field(default=SIDE, ge=1)
    upscaling_crop: bool = Field(default=True, description="cut what stands out of the width and height")
    upscaler_1: str = Field(default="None", description="one of GET /sdapi/v1/upscalers")
    upscaler_2: str = "None"
    extras_upscaler_2_visibility: float = Field(default=0, description="refused unless 0")
    upscale_first: bool = False
    force_task_id: str = Field(default="", max_length=200, description="a name for the job")


class ExtraSingleRequest(ExtrasRequest):
    image: str = Field(default="", description="base64 or data URI", examples=["iVBORw0KGgo…"])


class NamedPicture(Request):
    data: str = Field(description="base64 or data URI")
    name: str = ""


class ExtraBatchRequest(ExtrasRequest):
    imageList: list[NamedPicture] = Field(default_factory=list)  # noqa: N815 - that API's spelling


class ExtraSingleResponse(BaseModel):
    html_info: str
    image: str | None = Field(default=None, description="PNG in base64")


class ExtraBatchResponse(BaseModel):
    html_info: str
    images: list[str] = Field(description="PNG in base64, in the order sent")


class PngInfoRequest(Request):
    image: str = Field(default="", description="base64 or data URI", examples=["iVBORw0KGgo…"])


class PngInfoResponse(BaseModel):
    info: str = Field(description="the text 'parameters' as the picture carries it; empty where it carries none")
    items: dict[str, Any] = Field(description="its other texts, by name")
    parameters: dict[str, Any] = Field(description="info, read")


class InterrogateRequest(Request):
    image: str = Field(default="", description="base64 or data URI", examples=["iVBORw0KGgo…"])
    model: str = Field(default="clip", description="clip: a caption; deepdanbooru or deepbooru: tags")


class InterrogateResponse(BaseModel):
    caption: str


class ProgressState(BaseModel):
    """That API's state, of one's own job alone; and below ``job_id``, what it never had."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = ""
    job_count: int = Field(default=0, description="pictures that the job makes; 0: no job of yours is unfinished")
    job_timestamp: str = "0"
    job_no: int = Field(default=0, description="pictures done")
    sampling_step: int = 0
    sampling_steps: int = 0
    job_id: str | None = Field(default=None, description="follow it at /jobs/{id}")
    job_state: str | None = None
    queue_position: int | None = Field(default=None, description="how many jobs run before yours; absent once it runs")


class ProgressResponse(BaseModel):
    progress: float = Field(ge=0, le=1)
    eta_relative: float = Field(description="seconds until it is done, by its speed so far; 0 where that is not known")
    state: ProgressState
    current_image: str | None = Field(default=None, description="the picture so far, JPEG in base64")
    textinfo: str | None = None


class TaskProgressRequest(Request):
    id_task: str = Field(default="", description="the request's force_task_id, or a job's id")
    id_live_preview: int = -1
    live_preview: bool = True


class TaskProgressResponse(BaseModel):
    active: bool
    queued: bool
    completed: bool
    progress: float | None = None
    eta: float | None = None
    live_preview: str | None = Field(default=None, description="data URI of a JPEG")
    id_live_preview: int | None = None
    textinfo: str | None = None


class Options(BaseModel):
    """Any settings by name."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    sd_model_checkpoint: str | None = Field(default=None, description="the loaded model's title, name or hash")


class Sampler(BaseModel):
    name: str
    aliases: list[str]
    options: dict[str, Any] = Field(default_factory=dict)


class NoiseSchedule(BaseModel):
    name: str
    label: str
    aliases: list[str] | None = None
    default_rho: float | None = -1
    need_inner_model: bool | None = False


class Checkpoint(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    title: str
    model_name: str
    hash: str | None
    sha256: str | None = None
    filename: str
    config: str | None = None

    def is_called(self, name: str) -> bool:
        """Return whether this is any of the names that clients use for the model, whatever its case."""
        known = (self.title, self.model_name, self.hash, self.filename)
        return name.removesuffix(".safetensors").lower() in {known_as.lower() for known_as in known if known_as}


class Upscaler(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    name: str
    model_name: str | None = None
    model_path: str | None = None
    model_url: str | None = None
    scale: float | None = 4


class MemoryResponse(BaseModel):
    ram: dict[str, Any] = Field(description="bytes of the gateway's machine")
    cuda: dict[str, Any]
