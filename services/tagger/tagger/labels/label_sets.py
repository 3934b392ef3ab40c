"""Label sets: labels and templates that a person uses again and again, kept by name."""

from __future__ import annotations

from datetime import UTC, datetime

from framesense.schemas.tags import LabelSet, LabelSetContent, LabelSetList, LabelSetSummary, NewLabelSet
from framesense.storage.blobs import Storage
from tagger.labels.validation import LabelLimits, check_name, check_new_labels, check_templates
from tagger.store import NamedBlobs


class LabelSets:
    def __init__(self, storage: Storage, limits: LabelLimits, most: int) -> None:
        self._blobs = NamedBlobs(storage, "tagger/label-sets", ".json", what="label set", most=most)
        self._limits = limits

    def all(self) -> LabelSetList:
        kept = [self.get(name) for name in self._blobs.names()]
        return LabelSetList(
            label_sets=[
                LabelSetSummary(name=one.name, labels=len(one.labels), created_at=one.created_at) for one in kept
            ]
        )

    def get(self, name: str) -> LabelSet:
        """Read a label set; raises ProblemError 404 where there is none of that name."""
        return LabelSet.model_validate_json(self._blobs.read(name))

    def create(self, new: NewLabelSet) -> LabelSet:
        """Store a label set.

        Raises ProblemError: 409 name taken, 422 labels, templates or name that cannot be taken.
        """
        checked = self._checked(check_name(new.name), new)
        self._blobs.create(checked.name, checked.model_dump_json().encode())
        return checked

    def replace(self, name: str, content: LabelSetContent) -> LabelSet:
        """Replace a label set's content.

        Raises ProblemError: 404 for an unknown name, 422 for content that cannot be taken.
        """
        self._blobs.read(name)
        checked = self._checked(name, content)
        self._blobs.write(name, checked.model_dump_json().encode())
        return checked

    def delete(self, name: str) -> None:
        """Delete a label set; raises ProblemError 404 where there is none of that name."""
        self._blobs.delete(name)

    def _checked(self, name: str, content: LabelSetContent) -> LabelSet:
        labels = check_new_labels(content.labels, self._limits)
        templates = check_templates(content.templates, self._limits)
        return LabelSet(name=name, labels=labels, templates=templates, created_at=datetime.now(UTC))
