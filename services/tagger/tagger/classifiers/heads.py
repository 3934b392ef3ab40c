"""Heads: a classifier in words is the matrix of its labels' text embeddings, saved as one safetensors file.

The file holds ``text`` (labels × dimensions, float32, L2-normalised) and, once labelled photos have improved it,
``weights`` (labels × dimensions) and ``bias`` (labels), which give the log-odds of an embedding directly. Its metadata
name the labels, the templates and the model that made it: another model's space is another, so no other may use it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NoReturn

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import ValidationError

from framesense.http.problems import ProblemError
from framesense.http.texts import read_text_list
from framesense.schemas.classifiers import (
    Classification,
    Classifier,
    ClassifierList,
    FewShotGain,
    NewClassifier,
    RankedLabel,
)
from framesense.schemas.models import ModelInfo
from framesense.storage.blobs import Storage
from tagger.labels.validation import LabelLimits, check_labels, check_name, check_new_labels, check_templates
from tagger.store import NamedBlobs
from tagger.tags.calibration import Calibration, shares

Floats = NDArray[np.float32]

FORMAT = "framesense-head-1"


@dataclass(frozen=True)
class Head:
    name: str
    labels: list[str]
    templates: list[str]
    text: Floats
    """labels × dimensions, L2-normalised."""
    model_name: str
    model_revision: str
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    weights: Floats | None = None
    bias: Floats | None = None
    few_shot: FewShotGain | None = None

    def log_odds(self, images: Floats, calibration: Calibration) -> Floats:
        """Return the log-odds of n × d embeddings: n × labels; the softmax of a row is the classifier's answer."""
        if self.weights is None or self.bias is None:
            return calibration.log_odds(images, self.text)
        result: Floats = (images @ self.weights.T + self.bias).astype(np.float32)
        return result

    def classify(self, name: str, image: Floats, calibration: Calibration) -> Classification:
        """Rank all labels for one picture's embedding (d), the most probable first."""
        probability = shares(self.log_odds(image[np.newaxis], calibration))[0]
        cosine = self.text @ image
        ranking = [
            RankedLabel(
                label=self.labels[k], probability=round(float(probability[k]), 5), cosine=round(float(cosine[k]), 5)
            )
            for k in np.argsort(-probability, kind="stable")
        ]
        return Classification(image=name, ranking=ranking)

    def describe(self, model: ModelInfo, warnings: list[str] | None = None) -> Classifier:
        return Classifier(
            name=self.name,
            labels=self.labels,
            templates=self.templates,
            kind="words" if self.weights is None else "few-shot",
            dimensions=self.text.shape[1],
            model_name=self.model_name,
            model_revision=self.model_revision,
            created_at=self.created_at,
            few_shot=self.few_shot,
            usable=self.fits(model),
            warnings=warnings or [],
        )

    def fits(self, model: ModelInfo) -> bool:
        """Tell whether a model made this head, by revision, a hash of the weights: the same model may lie in another
        folder elsewhere.
        """
        return self.model_revision == model.revision

    def require_fit(self, model: ModelInfo) -> None:
        """Raise ProblemError 409 where another model made this head."""
        if not self.fits(model):
            detail = (
                f"The classifier {self.name!r} was made by {self.model_name} (revision {self.model_revision}), and "
                f"{model.name} (revision {model.revision}) is loaded, whose numbers mean something else. Make it anew "
                "from its labels, or start the tagger with its model."
            )
            raise ProblemError(409, "other-model", "Made by another model", detail)


def save_head(head: Head) -> bytes:
    """Return a head as a safetensors file."""
    tensors = {"text": np.ascontiguousarray(head.text, np.float32)}
    if head.weights is not None and head.bias is not None:
        tensors["weights"] = np.ascontiguousarray(head.weights, np.float32)
        tensors["bias"] = np.ascontiguousarray(head.bias, np.float32)
    metadata = {
        "format": FORMAT,
        "name": head.name,
        "labels": json.dumps(head.labels, ensure_ascii=False),
        "templates": json.dumps(head.templates, ensure_ascii=False),
        "model_name": head.model_name,
        "model_revision": head.model_revision,
        "created_at": head.created_at.isoformat(),
        "few_shot": head.few_shot.model_dump_json() if head.few_shot else "",
    }
    return safetensors.numpy.save(tensors, metadata)


