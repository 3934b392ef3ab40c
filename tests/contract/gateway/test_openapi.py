"""The API's own description: complete enough to write a client from, and true."""

import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from framesense.schemas.access import Session
from framesense.schemas.captions import CaptionResponse
from framesense.schemas.classifiers import Classifier, ClassifierList, ClassifyResponse, EvaluationResponse
from framesense.schemas.edits import EditorCapabilities, EditResult
from framesense.schemas.jobs import Job, JobList
from framesense.schemas.models import ModelServers, ModelState
from framesense.schemas.novelty import NoveltyCurve, VideoPlan, VideoResult
from framesense.schemas.photo_sets import PhotoSetResult
from framesense.schemas.problems import MEDIA_TYPE
from framesense.schemas.tags import LabelSet, LabelSetList, SimilarityResponse, TagsResponse
from gateway.app import create_app
from gateway.settings import GatewaySettings

CODE_BLOCK = re.compile(r"^```sh\n.*?\n```$", re.DOTALL | re.MULTILINE)
PROMISED = {
    ("post", "/caption"),
    ("post", "/tags"),
    ("post", "/similarity"),
    ("get", "/label-sets"),
    ("post", "/label-sets"),
    ("get", "/label-sets/{name}"),
    ("put", "/label-sets/{name}"),
    ("delete", "/label-sets/{name}"),
    ("get", "/classifiers"),
    ("post", "/classifiers"),
    ("post", "/classifiers/upload"),
    ("get", "/classifiers/{name}"),
    ("delete", "/classifiers/{name}"),
    ("get", "/classifiers/{name}/head"),
    ("post", "/classifiers/{name}/classify"),
    ("post", "/classifiers/{name}/evaluate"),
    ("post", "/classifiers/{name}/improve"),
    ("post", "/video_captions"),
    ("get", "/video_captions/plan"),
    ("get", "/jobs/{job_id}/moments/{rank}.mp4"),
    ("get", "/jobs/{job_id}/highlights.mp4"),
    ("post", "/photo-sets"),
    ("post", "/datasets"),
    ("post", "/edits"),
    ("post", "/edits/series"),
    ("get", "/edits/capabilities"),
    ("get", "/jobs/{job_id}/images/{index}.png"),
    ("get", "/jobs/{job_id}/images/{index}.jpg"),
    ("get", "/jobs/{job_id}/changes/{index}.png"),
    ("get", "/jobs/{job_id}/masks/{index}.png"),
    ("get", "/jobs/{job_id}/sources/{index}"),
    ("get", "/jobs/{job_id}/contact-sheet.png"),
    ("get", "/jobs/{job_id}/preview.jpg"),
    ("get", "/jobs"),
    ("get", "/jobs/{job_id}"),
    ("delete", "/jobs/{job_id}"),
    ("get", "/jobs/{job_id}/events"),
    ("get", "/jobs/{job_id}/result"),
    ("get", "/jobs/{job_id}/novelty"),
    ("get", "/jobs/{job_id}/frames/{index}.jpg"),
    ("get", "/jobs/{job_id}/search"),
    ("get", "/jobs/{job_id}/frames/{index}/heatmap.png"),
    ("get", "/jobs/{job_id}/photos/{index}.jpg"),
    ("get", "/jobs/{job_id}/video"),
    ("post", "/references"),
    ("get", "/references"),
    ("get", "/references/{name}"),
    ("delete", "/references/{name}"),
    ("get", "/jobs/{job_id}/export.{export_format}"),
    ("options", "/uploads"),
    ("post", "/uploads"),
    ("head", "/uploads/{upload_id}"),
    ("patch", "/uploads/{upload_id}"),
    ("delete", "/uploads/{upload_id}"),
    ("get", "/models"),
    ("put", "/models/{service}"),
    ("get", "/session"),
    ("post", "/session"),
    ("delete", "/session"),
    ("get", "/"),
    ("get", "/health"),
    ("get", "/ready"),
    ("get", "/metrics"),
    ("post", "/get_image_caption"),
    ("post", "/get_video_captions"),
    ("post", "/sdapi/v1/img2img"),
    ("post", "/sdapi/v1/txt2img"),
    ("post", "/sdapi/v1/extra-single-image"),
    ("post", "/sdapi/v1/extra-batch-images"),
    ("post", "/sdapi/v1/interrogate"),
    ("post", "/sdapi/v1/png-info"),
    ("get", "/sdapi/v1/progress"),
    ("post", "/sdapi/v1/interrupt"),
    ("post", "/sdapi/v1/skip"),
    ("get", "/sdapi/v1/options"),
    ("post", "/sdapi/v1/options"),
    ("get", "/sdapi/v1/sd-models"),
    ("get", "/sdapi/v1/samplers"),
    ("get", "/sdapi/v1/schedulers"),
    ("get", "/sdapi/v1/upscalers"),
    ("get", "/sdapi/v1/memory"),
    ("get", "/sdapi/v1/cmd-flags"),
    ("get", "/sdapi/v1/{kind}"),
    ("post", "/sdapi/v1/refresh-{kind}"),
    ("post", "/internal/progress"),
    ("get", "/get_captions"),
    ("post", "/get_captions"),
}
EXAMPLES: dict[tuple[str, str, str], type[BaseModel]] = {
    ("post", "/caption", "200"): CaptionResponse,
    ("post", "/video_captions", "200"): VideoResult,
    ("post", "/video_captions", "202"): Job,
    ("get", "/video_captions/plan", "200"): VideoPlan,
    ("post", "/photo-sets", "200"): PhotoSetResult,
    ("post", "/photo-sets", "202"): Job,
    ("post", "/datasets", "200"): PhotoSetResult,
    ("post", "/datasets", "202"): Job,
    ("post", "/edits", "200"): EditResult,
    ("post", "/edits", "202"): Job,
    ("post", "/edits/series", "200"): EditResult,
    ("post", "/edits/series", "202"): Job,
    ("get", "/edits/capabilities", "200"): EditorCapabilities,
    ("get", "/jobs", "200"): JobList,
    ("get", "/jobs/{job_id}", "200"): Job,
    ("delete", "/jobs/{job_id}", "200"): Job,
    ("get", "/jobs/{job_id}/result", "200"): VideoResult,
    ("get", "/jobs/{job_id}/novelty", "200"): NoveltyCurve,
    ("get", "/models", "200"): ModelServers,
    ("get", "/session", "200"): Session,
    ("post", "/session", "200"): Session,
    ("put", "/models/{service}", "200"): ModelState,
    ("put", "/models/{service}", "202"): ModelState,
    ("post", "/tags", "200"): TagsResponse,
    ("post", "/similarity", "200"): SimilarityResponse,
    ("get", "/label-sets", "200"): LabelSetList,
    ("post", "/label-sets", "201"): LabelSet,
    ("get", "/label-sets/{name}", "200"): LabelSet,
    ("put", "/label-sets/{name}", "200"): LabelSet,
    ("get", "/classifiers", "200"): ClassifierList,
    ("post", "/classifiers", "201"): Classifier,
    ("post", "/classifiers/upload", "201"): Classifier,
    ("get", "/classifiers/{name}", "200"): Classifier,
    ("post", "/classifiers/{name}/classify", "200"): ClassifyResponse,
    ("post", "/classifiers/{name}/evaluate", "200"): EvaluationResponse,
    ("post", "/classifiers/{name}/improve", "200"): Classifier,
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    folder = tmp_path_factory.mktemp("gateway")
    return create_app(GatewaySettings(storage_url=str(folder), upload_folder=folder / "incoming"))


@pytest.fixture(scope="module")
def operations(app: FastAPI) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_promised_route_is_there(operations: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert set(operations) == PROMISED


@pytest.mark.parametrize(("method", "path"), sorted(PROMISED))
def test_every_route_is_described(operations: dict[tuple[str, str], dict[str, Any]], method: str, path: str) -> None:
    operation = operations[method, path]
    assert operation["summary"]
    if "operations" in operation["tags"]:
        return
    assert operation["description"], "a docstring"
    problems = [answer for status, answer in operation["responses"].items() if status >= "400"]
    assert problems or path == "/get_captions"
    for answer in problems:
        assert MEDIA_TYPE in answer["content"]
    for parameter in operation.get("parameters", []):
        described = {**parameter, **parameter["schema"]}
        assert described.get("description") or "enum" in str(described) or "default" in described, parameter
    for status, answer in operation["responses"].items():
        for content in answer.get("content", {}).values() if status == "200" else ():
            assert "example" in content or content.get("schema", {}).get("format") == "binary", (path, content)


LENIENT = ("/sdapi/", "/internal/", "/uploads", "/get_", "/health", "/ready", "/metrics")
"""Whose clients send what nobody here knows (docs/api.md)."""


def test_every_other_route_refuses_a_parameter_that_it_does_not_declare(app: FastAPI) -> None:
    client = TestClient(app, base_url="http://localhost")
    strict = [name for name in sorted(PROMISED) if name[1] != "/" and not name[1].startswith(LENIENT)]
    for method, path in strict:
        answer = client.request(method, re.sub(r"\{.*?\}", "0", path), params={"nonsense": "1"})
        assert answer.status_code == 422, (method, path)
        assert "nonsense: There is no such parameter" in answer.json()["detail"], (method, path, answer.text)
    assert len(strict) > 45


def test_every_command_is_a_code_block(operations: dict[tuple[str, str], dict[str, Any]]) -> None:
    described = {name: operation.get("description", "") for name, operation in operations.items()}
    prose = {name: CODE_BLOCK.sub("", text) for name, text in described.items()}
    assert sum("curl " in text for text in described.values()) > 20
    assert [name for name, text in prose.items() if "curl " in text or "```" in text] == []


@pytest.mark.parametrize(("operation", "contract"), EXAMPLES.items())
def test_examples_are_what_is_answered(
    operations: dict[tuple[str, str], dict[str, Any]], operation: tuple[str, str, str], contract: type[BaseModel]
) -> None:
    method, path, status = operation
    contract.model_validate(operations[method, path]["responses"][status]["content"]["application/json"]["example"])


def test_parameters_have_their_limits(operations: dict[tuple[str, str], dict[str, Any]]) -> None:
    parameters = {p["name"]: p["schema"] for p in operations["post", "/video_captions"]["parameters"]}
    assert parameters["every_n_second"]["default"] == "auto"
    assert parameters["every_n_second"]["anyOf"][0]["exclusiveMinimum"] == 0
    older = {p["name"]: p["schema"] for p in operations["post", "/get_video_captions"]["parameters"]}
    assert older["every_n_second"]["default"] == 10
    assert parameters["rolling_window_size"]["minimum"] == 1
