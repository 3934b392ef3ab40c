"""Which models answer: the captioner's is asked often, and changes rarely."""

import asyncio
import time
from collections.abc import Sequence

from framesense.async_service_client import AsyncServiceClient
from framesense.clients import AsyncCaptionerClient
from framesense.problems import ProblemError
from framesense.schemas.models import ModelInfo, ModelServers

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


async def loaded_models(servers: Sequence[AsyncServiceClient]) -> ModelServers:
    """All are asked at once; those that do not answer are told with their reasons."""
    answers = await asyncio.gather(*(server.model() for server in servers), return_exceptions=True)
    found = ModelServers(models=[])
    for server, answer in zip(servers, answers, strict=True):
        if isinstance(answer, ModelInfo):
            found.models.append(answer)
        elif isinstance(answer, ProblemError):
            found.unavailable[server.service] = answer.detail
        else:
            raise answer
    return found
