"""Which models answer: the captioner's is asked often, and changes rarely."""

import asyncio
import time
from collections.abc import Sequence

from framesense.analyses import VideoModels
from framesense.async_service_client import AsyncServiceClient
from framesense.problems import ProblemError
from framesense.schemas.models import ModelInfo, ModelPhase, ModelServers, ModelsResponse

FRESH_SECONDS = 5.0


class LoadedModel:
    """Remembers a server's model for a few seconds."""

    def __init__(self, server: AsyncServiceClient) -> None:
        self._server = server
        self._known: ModelInfo | None = None
        self._asked = 0.0

    async def get(self) -> ModelInfo:
        """Raises ProblemError while the server does not answer."""
        if self._known is None or time.monotonic() - self._asked > FRESH_SECONDS:
            self._known, self._asked = await self._server.model(), time.monotonic()
        return self._known

    async def get_or_none(self) -> ModelInfo | None:
        try:
            return await self.get()
        except ProblemError:
            return None


class SeeingModels:
    """The models that would see a video now."""

    def __init__(self, captioner: AsyncServiceClient, tagger: AsyncServiceClient) -> None:
        self._captioner, self._tagger = LoadedModel(captioner), LoadedModel(tagger)

    async def get_or_none(self) -> VideoModels | None:
        """None while the captioner does not answer."""
        captioner, tagger = await asyncio.gather(self._captioner.get_or_none(), self._tagger.get_or_none())
        return VideoModels(captioner, tagger) if captioner else None


async def loaded_models(servers: Sequence[AsyncServiceClient]) -> ModelServers:
    """All are asked at once; those that do not answer, or have no model to answer with, are told with their reasons."""
    answers = await asyncio.gather(*(server.models() for server in servers), return_exceptions=True)
    found = ModelServers(models=[])
    for server, answer in zip(servers, answers, strict=True):
        if isinstance(answer, ModelsResponse):
            found.models += answer.models
            found.states += answer.states
            for state in answer.states:
                if state.state in (ModelPhase.LOADING, ModelPhase.FAILED):
                    found.unavailable[server.service] = state.detail or state.state
        elif isinstance(answer, ProblemError):
            found.unavailable[server.service] = answer.detail
        else:
            raise answer
    return found
