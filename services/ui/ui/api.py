"""The gateway over HTTP: the one place of the ui that makes requests. Answers are the shared contracts."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode

import httpx
from pydantic import BaseModel, ValidationError

from framesense.schemas.access import SESSION_COOKIE, Session
from framesense.schemas.captions import CaptionResponse
from framesense.schemas.classifiers import (
    Classifier,
    ClassifierList,
    ClassifyResponse,
    EvaluationResponse,
    NewClassifier,
)
from framesense.schemas.edits import EditorCapabilities, EditParameters, EditResult, SeriesParameters
from framesense.schemas.jobs import Job, JobKind, JobList
from framesense.schemas.models import ModelServers
from framesense.schemas.novelty import (
    Interval,
    NoveltyCurve,
    NoveltyParameters,
    SearchResult,
    VideoParameters,
    VideoPlan,
    VideoResult,
)
from framesense.schemas.photo_sets import PhotoSetParameters, PhotoSetResult
from framesense.schemas.problems import Problem
from framesense.schemas.references import NewReference, Reference, ReferenceList
from framesense.schemas.tags import LabelSet, LabelSetList, LabelSetSummary, NewLabelSet, TagsResponse

ExportFormat = Literal["csv", "json", "vtt"]
PhotoSetFormat = Literal["csv", "parquet", "json"]
MOST_JOBS = 500
"""The gateway lists no more at once."""
LONG = httpx.Timeout(600, connect=3)
"""Seconds, for what looks at thousands of photos in one request."""
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
    """Every method raises GatewayError when the gateway refuses, fails or cannot be reached.

    Args:
        client: its connections, which everybody's pages share.
        session: the token in the cookie of whoever sees the page, which goes along with every request.
    """

    def __init__(self, client: httpx.Client, session: str | None = None) -> None:
        self._client = client
        self._headers = {"Cookie": f"{SESSION_COOKIE}={session}"} if session else {}

    def session(self) -> Session:
        """Return who the gateway takes whoever sees the page for, and whether it asks."""
        return self._read(Session, "GET", "/session")

    def sign_out(self) -> None:
        """End the session."""
        self._request("DELETE", "/session")

    def not_ready(self) -> str:
        """Say why the services cannot work now, or return an empty string when they can."""
        try:
            self._request("GET", "/ready")
        except GatewayError as error:
            return error.problem.detail
        return ""

    def missing(self) -> dict[str, str]:
        """Return what does not work though the rest does, by its name, in words; nothing while nothing works."""
        try:
            warnings = self._request("GET", "/ready").json().get("warnings")
        except (GatewayError, ValueError, AttributeError):
            return {}
        return {str(name): str(reason) for name, reason in warnings.items()} if isinstance(warnings, dict) else {}

    def models(self) -> ModelServers:
        return self._read(ModelServers, "GET", "/models")

    def largest_video(self) -> int | None:
        """Return the bytes that a video may have, or None when the gateway names no limit."""
        return self._largest("Max-Video-Size")

    def largest_photo_set(self) -> int | None:
        """Return the bytes that a zip of photos may have, or None when the gateway names no limit."""
        return self._largest("Max-Photo-Set-Size")

    def _largest(self, header: str) -> int | None:
        value = self._request("OPTIONS", "/uploads").headers.get(header, "")
        return int(value) if value.isdigit() else None

    def plan_upload(self, upload_id: str, every_n_second: Interval, video_stream: int | None) -> VideoPlan:
        """Ask what the analysis of a finished upload will look at."""
        query: dict[str, str | int | float] = {"upload_id": upload_id, "every_n_second": every_n_second}
        if video_stream is not None:
            query["video_stream"] = video_stream
        return self._read(VideoPlan, "GET", "/video_captions/plan", params=query)

    def analyse_upload(self, upload_id: str, parameters: VideoParameters) -> Job:
        """Start a job for a finished upload."""
        return self._analyse({"upload_id": (None, upload_id)}, parameters)

    def analyse_file(self, name: str, video: bytes, parameters: VideoParameters) -> Job:
        """Send a short video and start a job for it."""
        return self._analyse({"video": (name, video)}, parameters)

    def analyse_again(self, job: Job, parameters: VideoParameters) -> Job:
        """Start a job for the video of another job."""
        return self._analyse({"job_id": (None, job.id)}, parameters)

    def _analyse(self, form: dict[str, Any], parameters: VideoParameters) -> Job:
        return self._read(
            Job, "POST", "/video_captions", files=form, params=parameters.model_dump(mode="json", exclude_none=True)
        )

    def jobs(self, kinds: Collection[JobKind], *, limit: int) -> JobList:
        """Return the newest jobs of some kinds. ``limit``: 1 to :data:`MOST_JOBS`."""
        return self._read(JobList, "GET", "/jobs", params={"limit": limit, "kind": list(kinds)})

    def job(self, job_id: str) -> Job:
        return self._read(Job, "GET", f"/jobs/{job_id}")

    def delete(self, job_id: str) -> None:
        """Cancel a job that is not finished; delete one that is."""
        self._request("DELETE", f"/jobs/{job_id}")

    def result(self, job_id: str) -> VideoResult:
        return self._read(VideoResult, "GET", f"/jobs/{job_id}/result")

    def novelty(self, job_id: str, parameters: NoveltyParameters) -> NoveltyCurve:
        return self._read(NoveltyCurve, "GET", f"/jobs/{job_id}/novelty", params=_query(parameters))

    def search(self, job_id: str, words: str) -> SearchResult:
        """Search a video's frames for words: how well each picture fits them."""
        return self._read(SearchResult, "GET", f"/jobs/{job_id}/search", params={"q": words})

    def references(self) -> list[Reference]:
        return self._read(ReferenceList, "GET", "/references").references

    def create_reference(self, new: NewReference) -> Reference:
        """Create a reference, in place of one of the same name."""
        return self._read(Reference, "POST", "/references", json=new.model_dump(mode="json"))

    def delete_reference(self, name: str) -> None:
        self._request("DELETE", f"/references/{name}")

    def export(self, job_id: str, file_format: ExportFormat, parameters: NoveltyParameters) -> bytes:
        return self._request("GET", f"/jobs/{job_id}/export.{file_format}", params=_query(parameters)).content

    def caption(self, photos: Sequence[Photo], *, beams: int) -> CaptionResponse:
        """Caption photos, in their order; with attention maps where the captioner's model has them."""
        params = {"beams": beams, "encoding_format": "base64"}
        try:
            with_maps = {**params, "return": "attention"}
            return self._read(CaptionResponse, "POST", "/caption", files=_images(photos), params=with_maps)
        except GatewayError as error:
            if not error.problem.type.endswith(":unsupported-option"):
                raise
        return self._read(CaptionResponse, "POST", "/caption", files=_images(photos), params=params)

    def tags(self, photos: Sequence[Photo], labels: Sequence[str], templates: Sequence[str]) -> TagsResponse:
        """Score every label for every photo, whatever the threshold."""
        form = {"labels": json.dumps(list(labels)), "template": json.dumps(list(templates)), "return": "all"}
        return self._read(TagsResponse, "POST", "/tags", files=_images(photos), data=form)

    def label_sets(self) -> list[LabelSetSummary]:
        return self._read(LabelSetList, "GET", "/label-sets").label_sets

    def label_set(self, name: str) -> LabelSet:
        return self._read(LabelSet, "GET", f"/label-sets/{_segment(name)}")

    def save_label_set(self, content: NewLabelSet, *, replace: bool) -> LabelSet:
        if replace:
            body = content.model_dump(exclude={"name"})
            return self._read(LabelSet, "PUT", f"/label-sets/{_segment(content.name)}", json=body)
        return self._read(LabelSet, "POST", "/label-sets", json=content.model_dump())

    def delete_label_set(self, name: str) -> None:
        self._request("DELETE", f"/label-sets/{_segment(name)}")

    def classifiers(self) -> list[Classifier]:
        return self._read(ClassifierList, "GET", "/classifiers").classifiers

    def classifier(self, name: str) -> Classifier:
        return self._read(Classifier, "GET", f"/classifiers/{_segment(name)}")

    def create_classifier(self, new: NewClassifier) -> Classifier:
        return self._read(Classifier, "POST", "/classifiers", json=new.model_dump())

    def delete_classifier(self, name: str) -> None:
        self._request("DELETE", f"/classifiers/{_segment(name)}")

    def classifier_file(self, name: str) -> bytes:
        """Download a classifier's head as safetensors."""
        return self._request("GET", f"/classifiers/{_segment(name)}/head").content

    def upload_classifier(self, file: bytes, name: str) -> Classifier:
        """Upload a classifier's file. ``name``: another one than the file's own; empty for the file's own."""
        files = {"head": ("head.safetensors", file, "application/octet-stream")}
        params = {"name": name} if name else {}
        return self._read(Classifier, "POST", "/classifiers/upload", files=files, params=params)

    def classify(self, name: str, photos: Sequence[Photo]) -> ClassifyResponse:
        return self._read(ClassifyResponse, "POST", f"/classifiers/{_segment(name)}/classify", files=_images(photos))

    def improve(self, name: str, photos: Sequence[Photo], labels: Sequence[str], *, new_name: str) -> Classifier:
        """Improve a classifier by labelled photos.

        ``labels``: one a photo. ``new_name``: where the better one is stored; empty to replace the old one.
        """
        params = {"new_name": new_name} if new_name else {}
        form = {"labels": json.dumps(list(labels))}
        path = f"/classifiers/{_segment(name)}/improve"
        return self._read(Classifier, "POST", path, files=_images(photos), data=form, params=params, timeout=LONG)

    def evaluate(self, name: str, archive: bytes) -> EvaluationResponse:
        """Measure a classifier on an archive: a zip with a folder for each label."""
        files = {"archive": ("photos.zip", archive, "application/zip")}
        return self._read(
            EvaluationResponse, "POST", f"/classifiers/{_segment(name)}/evaluate", files=files, timeout=LONG
        )

    def tag_uploaded_set(self, upload_id: str, parameters: PhotoSetParameters) -> Job:
        """Start a job for a finished upload."""
        return self._tag_set({"upload_id": (None, upload_id)}, parameters)

    def tag_set(self, name: str, archive: bytes, parameters: PhotoSetParameters) -> Job:
        """Start a job for a small zip of photos."""
        return self._tag_set({"photos": (name, archive, "application/zip")}, parameters)

    def _tag_set(self, form: dict[str, Any], parameters: PhotoSetParameters) -> Job:
        fields = parameters.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        return self._read(Job, "POST", "/photo-sets", files=form, data=texts)

    def photo_set(self, job_id: str) -> PhotoSetResult:
        return self._read(PhotoSetResult, "GET", f"/jobs/{job_id}/result")

    def photo_set_export(self, job_id: str, file_format: PhotoSetFormat) -> bytes:
        return self._request("GET", f"/jobs/{job_id}/export.{file_format}", timeout=LONG).content

    def edit_capabilities(self) -> EditorCapabilities:
        return self._read(EditorCapabilities, "GET", "/edits/capabilities")

    def edit(self, photo: Photo | None, parameters: EditParameters, mask: Photo | None) -> Job:
        """Start a job that edits a photo, or makes a picture from words alone where ``photo`` is None."""
        pictures = [*_files("image", [photo] if photo else []), *_files("mask", [mask] if mask else [])]
        return self._read(Job, "POST", "/edits", files=[*pictures, _json_field("parameters", parameters)])

    def edit_series(self, photos: Sequence[Photo], parameters: SeriesParameters, mask: Photo | None) -> Job:
        """Start a job: one photo under many settings, or many photos under the same ones."""
        pictures = [*_files("image", photos), *_files("mask", [mask] if mask else [])]
        files = [*pictures, _json_field("parameters", parameters)]
        return self._read(Job, "POST", "/edits/series", files=files, timeout=LONG)

    def edit_result(self, job_id: str) -> EditResult:
        return self._read(EditResult, "GET", f"/jobs/{job_id}/result")

    def picture(self, path: str) -> bytes:
        """Download a file that an answer refers to by its path on the gateway, such as an edit's ``image_url``."""
        return self._request("GET", path, timeout=LONG).content

    def edit_preview(self, job_id: str) -> bytes | None:
        """Return a small JPEG of what an edit looks like so far; None before there is any."""
        try:
            return self._request("GET", f"/jobs/{job_id}/preview.jpg").content
        except GatewayError as error:
            if error.problem.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def _read(self, model: type[Answer], method: str, path: str, **options: Any) -> Answer:
        response = self._request(method, path, **options)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise GatewayError(_problem(502, "Unexpected answer", f"The gateway answered {path} oddly.")) from error

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, headers=self._headers, **options)
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


