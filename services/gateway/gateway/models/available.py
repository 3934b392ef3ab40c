"""Which models answer. Asked each time anew: models are switched while everything runs, by anyone."""

import asyncio
from collections.abc import Sequence

from framesense.clients.base import AsyncServiceClient
from framesense.http.problems import ProblemError
from framesense.schemas.models import ModelInfo, ModelPhase, ModelServers, ModelsResponse
from framesense.storage.analyses import VideoModels


async def video_models(captioner: AsyncServiceClient, tagger: AsyncServiceClient) -> VideoModels | None:
    """Return the models that would see a video now; None while the captioner does not answer."""
    captioning, embedding = await asyncio.gather(_model_or_none(captioner), _model_or_none(tagger))
    return VideoModels(captioning, embedding) if captioning else None


async def loaded_models(servers: Sequence[AsyncServiceClient]) -> ModelServers:
    """Ask all model servers at once which model they have loaded.

    Those that do not answer, or have no model to answer with, are listed with their reasons.
    """
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


async def _model_or_none(server: AsyncServiceClient) -> ModelInfo | None:
    try:
        return await server.model()
    except ProblemError:
        return None
