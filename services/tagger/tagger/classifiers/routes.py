"""``/classifiers``: made from words, classify, measured and improved with photos, carried from place to place."""

import asyncio
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from framesense.http.attachments import attachment
from framesense.http.disconnects import unless_disconnected
from framesense.http.problems import ProblemError
from framesense.http.uploads import images_form, read_uploads
from framesense.schemas.classifiers import (
    Classifier,
    ClassifierList,
    ClassifyResponse,
    EvaluationResponse,
    NewClassifier,
)
from framesense.schemas.models import ModelInfo
from framesense.schemas.names import KeptName
from framesense.schemas.problems import problem_responses
from framesense.serving.threads import in_own_thread
from tagger.classifiers.evaluation import evaluate
from tagger.classifiers.few_shot import improve
from tagger.classifiers.heads import Head
from tagger.classifiers.labelled_photos import ARCHIVE_FIELD, read_labelled
from tagger.dependencies import TaggerDependencies
from tagger.embeddings.routes import as_json
from tagger.forms import FILES, LABELS, form_body
from tagger.tags.calibration import shares

Name = Annotated[KeptName, Path()]
HEAD_MEDIA_TYPE = "application/octet-stream"
HEAD_FIELDS = ("head", "file")
LABELLED_FORM = form_body(
    [],
    **{ARCHIVE_FIELD: {"type": "string", "format": "binary", "description": "a zip with a folder for each label"}},
    images=FILES | {"description": "or photos, with as many labels"},
    labels=LABELS | {"description": "of each photo, in the same order"},
)
LABELLED_PROBLEMS = problem_responses(400, 404, 409, 413, 415, 422, 503)


def router(dependencies: TaggerDependencies) -> APIRouter:
    routes = APIRouter(prefix="/classifiers", tags=["classifiers"])
    runtime, classifiers = dependencies.runtime, dependencies.classifiers

    @routes.post(
        "",
        summary="Make a classifier from words",
        status_code=201,
        responses=problem_responses(409, 422, 503),
    )
    async def create(body: NewClassifier) -> Classifier:
        new = classifiers.checked(body)
        async with runtime.use() as serving:
            embedder = serving.embedder
            text = await in_own_thread(embedder.embed_labels, new.labels, new.templates)
        model = embedder.info
        head = Head(new.name, new.labels, new.templates, text, model.name, model.revision)
        await asyncio.to_thread(classifiers.create, head)
        return head.describe(model, embedder.warnings(new.labels))

    @routes.get("", summary="Stored classifiers", responses=problem_responses(503))
    async def list_classifiers() -> ClassifierList:
        return await asyncio.to_thread(classifiers.all, await runtime.info())

    @routes.post(
        "/upload",
        summary="Upload a classifier that was downloaded",
        status_code=201,
        responses=problem_responses(400, 409, 413, 415, 422, 503),
        openapi_extra=form_body(["head"], head={"type": "string", "format": "binary", "description": "safetensors"}),
    )
    async def upload(
        request: Request, name: Annotated[KeptName | None, Query(description="another name than the file's own")] = None
    ) -> Classifier:
        (file,) = await read_uploads(request, dependencies.heads, fields=HEAD_FIELDS)
        model = await runtime.info()
        head = await asyncio.to_thread(classifiers.upload, file.content, name, model)
        return head.describe(model)

    @routes.get("/{name}", summary="A classifier", responses=problem_responses(404, 422, 503))
    async def show(name: Name) -> Classifier:
        head = await asyncio.to_thread(classifiers.get, name)
        return head.describe(await runtime.info())

    @routes.get(
        "/{name}/head",
        summary="Download it as safetensors",
        response_class=Response,
        responses=problem_responses(404, 422) | {200: {"content": {HEAD_MEDIA_TYPE: {}}}},
    )
    def download(name: Name) -> Response:
        headers = {"Content-Disposition": attachment(f"{name}.safetensors")}
        return Response(classifiers.file(name), media_type=HEAD_MEDIA_TYPE, headers=headers)

    @routes.delete("/{name}", summary="Delete a classifier", status_code=204, responses=problem_responses(404, 422))
    def delete(name: Name) -> None:
        classifiers.delete(name)

    @routes.post(
        "/{name}/classify",
        summary="Rank the labels for each image",
        response_model=ClassifyResponse,
        responses=LABELLED_PROBLEMS,
        openapi_extra=images_form(),
    )
    async def classify(request: Request, name: Name) -> Response:
        await _fitting(name, await runtime.info())  # before the photos have come
        uploads = await read_uploads(request, dependencies.images)
        async with runtime.use() as model:
            head, embedder = await _fitting(name, model.info), model.embedder
            images = await unless_disconnected(request, model.embed(uploads))
        ranked = [
            head.classify(upload.filename, image, embedder.calibration)
            for upload, image in zip(uploads, images, strict=True)
        ]
        warnings = embedder.warnings(head.labels)
        return as_json(ClassifyResponse(classifier=name, images=ranked, warnings=warnings, model=embedder.info))

    @routes.post(
        "/{name}/evaluate",
        summary="Measure it with labelled photos",
        response_model=EvaluationResponse,
        responses=LABELLED_PROBLEMS,
        openapi_extra=LABELLED_FORM,
    )
    async def evaluate_classifier(request: Request, name: Name) -> Response:
        async with runtime.use() as model:
            head, embedder = await _fitting(name, model.info), model.embedder
            photos = await read_labelled(request, head.labels, dependencies, model)
        answer = evaluate(
            name,
            head.labels,
            photos.names,
            photos.truth,
            shares(head.log_odds(photos.embeddings, embedder.calibration)),
            model=embedder.info,
            warnings=embedder.warnings(head.labels),
        )
        return Response(answer.model_dump_json(), media_type="application/json")

    @routes.post(
        "/{name}/improve",
        summary="Improve it with a handful of labelled photos",
        responses=LABELLED_PROBLEMS,
        openapi_extra=LABELLED_FORM,
    )
    async def improve_classifier(
        request: Request,
        name: Name,
        new_name: Annotated[KeptName | None, Query(description="keep the old one, and store the better one so")] = None,
    ) -> Classifier:
        async with runtime.use() as model:
            head, embedder = await _fitting(name, model.info), model.embedder
            photos = await read_labelled(request, head.labels, dependencies, model)
        try:
            improved = await asyncio.to_thread(
                improve, head.text, photos.embeddings, photos.truth, head.labels, embedder.calibration
            )
        except ValueError as error:
            detail = f"The classifier cannot learn from these photos: {error}."
            raise ProblemError(422, "too-few-photos", "Too few photos", detail) from error
        better = replace(head, name=new_name or name, few_shot=improved.gain)
        if improved.gain.kept:
            better = replace(better, weights=improved.weights, bias=improved.bias)
        await asyncio.to_thread(classifiers.create if new_name else classifiers.replace, better)
        return better.describe(embedder.info)

    async def _fitting(name: str, model: ModelInfo) -> Head:
        head = await asyncio.to_thread(classifiers.get, name)
        head.require_fit(model)
        return head

    return routes
