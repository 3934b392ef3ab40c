"""``/embed/images``, ``/embed/features``, ``/embed/texts``, ``/similarity``: the space itself."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from framesense.http.disconnects import unless_disconnected
from framesense.http.problems import ProblemError
from framesense.http.uploads import images_form, read_form, read_uploads
from framesense.schemas.arrays import EncodingFormat, FloatArray, encode, to_numpy
from framesense.schemas.problems import problem_responses
from framesense.schemas.tags import (
    FeatureEmbeddings,
    FeaturesRequest,
    ImageEmbeddings,
    SimilarityResponse,
    TextEmbeddings,
    TextsRequest,
)
from framesense.serving.threads import in_own_thread
from tagger.dependencies import TaggerDependencies
from tagger.forms import FILES, HOW_TO_LIST, TEMPLATES, TEXTS, form_body, templates
from tagger.labels.validation import check_labels, check_templates, read_texts
from tagger.tags.calibration import BackgroundCalibration
from tagger.tags.tagging import Scores

Encoding = Annotated[EncodingFormat, Query(description="how arrays are written")]


def as_json(document: BaseModel) -> Response:
    """Return a document as JSON, written once: FastAPI would validate and convert every number again."""
    return Response(document.model_dump_json(exclude_none=True), media_type="application/json")


def router(dependencies: TaggerDependencies) -> APIRouter:
    routes = APIRouter(tags=["embeddings"])
    runtime, limits = dependencies.runtime, dependencies.labels

    @routes.post(
        "/embed/images",
        summary="Images → embeddings",
        response_model=ImageEmbeddings,
        responses=problem_responses(400, 413, 415, 422, 503),
        openapi_extra=images_form(),
    )
    async def embed_images(request: Request, encoding_format: Encoding = EncodingFormat.FLOAT) -> Response:
        uploads = await read_uploads(request, dependencies.images)
        async with runtime.use() as model:
            embeddings = await unless_disconnected(request, model.embed(uploads))
            info = model.info
        names = [upload.filename for upload in uploads]
        answer = ImageEmbeddings(images=names, embeddings=encode(embeddings, encoding_format), model=info)
        return as_json(answer)

    @routes.post(
        "/embed/features",
        summary="What an image encoder told of pictures → embeddings",
        response_model=FeatureEmbeddings,
        responses=problem_responses(409, 413, 422, 503),
    )
    async def embed_features(body: FeaturesRequest) -> Response:
        features = _features(body, dependencies.images.max_files)
        async with runtime.use() as model:
            embeddings = await in_own_thread(model.embedder.embed_features, body.encoder, features)
            info = model.info
        return as_json(FeatureEmbeddings(embeddings=encode(embeddings, body.encoding_format), model=info))

    @routes.post(
        "/embed/texts",
        summary="Texts → embeddings, with each one's background",
        response_model=TextEmbeddings,
        responses=problem_responses(422, 503),
    )
    async def embed_texts(body: TextsRequest) -> Response:
        texts = check_labels(body.texts, limits, what="text")
        filled = None if body.templates is None else check_templates(body.templates, limits)
        async with runtime.use() as model:
            embedder = model.embedder
            if filled is None:
                embeddings = await in_own_thread(embedder.embed_texts, texts)
            else:
                embeddings = await in_own_thread(embedder.embed_labels, texts, filled)
        mean = deviation = None
        if isinstance(embedder.calibration, BackgroundCalibration):
            levels = embedder.calibration.level(embeddings)
            mean, deviation = levels[0].tolist(), levels[1].tolist()
        answer = TextEmbeddings(
            texts=texts,
            embeddings=encode(embeddings, body.encoding_format),
            background_mean=mean,
            background_deviation=deviation,
            warnings=embedder.warnings(texts),
            model=embedder.info,
        )
        return as_json(answer)

    @routes.post(
        "/similarity",
        summary="Images × texts → cosines",
        response_model=SimilarityResponse,
        responses=problem_responses(400, 413, 415, 422, 503),
        openapi_extra=form_body(
            ["images", "texts"],
            images=FILES,
            texts=TEXTS | {"description": f"texts: {HOW_TO_LIST}"},
            template=TEMPLATES | {"description": "each holds {label}; the texts as they are without one"},
            templates=TEMPLATES | {"description": "the same as template"},
        ),
    )
    async def similarity(request: Request, encoding_format: Encoding = EncodingFormat.FLOAT) -> Response:
        form = await read_form(request, dependencies.images, max_values=limits.max_labels + 100)
        texts = check_labels(read_texts(form.values.get("texts", [])), limits, what="text")
        given = templates(form.values)
        filled = check_templates(given, limits) if given else ["{label}"]
        async with runtime.use() as model:
            embedder = model.embedder
            vectors = await in_own_thread(embedder.embed_labels, texts, filled)
            images = await unless_disconnected(request, model.embed(form.files))
        scores = Scores.of(images, vectors, embedder.calibration)
        answer = SimilarityResponse(
            images=[file.filename for file in form.files],
            texts=texts,
            cosine=encode(scores.cosine, encoding_format),
            probability=encode(scores.probability, encoding_format),
            warnings=embedder.warnings(texts),
            model=embedder.info,
        )
        return as_json(answer)

    return routes


def _features(body: FeaturesRequest, most: int) -> FloatArray:
    """Return the features of at most ``most`` pictures. Raises ProblemError: 413 for more, 422 for rows that differ."""
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            features = to_numpy(body.features)
    except ValueError as error:
        detail = "features: the rows differ in length."
        raise ProblemError(422, "invalid-request", "Invalid request", detail) from error
    if features.ndim == 2 and len(features) > most:
        detail = f"Features of {len(features):,} pictures were sent; at most {most:,} are taken at once."
        raise ProblemError(413, "too-many-files", "Too many files", detail)
    return features
