"""Videos in: what starts a job."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from framesense.schemas.jobs import Job
from framesense.schemas.novelty import Interval, VideoParameters, VideoPlan, VideoResult
from framesense.schemas.videos import VideoStreamNumber
from gateway.dependencies import InjectedDependencies
from gateway.http.multipart import receive_form
from gateway.jobs.idempotency import IdempotencyKey
from gateway.jobs.lookups import OptionalId, load_analysis
from gateway.jobs.submission import form_inputs
from gateway.jobs.waiting import Prefer, answer_job
from gateway.openapi import examples
from gateway.videos.submit import form_limits, plan_video, submit_form

router = APIRouter(tags=["videos"])


class VideoForm(VideoParameters):
    """The parameters as form fields, beside the video."""

    upload_id: OptionalId = Field(default=None, description="a complete upload of /uploads, instead of `video`")
    job_id: OptionalId = Field(default=None, description="an earlier job whose video is meant, instead of `video`")


_FORM = examples.form_body(
    {
        "video": {"type": "string", "format": "binary"},
        **VideoForm.model_json_schema(ref_template="#/components/schemas/{model}")["properties"],
    }
)


@router.post(
    "/video_captions",
    status_code=202,
    summary="Find the odd moments of a video",
    response_model=Job,
    responses=examples.responses(
        {
            200: {"model": VideoResult, **examples.json_example("Ready within `Prefer: wait`", examples.VIDEO_RESULT)},
            202: examples.json_example("A job; follow it at Location", examples.JOB),
        },
        400,
        404,
        408,
        409,
        413,
        415,
        422,
        429,
        503,
        507,
    ),
    openapi_extra=_FORM,
)
async def video_captions(
    request: Request,
    dependencies: InjectedDependencies,
    query: Annotated[VideoParameters, Query()],
    prefer: Prefer = None,
    key: IdempotencyKey = None,
) -> Response:
    """Send the video as the multipart form field `video`, or the `upload_id` of a resumable upload; parameters in the
    query or as form fields; one that is in both must be the same in both.

    ```sh
    curl -F video=@street.mp4 'http://127.0.0.1:8000/video_captions?every_n_second=5'
    ```
    ```sh
    curl -F video=@street.mp4 -H 'Prefer: wait=60' http://127.0.0.1:8000/video_captions
    ```

    Without `every_n_second` the interval follows from the video's length. What it comes to is told in the job's
    progress and parameters, and before the start by `/video_captions/plan`.

    `job_id` names the video of an earlier job: another `every_n_second` needs no second upload. The same video with
    the same `every_n_second` is answered from what is stored; another window, metric or signal
    never needs a new job: see `/jobs/{id}/novelty`.
    """
    async with receive_form(request, dependencies.settings.upload_folder, form_limits(dependencies)) as form:
        fields = _read_fields(query, form.fields)
        parameters = VideoParameters(**fields.model_dump(exclude={"upload_id", "job_id"}))
        inputs = await asyncio.to_thread(form_inputs, form, path=request.url.path, **fields.model_dump(mode="json"))
        submit = partial(submit_form, dependencies, form, parameters, upload_id=fields.upload_id, job_id=fields.job_id)
        job = await dependencies.idempotency.submit_once(key, inputs, submit)

    def result(finished: Job) -> VideoResult:
        analysed = load_analysis(dependencies, finished)
        return dependencies.videos.whole(analysed, analysed.parameters({}))

    return await answer_job(request, dependencies, job, prefer, result)


class PlanQuery(BaseModel):
    """Which video is meant, and how often it is to be looked at."""

    upload_id: OptionalId = Field(default=None, description="a complete upload of /uploads")
    job_id: OptionalId = Field(default=None, description="an earlier job whose video is meant")
    every_n_second: Interval = "auto"
    video_stream: VideoStreamNumber | None = Field(default=None, description="which of several videos in the file")


@router.get(
    "/video_captions/plan",
    summary="How many frames will be looked at, and for how long",
    responses=examples.responses(
        {200: examples.json_example("Of a clip of 40 s", examples.VIDEO_PLAN)}, 404, 409, 422, 503
    ),
)
async def video_plan(dependencies: InjectedDependencies, query: Annotated[PlanQuery, Query()]) -> VideoPlan:
    """Plan the analysis of a video before it starts, by what the file says of its length and the pace of recent jobs.

    ```sh
    curl "http://127.0.0.1:8000/video_captions/plan?upload_id=$UPLOAD"
    ```
    """
    return await plan_video(
        dependencies, query.every_n_second, query.video_stream, upload_id=query.upload_id, job_id=query.job_id
    )


def _read_fields(query: VideoParameters, form: dict[str, str]) -> VideoForm:
    """Read the parameters of the query and of the form together.

    Raises RequestValidationError for one that is wrong, or that is there twice and differs.
    """
    asked = query.model_dump(exclude_unset=True)
    try:
        fields = VideoForm.model_validate({**asked, **form})
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None
    differing = [name for name, value in asked.items() if getattr(fields, name) != value]
    if differing:
        message = "The query and the form differ. Send it once"
        raise RequestValidationError(
            [{"type": "differing", "loc": ("query", name), "msg": message} for name in differing]
        )
    return fields