def load_head(content: bytes, limits: LabelLimits, *, what: str = "the file") -> Head:
    """Read what :func:`save_head` wrote, checked as what a stranger sends.

    Raises ProblemError 422 for anything else: not safetensors, no labels, shapes that do not fit, NaN, not normalised.
    """
    try:
        tensors = safetensors.numpy.load(content)
        metadata: dict[str, Any] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format is {metadata['format']!r}, expected {FORMAT!r}")
        labels, templates = read_text_list(metadata["labels"]), read_text_list(metadata["templates"])
        created_at = datetime.fromisoformat(metadata["created_at"])
        few_shot = FewShotGain.model_validate_json(metadata["few_shot"]) if metadata.get("few_shot") else None
        head = Head(
            name=check_name(metadata["name"]),
            labels=check_labels(labels, limits),
            templates=check_templates(templates, limits),
            text=tensors.pop("text"),
            model_name=str(metadata["model_name"]),
            model_revision=str(metadata["model_revision"]),
            created_at=created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC),
            weights=tensors.pop("weights", None),
            bias=tensors.pop("bias", None),
            few_shot=few_shot,
        )
        _check_tensors(head, tensors)
    except (safetensors.SafetensorError, ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        _refuse(f"{what} is no classifier that can be taken: {reason}.")
    return head


def _check_tensors(head: Head, others: dict[str, Any]) -> None:
    """Raise ValueError, with the reason, for tensors that are no head."""
    if others:
        raise ValueError(f"it holds unexpected tensors: {', '.join(sorted(others)[:5])}")
    if (head.weights is None) != (head.bias is None):
        raise ValueError("weights and bias belong together, and it has only one of them")
    count = len(head.labels)
    shapes = {"text": head.text, "weights": head.weights, "bias": head.bias}
    for name, tensor in shapes.items():
        if tensor is None:
            continue
        expected = (count,) if name == "bias" else (count, head.text.shape[-1])
        if tensor.shape != expected or tensor.dtype != np.float32:
            raise ValueError(f"{name} is {tensor.dtype} of shape {tensor.shape} for {count} labels")
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds numbers that are not finite (NaN or infinity)")
    if not np.allclose(np.linalg.norm(head.text, axis=1), 1, atol=1e-3):
        raise ValueError("text is not L2-normalised")


def _refuse(detail: str) -> NoReturn:
    raise ProblemError(422, "invalid-classifier", "Not a classifier", detail)


class Classifiers:
    """Keep classifiers, by name."""

    def __init__(self, storage: Storage, limits: LabelLimits, most: int) -> None:
        self._blobs = NamedBlobs(storage, "tagger/classifiers", ".safetensors", what="classifier", most=most)
        self._limits = limits

    def all(self, model: ModelInfo) -> ClassifierList:
        return ClassifierList(classifiers=[self.get(name).describe(model) for name in self._blobs.names()])

    def checked(self, new: NewClassifier) -> NewClassifier:
        """Return a new classifier with clean labels.

        Raises ProblemError 422 for a name, labels or templates that cannot be taken.
        """
        labels, templates = check_new_labels(new.labels, self._limits), check_templates(new.templates, self._limits)
        return NewClassifier(name=check_name(new.name), labels=labels, templates=templates)

    def get(self, name: str) -> Head:
        """Read a classifier; raises ProblemError 404 where there is none of that name."""
        head = load_head(self._blobs.read(name), self._limits, what=f"the stored classifier {name!r}")
        return replace(head, name=name)

    def create(self, head: Head) -> None:
        """Store a classifier; raises ProblemError 409 for a name that is taken."""
        self._blobs.create(head.name, save_head(head))

    def replace(self, head: Head) -> None:
        self._blobs.write(head.name, save_head(head))

    def file(self, name: str) -> bytes:
        """Read a classifier's file; raises ProblemError 404 where there is none of that name."""
        return self._blobs.read(name)

    def upload(self, content: bytes, name: str | None, model: ModelInfo) -> Head:
        """Store an uploaded classifier.

        Raises ProblemError: 422 no classifier, 409 another model's or a name that is taken.
        """
        head = load_head(content, self._limits)
        head = replace(head, name=check_name(name)) if name else head
        head.require_fit(model)
        if head.text.shape[1] == 0:
            _refuse("the file is no classifier that can be taken: its vectors are empty.")
        self.create(head)
        return head

    def delete(self, name: str) -> None:
        """Delete a classifier; raises ProblemError 404 where there is none of that name."""
        self._blobs.delete(name)
