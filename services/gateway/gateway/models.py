"""Which model the captioner answers with: asked often, changes rarely."""

import time

from framesense.clients import AsyncCaptionerClient
from framesense.problems import ProblemError
from framesense.schemas.models import ModelInfo

FRESH_SECONDS = 5.0


class LoadedModel:
    """Remembers the captioner's model for a few seconds."""

    def __init__(self, captioner: AsyncCaptionerClient) -> None:
        self._captioner = captioner
        self._known: ModelInfo | None = None
        self._asked = 0.0

    async def get(self) -> ModelInfo:
        """Raises ProblemError while the captioner does not answer."""
        if self._known is None or time.monotonic() - self._asked > FRESH_SECONDS:
            self._known, self._asked = await self._captioner.model(), time.monotonic()
        return self._known

    async def get_or_none(self) -> ModelInfo | None:
        try:
            return await self.get()
        except ProblemError:
            return None
