"""Labels in words for images, the label sets that are kept for it, and the bare similarities. The tagger answers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from framesense.http.multipart import limited_body
from framesense.schemas.arrays import EncodingFormat
from framesense.schemas.names import MAX_NAME, NAME_RULE, KeptName
from framesense.schemas.tags import (
    DEFAULT_TEMPLATE,
    LabelSet,
    LabelSetContent,
    LabelSetList,
    NewLabelSet,
    SimilarityResponse,
    TagsResponse,
    ThresholdOn,
)
from gateway.access.shared import Shared, record_new, require_own
from gateway.captions.routes import images_body
from gateway.dependencies import InjectedDependencies
from gateway.http.forwarding import Body, forward
from gateway.openapi import examples, tagging_examples

router = APIRouter(tags=["tags"])

Name = Annotated[KeptName, Path(description=NAME_RULE)]
Encoding = Annotated[EncodingFormat, Query(description="how arrays are written")]

IMAGES = {"type": "array", "items": {"type": "string", "format": "binary"}}
HOW_TO_LIST = "the field repeated; or once, as a JSON array, one a line, or commas between"
_TEXTS = {"type": "array", "items": {"type": "string"}}
_TEMPLATES = _TEXTS | {"description": "each holds {label}; several are averaged", "example": [DEFAULT_TEMPLATE]}


@router.post(
    "/tags",
    summary="Which of these labels fit?",
    response_model=TagsResponse,
    responses=examples.responses(
        {200: examples.json_example("The labels over the threshold, else the best one", tagging_examples.TAGS)},
        400,
        404,
        408,
        413,
        415,
        503,
    ),
    openapi_extra=examples.form_body(
        {
            "images": IMAGES,
            "labels": _TEXTS | {"description": HOW_TO_LIST, "example": ["kitchen", "bathroom"]},
            "label_set": {
                "type": "string",
                "maxLength": MAX_NAME,
                "description": "the name of a stored label set, instead of labels",
            },
            "template": _TEMPLATES,
            "templates": _TEMPLATES | {"description": "the same as template"},
            "threshold": {"type": "number", "description": "least cosine or probability; the model's own by default"},
            "threshold_on": {
                "type": "string",
                "enum": list(ThresholdOn),
                "description": "what the threshold is compared with; the model's own by default",
            },
            "top_k": {"type": "integer", "minimum": 1, "description": "the most tags an image"},
            "return": {"type": "string", "description": "embeddings, all (every label's scores); commas between"},
        },
        required=["images"],
    ),
)
async def tags(
    request: Request, dependencies: InjectedDependencies, encoding_format: Encoding = EncodingFormat.FLOAT
) -> Response:
    """Send images and labels in words; every label that fits comes back with its cosine and calibrated probability, the
    most probable first. No training: any words will do, and `warnings` say where the model may not know them.

    ```sh
    curl -F images=@room.jpg -F labels=kitchen,bathroom,bedroom http://127.0.0.1:8000/tags
    ```
    ```sh
    curl -F images=@room.jpg -F label_set=rooms -F 'template=a photo of a {label}' http://127.0.0.1:8000/tags
    ```
    """
    return await forward(
        request,
        dependencies.tagger,
        "/tags",
        query=_as(encoding_format),
        body=images_body(request, dependencies.settings),
    )


@router.post(
    "/similarity",
    summary="How near is each image to each text?",
    response_model=SimilarityResponse,
    responses=examples.responses(
        {200: examples.json_example("A row an image, a column a text", tagging_examples.SIMILARITY)},
        400,
        408,
        413,
        415,
        503,
    ),
    openapi_extra=examples.form_body(
        {
            "images": IMAGES,
            "texts": _TEXTS | {"description": HOW_TO_LIST, "example": ["a kitchen", "a red car"]},
            "template": _TEMPLATES | {"description": "each holds {label}; the texts as they are without one"},
            "templates": _TEMPLATES | {"description": "the same as template"},
        },
        required=["images", "texts"],
    ),
)
async def similarity(
    request: Request, dependencies: InjectedDependencies, encoding_format: Encoding = EncodingFormat.FLOAT
) -> Response:
    """Compare every image with every text: a matrix of cosines, and the same calibrated to probabilities.

    ```sh
    curl -F images=@a.jpg -F images=@b.jpg -F texts='a kitchen' -F texts='a red car' \\
         http://127.0.0.1:8000/similarity
    ```
    """
    return await forward(
        request,
        dependencies.tagger,
        "/similarity",
        query=_as(encoding_format),
        body=images_body(request, dependencies.settings),
    )


@router.get(
    "/label-sets",
    summary="List label sets",
    responses=examples.responses({200: examples.json_example("By name", tagging_examples.LABEL_SETS)}, 503),
    response_model=LabelSetList,
)
async def list_label_sets(request: Request, dependencies: InjectedDependencies) -> Response:
    """List the label sets that are kept for `POST /tags`.

    ```sh
    curl http://127.0.0.1:8000/label-sets
    ```
    """
    return await forward(request, dependencies.tagger, "/label-sets")


@router.post(
    "/label-sets",
    status_code=201,
    summary="Keep a label set",
    response_model=LabelSet,
    responses=examples.responses(
        {201: examples.json_example("The label set", tagging_examples.LABEL_SET)}, 400, 408, 409, 413, 503
    ),
    openapi_extra=examples.json_body(NewLabelSet, tagging_examples.NEW_LABEL_SET),
)
async def create_label_set(request: Request, dependencies: InjectedDependencies) -> Response:
    """Keep labels and templates under a name; 409 where the name is taken.

    ```sh
    curl http://127.0.0.1:8000/label-sets -H 'Content-Type: application/json' \\
         -d '{"name": "rooms", "labels": ["kitchen", "bathroom", "bedroom"]}'
    ```
    """
    answer = await forward(request, dependencies.tagger, "/label-sets", body=json_document(request, dependencies))
    return await record_new(dependencies, Shared.LABEL_SET, answer)


@router.get(
    "/label-sets/{name}",
    summary="A label set",
    response_model=LabelSet,
    responses=examples.responses({200: examples.json_example("The label set", tagging_examples.LABEL_SET)}, 404, 503),
)
async def get_label_set(request: Request, dependencies: InjectedDependencies, name: Name) -> Response:
    """Return a label set's labels and templates.

    ```sh
    curl http://127.0.0.1:8000/label-sets/rooms
    ```
    """
    return await forward(request, dependencies.tagger, f"/label-sets/{name}")


@router.put(
    "/label-sets/{name}",
    summary="Replace a label set",
    dependencies=[Depends(require_own(Shared.LABEL_SET))],
    response_model=LabelSet,
    responses=examples.responses(
        {200: examples.json_example("The label set", tagging_examples.LABEL_SET)}, 400, 404, 408, 413, 503
    ),
    openapi_extra=examples.json_body(LabelSetContent, tagging_examples.LABEL_SET_CONTENT),
)
async def replace_label_set(request: Request, dependencies: InjectedDependencies, name: Name) -> Response:
    """Keep other labels and templates under the same name.

    ```sh
    curl -X PUT http://127.0.0.1:8000/label-sets/rooms -H 'Content-Type: application/json' \\
         -d '{"labels": ["kitchen", "bathroom", "bedroom", "balcony"]}'
    ```
    """
    return await forward(request, dependencies.tagger, f"/label-sets/{name}", body=json_document(request, dependencies))


@router.delete(
    "/label-sets/{name}",
    status_code=204,
    summary="Delete a label set",
    dependencies=[Depends(require_own(Shared.LABEL_SET))],
    responses=examples.responses({}, 404, 503),
)
async def delete_label_set(request: Request, dependencies: InjectedDependencies, name: Name) -> Response:
    """Delete a label set. Answers that used it are not changed.

    ```sh
    curl -X DELETE http://127.0.0.1:8000/label-sets/rooms
    ```
    """
    return await forward(request, dependencies.tagger, f"/label-sets/{name}")


def json_document(request: Request, dependencies: InjectedDependencies) -> Body:
    return limited_body(request, dependencies.settings.max_json_bytes, dependencies.settings.upload_idle_timeout)


def _as(encoding: EncodingFormat) -> dict[str, str]:
    return {"encoding_format": encoding.value}
