"""The gateway over HTTP: the one place of the ui that makes requests. Answers are the shared contracts."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from framesense.schemas.captions import CaptionResponse
from framesense.schemas.jobs import Job, JobList
from framesense.schemas.models import ModelInfo, ModelsResponse
from framesense.schemas.novelty import NoveltyCurve, NoveltyParameters, VideoParameters, VideoResult
from framesense.schemas.problems import Problem

ExportFormat = Literal["csv", "json", "vtt"]
Answer = TypeVar("Answer", bound=BaseModel)


class GatewayError(Exception):
    """The gateway said no, or nothing; ``problem`` says it in words for people."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@dataclass(frozen=True)
class Photo:
    """An image file as it was chosen: its name, its media type and its bytes."""

    name: str
    media_type: str
    data: bytes


class GatewayApi:
    """Every method raises GatewayError when the gateway refuses, fails or cannot be reached."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def not_ready(self) -> str:
        """Why the services cannot work now, or an empty string when they can."""
        try:
            self._request("GET", "/ready")
        except GatewayError as error:
            return error.problem.detail
        return ""

    def models(self) -> list[ModelInfo]:
        return self._read(ModelsResponse, "GET", "/models").models

    def largest_upload(self) -> int | None:
        """Bytes that a video may have (``Tus-Max-Size``), or None when the gateway names no limit."""
        value = self._request("OPTIONS", "/uploads").headers.get("Tus-Max-Size", "")
        return int(value) if value.isdigit() else None

    def analyse_upload(self, upload_id: str, parameters: VideoParameters) -> Job:
        """Starts a job for a finished upload."""
        return self._analyse({"upload_id": (None, upload_id)}, parameters)

    def analyse_again(self, job: Job, parameters: VideoParameters) -> Job:
        """Starts a job for the video of another job."""
        return self._analyse({"job_id": (None, job.id)}, parameters)

    def _analyse(self, form: dict[str, Any], parameters: VideoParameters) -> Job:
        return self._read(Job, "POST", "/video_captions", files=form, params=parameters.model_dump(mode="json"))

    def jobs(self, limit: int = 50) -> JobList:
        return self._read(JobList, "GET", "/jobs", params={"limit": limit})

    def job(self, job_id: str) -> Job:
        return self._read(Job, "GET", f"/jobs/{job_id}")

    def delete(self, job_id: str) -> None:
        """Cancels a job that is not finished; forgets one that is."""
        self._request("DELETE", f"/jobs/{job_id}")

    def result(self, job_id: str) -> VideoResult:
        return self._read(VideoResult, "GET", f"/jobs/{job_id}/result")

    def novelty(self, job_id: str, parameters: NoveltyParameters) -> NoveltyCurve:
        return self._read(NoveltyCurve, "GET", f"/jobs/{job_id}/novelty", params=_query(parameters))

    def export(self, job_id: str, file_format: ExportFormat, parameters: NoveltyParameters) -> bytes:
        return self._request("GET", f"/jobs/{job_id}/export.{file_format}", params=_query(parameters)).content

    def caption(self, photos: Sequence[Photo], *, beams: int) -> CaptionResponse:
        """Captions with attention maps, one a photo, in their order."""
        files = [("images", (photo.name, photo.data, photo.media_type)) for photo in photos]
        params = {"beams": beams, "return": "attention", "encoding_format": "base64"}
        return self._read(CaptionResponse, "POST", "/caption", files=files, params=params)

    def _read(self, model: type[Answer], method: str, path: str, **options: Any) -> Answer:
        response = self._request(method, path, **options)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise GatewayError(_problem(502, "Unexpected answer", f"The gateway answered {path} oddly.")) from error

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise GatewayError(self._unreachable(error)) from error
        if response.is_error:
            raise GatewayError(_problem_of(response))
        return response

    def _unreachable(self, error: httpx.HTTPError) -> Problem:
        if isinstance(error, httpx.ReadTimeout):
            return _problem(504, "No answer in time", "The gateway took too long to answer. Try again in a moment.")
        detail = f"The gateway at {self._client.base_url} cannot be reached. Is it running?"
        return _problem(503, "Gateway not reachable", detail)


def _query(parameters: NoveltyParameters) -> dict[str, Any]:
    """What a curve depends on, also when given all that an analysis was asked for."""
    return parameters.model_dump(mode="json", include=set(NoveltyParameters.model_fields))


def _problem_of(response: httpx.Response) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        phrase = HTTPStatus(response.status_code).phrase
        return _problem(response.status_code, phrase, f"The gateway answered {response.status_code} {phrase}.")


def _problem(status: int, title: str, detail: str) -> Problem:
    return Problem(title=title, status=status, detail=detail)
