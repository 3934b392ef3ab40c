"""Read the text ``parameters`` of a picture as A1111 and this editor write it."""

import json
import re

from framesense.http.texts import encodable

_PAIR = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d+)x(\d+)")
_NEGATIVE = "Negative prompt:"
LEAST_PAIRS = 3
"""A last line with fewer settings than this belongs to the prompt."""


def read_infotext(text: str) -> dict[str, str]:
    """Read the prompt, the negative prompt and every setting by its name; ``Size`` also as ``Size-1`` and ``Size-2``.

    Empty for an empty text. A text without settings is a prompt.
    """
    if not text.strip():
        return {}
    *lines, last = text.strip().split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < LEAST_PAIRS:
        lines, pairs = [*lines, last], []
    words = "\n".join(lines)
    # At the beginning of a line: a prompt may speak of negative prompts.
    prompt, _, negative = f"\n{words}".partition(f"\n{_NEGATIVE}")
    settings: dict[str, str] = {"Prompt": prompt.strip(), "Negative prompt": negative.strip()}
    for name, value in pairs:
        settings[name] = _unquoted(value.strip())
        if size := _SIZE.fullmatch(settings[name]):
            settings[f"{name}-1"], settings[f"{name}-2"] = size.groups()
    return settings


def _unquoted(value: str) -> str:
    if not (len(value) > 1 and value[0] == value[-1] == '"'):
        return value
    try:
        return encodable(str(json.loads(value)))
    except ValueError:
        return value
