"""Labels, templates and names as callers write them → checked ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from framesense.http.problems import ProblemError
from framesense.http.texts import split_texts
from framesense.schemas.tags import DEFAULT_TEMPLATE, LABEL_PLACE
from tagger.settings import TaggerSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class LabelLimits:
    """Limit the number of labels, the letters of one, and the number of templates."""

    max_labels: int
    max_length: int
    max_templates: int

    @classmethod
    def of(cls, settings: TaggerSettings) -> LabelLimits:
        return cls(settings.tagger_max_labels, settings.tagger_max_label_length, settings.tagger_max_templates)


def read_texts(values: Sequence[str]) -> list[str]:
    """Split a form's field into its texts, as :func:`split_texts` does. Raises ProblemError 422."""
    try:
        return split_texts(values)
    except ValueError as error:
        _refuse("invalid-labels", f"The field cannot be read: {error}.")


def check_labels(labels: Sequence[str], limits: LabelLimits, *, what: str = "label") -> list[str]:
    """Return labels without the white space around them.

    Raises ProblemError 422 for none, too many, empty, too long or repeated.
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
    """Raise ProblemError 422 for a name that could not be a file's everywhere."""
    if not _NAME.fullmatch(name):
        detail = f"{name[:80]!r} cannot be a name. Take 1 to 64 letters a-z, digits, '-', '_' or '.', a letter first."
        _refuse("invalid-name", detail)
    return name


def _refuse(slug: str, detail: str) -> NoReturn:
    raise ProblemError(422, slug, "Invalid request", detail)
