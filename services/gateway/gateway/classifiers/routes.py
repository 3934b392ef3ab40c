"""Classifiers in words: made, used, measured, improved with photos, carried from place to place. The tagger answers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from framesense.http.uploads import UploadLimits, images_form
from framesense.schemas.classifiers import (
    Classifier,
    ClassifierList,
    ClassifyResponse,
    EvaluationResponse,
    NewClassifier,
)
from framesense.schemas.names import KeptName
from gateway.access.shared import Shared, record_new, require_own
from gateway.captions.routes import images_body
from gateway.dependencies import InjectedDependencies
from gateway.http.forwarding import Body, form_body, forward
from gateway.openapi import examples, tagging_examples
from gateway.tags.routes import HOW_TO_LIST, IMAGES, Name, json_document

router = APIRouter(prefix="/classifiers", tags=["classifiers"])

_MADE = {201: examples.json_example("The classifier", tagging_examples.CLASSIFIER)}
_LABELLED_FORM = examples.form_body(
    {
        "archive": {"type": "string", "format": "binary", "description": "a zip with a folder for each label"},
        "images": IMAGES | {"description": "or photos, with as many labels"},
        "labels": {
            "type": "array",
            "items": {"type": "string"},
            "description": f"of each photo, in the same order: {HOW_TO_LIST}",
        },
    }
)


@router.post(
    "",
    status_code=201,
    summary="Make a classifier from words",
    response_model=Classifier,
    responses=examples.responses(_MADE, 400, 408, 409, 413, 503),
    openapi_extra=examples.json_body(NewClassifier, tagging_examples.NEW_CLASSIFIER),
)
async def create_classifier(request: Request, dependencies: InjectedDependencies) -> Response:
    """Make a classifier from labels, and templates that say what kind of pictures they are about; no photos are needed.

    Where `warnings` doubt a word, another one for the same thing may serve better.

    ```sh
    curl http://127.0.0.1:8000/classifiers -H 'Content-Type: application/json' \\
         -d '{"name": "rooms", "labels": ["kitchen", "bathroom"], "templates": ["a photo of a {label}"]}'
    ```
    """
    answer = await forward(request, dependencies.tagger, "/classifiers", body=json_document(request, dependencies))
    return await record_new(dependencies, Shared.CLASSIFIER, answer)


@router.get(
    "",
    summary="List classifiers",
    response_model=ClassifierList,
    responses=examples.responses({200: examples.json_example("By name", tagging_examples.CLASSIFIERS)}, 503),
)
async def list_classifiers(request: Request, dependencies: InjectedDependencies) -> Response:
    """List the classifiers; `usable` tells those that fit the model that is loaded.

    ```sh
    curl http://127.0.0.1:8000/classifiers
    ```
    """
    return await forward(request, dependencies.tagger, "/classifiers")


@router.post(
    "/upload",
    status_code=201,
    summary="Upload a classifier that was downloaded",
    response_model=Classifier,
    responses=examples.responses(_MADE, 400, 408, 409, 413, 415, 503),
    openapi_extra=examples.form_body(
        {"head": {"type": "string", "format": "binary", "description": "a safetensors file"}}, required=["head"]
    ),
)
async def upload_classifier(
    request: Request,
    dependencies: InjectedDependencies,
    name: Annotated[KeptName | None, Query(description="another name than the file's own")] = None,
) -> Response:
    """Check and store a classifier's file; one that another model made is refused with the reason.

    ```sh
    curl -F head=@rooms.safetensors 'http://127.0.0.1:8000/classifiers/upload?name=rooms-2'
    ```
    """
    largest = dependencies.settings.max_classifier_bytes
    limits = UploadLimits(max_bytes=largest + 10_000, max_file_bytes=largest, max_files=1)
    body = form_body(request, limits, dependencies.settings.upload_idle_timeout, file_field="head")
    answer = await forward(request, dependencies.tagger, "/classifiers/upload", query=_given(name=name), body=body)
    return await record_new(dependencies, Shared.CLASSIFIER, answer)


@router.get(
    "/{name}",
    summary="A classifier",
    response_model=Classifier,
    responses=examples.responses({200: examples.json_example("The classifier", tagging_examples.CLASSIFIER)}, 404, 503),
)
async def get_classifier(request: Request, dependencies: InjectedDependencies, name: Name) -> Response:
    """Describe a classifier: its labels and templates, the model that made it, and what labelled photos brought.

    ```sh
    curl http://127.0.0.1:8000/classifiers/rooms
    ```
    """
    return await forward(request, dependencies.tagger, f"/classifiers/{name}")


@router.get(
    "/{name}/head",
    summary="Download a classifier",
    response_class=Response,
    responses=examples.responses(
        {200: examples.binary_response("A safetensors file", "application/octet-stream")}, 404, 503
    ),
)
async def download_classifier(request: Request, dependencies: InjectedDependencies, name: Name) -> Response:
    """Download the L2-normalised text matrix (labels × dimensions) and, once photos have improved it, the weights.

    Labels, templates and the model's revision are in the file's metadata.

    ```sh
    curl -OJ http://127.0.0.1:8000/classifiers/rooms/head
    ```
    """
    return await forward(request, dependencies.tagger, f"/classifiers/{name}/head")


@router.delete(
    "/{name}",
    status_code=204,
    summary="Delete a classifier",
    dependencies=[Depends(require_own(Shared.CLASSIFIER))],
    responses=examples.responses({}, 404, 503),
)
async def delete_classifier(request: Request, dependencies: InjectedDependencies, name: Name) -> Response:
    """Download it first to keep it.

    ```sh
    curl -X DELETE http://127.0.0.1:8000/classifiers/rooms
    ```
    """
    return await forward(request, dependencies.tagger, f"/classifiers/{name}")


@router.post(
    "/{name}/classify",
    summary="Rank the labels for each image",
    response_model=ClassifyResponse,
    responses=examples.responses(
        {200: examples.json_example("The labels of each image, ranked", tagging_examples.CLASSIFICATION)},
        400,
        404,
        408,
        409,
        413,
        415,
        503,
    ),
    openapi_extra=images_form(),
)
async def classify(request: Request, dependencies: InjectedDependencies, name: Name) -> Response:
    """Rank the labels for each image.

    The probabilities of an image's labels sum to 1: they say which label fits best, given that one does.

    ```sh
    curl -F images=@room.jpg http://127.0.0.1:8000/classifiers/rooms/classify
    ```
    """
    body = images_body(request, dependencies.settings)
    return await forward(request, dependencies.tagger, f"/classifiers/{name}/classify", body=body)


@router.post(
    "/{name}/evaluate",
    summary="Measure a classifier with labelled photos",
    response_model=EvaluationResponse,
    responses=examples.responses(
        {200: examples.json_example("Accuracy, confusions and mistakes", tagging_examples.EVALUATION)},
        400,
        404,
        408,
        409,
        413,
        415,
        503,
    ),
    openapi_extra=_LABELLED_FORM,
)
async def evaluate_classifier(request: Request, dependencies: InjectedDependencies, name: Name) -> Response:
    """Send a zip with a folder for each label, or photos with as many labels.

    ```sh
    curl -F archive=@photos.zip http://127.0.0.1:8000/classifiers/rooms/evaluate
    ```
    ```sh
    curl -F images=@1.jpg -F labels=kitchen -F images=@2.jpg -F labels=bathroom \\
         http://127.0.0.1:8000/classifiers/rooms/evaluate
    ```
    """
    return await forward(
        request, dependencies.tagger, f"/classifiers/{name}/evaluate", body=_labelled(request, dependencies)
    )


@router.post(
    "/{name}/improve",
    summary="Improve a classifier with a handful of labelled photos",
    dependencies=[Depends(require_own(Shared.CLASSIFIER, unless="new_name"))],
    response_model=Classifier,
    responses=examples.responses(
        {200: examples.json_example("The classifier, and what the photos brought", tagging_examples.IMPROVED)},
        400,
        404,
        408,
        409,
        413,
        415,
        503,
    ),
    openapi_extra=_LABELLED_FORM,
)
async def improve_classifier(
    request: Request,
    dependencies: InjectedDependencies,
    name: Name,
    new_name: Annotated[
        KeptName | None, Query(description="keep the old one, and store the better one under this name")
    ] = None,
) -> Response:
    """Improve a classifier by labelled photos, sent as for `evaluate`.

    `few_shot` says by how much they help on photos that were held out; where they do not, the words stay as they are.

    ```sh
    curl -F archive=@photos.zip 'http://127.0.0.1:8000/classifiers/rooms/improve?new_name=rooms-better'
    ```
    """
    path, query = f"/classifiers/{name}/improve", _given(new_name=new_name)
    answer = await forward(request, dependencies.tagger, path, query=query, body=_labelled(request, dependencies))
    return await record_new(dependencies, Shared.CLASSIFIER, answer) if new_name else answer


def _labelled(request: Request, dependencies: InjectedDependencies) -> Body:
    """Pass on one zip, as large as all images of a request together, or many photos."""
    settings = dependencies.settings
    largest = settings.max_image_request_bytes
    limits = UploadLimits(max_bytes=largest, max_file_bytes=largest, max_files=settings.max_labelled_photos)
    return form_body(request, limits, settings.upload_idle_timeout, file_field="archive")


def _given(**query: str | None) -> dict[str, str]:
    return {name: value for name, value in query.items() if value is not None}
