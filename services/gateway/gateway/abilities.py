"""What the editor can do: asked with every edit, and it changes rarely."""

import time

from framesense.editor_client import AsyncEditorClient
from framesense.problems import ProblemError
from framesense.schemas.edits import EditorCapabilities

FRESH_SECONDS = 5.0


class Abilities:
    """Remembers the editor's answer for a few seconds."""

    def __init__(self, editor: AsyncEditorClient) -> None:
        self._editor = editor
        self._known: EditorCapabilities | None = None
        self._asked = 0.0

    async def get(self) -> EditorCapabilities:
        """Raises ProblemError while the editor does not answer."""
        if self._known is None or time.monotonic() - self._asked > FRESH_SECONDS:
            self._known, self._asked = await self._editor.capabilities(), time.monotonic()
        return self._known

    async def get_or_none(self) -> EditorCapabilities | None:
        try:
            return await self.get()
        except ProblemError:
            return None
