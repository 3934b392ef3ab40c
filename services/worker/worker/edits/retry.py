"""Retry while the editor is away, or still loads its model: by the clock, however many attempts that takes."""

import time
from collections.abc import Callable
from typing import TypeVar

from framesense.clients.editor import EditInterrupted, EditorUnavailable

Answer = TypeVar("Answer")

ROUND = 10.0
"""Seconds that a client asks again by itself before it says so; a model that loads answers sooner, and often."""


def retry(ask: Callable[[], Answer], seconds: float) -> Answer:
    """Return what ``ask`` returns; call it again for so many seconds while the editor gives no answer at all.

    Raises EditorUnavailable after that, and at once whatever else ``ask`` raises: EditInterrupted among it, for then
    the editor had begun.
    """
    gives_up = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except EditInterrupted:
            raise
        except EditorUnavailable:
            if time.monotonic() >= gives_up:
                raise
