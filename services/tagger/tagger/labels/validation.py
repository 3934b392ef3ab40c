"""Labels, templates and names as callers write them → checked ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from framesense.http.problems import ProblemError
from framesense.http.texts import split_texts
from framesense.schemas.labels import repeated_labels
from framesense.schemas.names import checked_name
from framesense.schemas.tags import DEFAULT_TEMPLATE, LABEL_PLACE
from tagger.settings import TaggerSettings


@dataclass(frozen=True)
class LabelLimits:
    """Limit the number of labels, the letters of one, and the number of templates."""

    max_labels: int
    max_length: int
    max_templates: int

    @classmethod
    def of(cls, settings: TaggerSettings) -> LabelLimits:
        return cls(settings.tagger_max_labels, settings.tagger_max_label_length, settings.tagger_max_templates)


def read_texts(values: Sequence[str], split: Callable[[Sequence[str]], list[str]] = split_texts) -> list[str]:
    """Split a form's field into its texts, as :func:`split_texts` or :func:`split_labels` does.

    Raises ProblemError 422.
    """
    try:
        return split(values)
    except ValueError as error:
        _refuse("invalid-labels", f"The field cannot be read: {error}.")


def check_new_labels(labels: Sequence[str], limits: LabelLimits) -> list[str]:
    """Check labels as :func:`check_labels` does, and that no two are the same one, as "cat" and "Cat" are.

    Raises ProblemError 422.
    """
    checked = check_labels(labels, limits)
    if repeated := repeated_labels(checked):
        _refuse("repeated-label", f"Each label may be there once; the same are: {repeated}.")
    return checked


def check_labels(labels: Sequence[str], limits: LabelLimits, *, what: str = "label") -> list[str]:
    """Return labels, or other texts, without the white space around them.

    Raises ProblemError 422 for none, too many, empty, too long or repeated to the letter.
    """
    if not labels:
        _refuse(f"no-{what}s", f"There are no {what}s. Send at least one, for instance {what}s=cat&{what}s=dog.")
    if len(labels) > limits.max_labels:
        _refuse(f"too-many-{what}s", f"{len(labels):,} {what}s were sent; at most {limits.max_labels:,} are taken.")
    checked = [" ".join(label.split()) for label in labels]
    for position, label in enumerate(checked, start=1):
        if not label:
            _refuse(f"empty-{what}", f"The {what} at place {position} is empty. Leave it out or write a word.")
        if len(label) > limits.max_length:
            shown = label[:40] + "…"
            _refuse(f"long-{what}", f"The {what} {shown!r} has {len(label)} letters; {limits.max_length} are taken.")
    repeated = [label for label, count in Counter(checked).items() if count > 1]
    if repeated:
        _refuse(f"repeated-{what}", f"Each {what} may be there once; repeated: {', '.join(map(repr, repeated[:5]))}.")
    return checked


def check_templates(templates: Sequence[str] | None, limits: LabelLimits) -> list[str]:
    """Return the templates, or the default one where there are none.

    Raises ProblemError 422 for one without its {label}, or too many.
    """
    if not templates:
        return [DEFAULT_TEMPLATE]
    if len(templates) > limits.max_templates:
        detail = f"{len(templates)} templates were sent; at most {limits.max_templates} are averaged."
        _refuse("too-many-templates", detail)
    for template in templates:
        if LABEL_PLACE not in template:
            advice = f"write for instance {DEFAULT_TEMPLATE!r}"
            detail = f"The template {template[:80]!r} has no {LABEL_PLACE} in it: {advice}."
            _refuse("template-without-label", detail)
        if len(template) > limits.max_length:
            _refuse("long-template", f"A template has {len(template)} letters; {limits.max_length} are taken.")
    return list(dict.fromkeys(template.strip() for template in templates))


def check_name(name: str) -> str:
    """Return a name as :func:`checked_name` does. Raises ProblemError 422."""
    try:
        return checked_name(name)
    except ValueError as error:
        _refuse("invalid-name", f"{error}.")


def _refuse(slug: str, detail: str) -> NoReturn:
    raise ProblemError(422, slug, "Invalid request", detail)