def _segment(name: str) -> str:
    """Quote a name as one segment of a path, whatever somebody typed."""
    return quote(name, safe="") or "-"


def _images(photos: Sequence[Photo]) -> list[tuple[str, tuple[str, bytes, str]]]:
    return _files("images", photos)


def _files(field: str, photos: Sequence[Photo]) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [(field, (photo.name, photo.data, photo.media_type)) for photo in photos]


def _json_field(name: str, value: BaseModel) -> tuple[str, tuple[None, str]]:
    """Build a form's field of what is set; the gateway's defaults take the place of the rest."""
    return name, (None, value.model_dump_json(exclude_none=True))


def highlights_path(job_id: str, parameters: NoveltyParameters) -> str:
    """Return the gateway's address of a reel of the moments, with each frame's time in its corner."""
    return f"/jobs/{job_id}/highlights.mp4?{urlencode({**_query(parameters), 'times': 'true'})}"


def _query(parameters: NoveltyParameters) -> dict[str, Any]:
    """Build the query of a curve from what it depends on, also when given all parameters of an analysis."""
    return parameters.model_dump(mode="json", include=set(NoveltyParameters.model_fields), exclude_none=True)


def _problem_of(response: httpx.Response) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        phrase = HTTPStatus(response.status_code).phrase
        return _problem(response.status_code, phrase, f"The gateway answered {response.status_code} {phrase}.")


def _problem(status: int, title: str, detail: str) -> Problem:
    return Problem(title=title, status=status, detail=detail)
