"""``POST /tags`` and the label sets it can use."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from framesense.http.disconnects import unless_disconnected
from framesense.http.problems import ProblemError
from framesense.http.texts import split_labels
from framesense.http.uploads import Form, read_form
from framesense.schemas.arrays import EncodingFormat, encode
from framesense.schemas.names import KeptName
from framesense.schemas.problems import problem_responses
from framesense.schemas.tags import (
    LabelSet,
    LabelSetContent,
    LabelSetList,
    NewLabelSet,
    TagExtra,
    TagsResponse,
    ThresholdOn,
)
from framesense.serving.threads import in_own_thread
from tagger.dependencies import TaggerDependencies
from tagger.embeddings.routes import as_json
from tagger.forms import FILES, LABELS, TEMPLATES, TagOptions, extras, form_body, tag_options, templates
from tagger.labels.validation import check_new_labels, check_templates, read_texts
from tagger.tags.calibration import Calibration
from tagger.tags.tagging import Scores, TagRule, choose_tags

Name = Annotated[KeptName, Path()]

TAGS_FORM = form_body(
    ["images"],
    images=FILES,
    labels=LABELS,
    label_set={"type": "string", "description": "the name of a stored label set, instead of labels"},
    template=TEMPLATES,
    templates=TEMPLATES | {"description": "the same as template"},
    threshold={"type": "number", "description": "least cosine or probability; the model's own by default"},
    threshold_on={"type": "string", "enum": list(ThresholdOn), "description": "the model's own by default"},
    top_k={"type": "integer", "minimum": 1, "description": "the most tags an image"},
    **{"return": {"type": "string", "description": "embeddings, all (every label's scores); commas between"}},
)


def router(dependencies: TaggerDependencies) -> APIRouter:
    routes = APIRouter(tags=["tags"])
    runtime, label_sets = dependencies.runtime, dependencies.label_sets

    @routes.post(
        "/tags",
        summary="Which of these labels fit?",
        response_model=TagsResponse,
        responses=problem_responses(400, 404, 413, 415, 422, 503),
        openapi_extra=TAGS_FORM,
    )
    async def tags(
        request: Request,
        encoding_format: Annotated[EncodingFormat, Query(description="how arrays are written")] = EncodingFormat.FLOAT,
    ) -> Response:
        form = await read_form(request, dependencies.images, max_values=dependencies.labels.max_labels + 100)
        options, wanted = tag_options(form.values), extras(form.values)
        labels, filled = await asyncio.to_thread(_labels_and_templates, form, options, dependencies)
        async with runtime.use() as model:
            embedder = model.embedder
            texts = await in_own_thread(embedder.embed_labels, labels, filled)
            images = await unless_disconnected(request, model.embed(form.files))
        rule = _rule(options, embedder.calibration, TagExtra.ALL in wanted)
        names = [file.filename for file in form.files]
        answer = TagsResponse(
            images=choose_tags(names, labels, Scores.of(images, texts, embedder.calibration), rule),
            labels=labels,
            templates=filled,
            threshold=rule.threshold,
            threshold_on=rule.threshold_on,
            embeddings=encode(images, encoding_format) if TagExtra.EMBEDDINGS in wanted else None,
            warnings=embedder.warnings(labels),
            model=embedder.info,
        )
        return as_json(answer)

    @routes.get("/label-sets", summary="Stored label sets")
    def list_label_sets() -> LabelSetList:
        return label_sets.all()

    @routes.post("/label-sets", summary="Store a label set", status_code=201, responses=problem_responses(409, 422))
    def create_label_set(body: NewLabelSet) -> LabelSet:
        return label_sets.create(body)

    @routes.get("/label-sets/{name}", summary="A label set", responses=problem_responses(404, 422))
    def get_label_set(name: Name) -> LabelSet:
        return label_sets.get(name)

    @routes.put("/label-sets/{name}", summary="Replace a label set", responses=problem_responses(404, 422))
    def replace_label_set(name: Name, body: LabelSetContent) -> LabelSet:
        return label_sets.replace(name, body)

    @routes.delete(
        "/label-sets/{name}", summary="Delete a label set", status_code=204, responses=problem_responses(404, 422)
    )
    def delete_label_set(name: Name) -> None:
        label_sets.delete(name)

    return routes


def _labels_and_templates(
    form: Form, options: TagOptions, dependencies: TaggerDependencies
) -> tuple[list[str], list[str]]:
    """Return labels and templates: the form's own, or those of the stored set that it names."""
    labels, given = read_texts(form.values.get("labels", []), split_labels), templates(form.values)
    if options.label_set is None:
        return check_new_labels(labels, dependencies.labels), check_templates(given, dependencies.labels)
    if labels:
        detail = "Send labels or label_set, not both."
        raise ProblemError(422, "invalid-request", "Invalid request", detail)
    stored = dependencies.label_sets.get(options.label_set)
    return stored.labels, check_templates(given, dependencies.labels) if given else stored.templates


def _rule(options: TagOptions, calibration: Calibration, all_scores: bool) -> TagRule:
    """Choose the threshold of tags, and whether it is one of cosines or of probabilities.

    A threshold of its own needs no ``threshold_on``: it is then of the model's own kind.
    """
    own = ThresholdOn(calibration.threshold_on)
    on = options.threshold_on or own
    fallback = calibration.threshold if on is own else (0.25 if on is ThresholdOn.COSINE else 0.5)
    threshold = fallback if options.threshold is None else options.threshold
    return TagRule(threshold, on, options.top_k, all_scores)
