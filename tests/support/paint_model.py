"""A model that speaks the protocol of the editor's models and knows only colours: it paints towards the colour that the
words name, with some noise by the seed, a step at a time, as slowly as a test lets it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from editor.models.base import Abilities, Check, Edited, Floats, LoadedModel, ModelRequest, OnStep, Step
from editor.settings import EditorSettings
from framesense.media.images import RGB
from framesense.schemas.edits import SchedulerName, Task
from framesense.schemas.models import ModelInfo
from tests.support.photos import COLOURS

ABILITIES = Abilities(
    tasks=frozenset({Task.EDIT, Task.GENERATE}),
    schedulers=(SchedulerName.DDIM, SchedulerName.EULER),
    default_scheduler=SchedulerName.DDIM,
    default_steps=10,
    default_guidance_scale=3.0,
    size=64,
    multiple_of=8,
    batch=2,
)


@dataclass
class Painter:
    """``requests``: what it was asked. ``steps``: how many it took. ``go``: permits, one for each step. ``error``:
    raised in place of a first step. ``memory``: the most seeds a call that fit. ``seen``: set when a call begins."""

    abilities: Abilities = ABILITIES
    requests: list[ModelRequest] = field(default_factory=list)
    steps: int = 0
    go: threading.Semaphore | None = None
    error: Exception | None = None
    memory: int = 100
    seen: threading.Event = field(default_factory=threading.Event)

    def load(self, settings: EditorSettings) -> LoadedModel:
        info = ModelInfo(
            service="editor",
            name=settings.editor_model,
            family="painter",
            revision="1",
            device="cpu",
            dtype="float32",
            parameters=0,
        )
        return LoadedModel(self, info)

    def edit(self, request: ModelRequest, on_step: OnStep) -> Edited:
        self.requests.append(request)
        self.seen.set()
        if self.error is not None:
            raise self.error
        if len(request.seeds) > self.memory:
            raise MemoryError
        pictures = [_start(request)] * len(request.seeds)
        goals = [_goal(request, seed) for seed in request.seeds]
        for done in range(1, request.steps_taken + 1):
            if self.go is not None:
                self.go.acquire()
            self.steps += 1
            left = request.steps_taken - done + 1
            pictures = [picture + (goal - picture) / left for picture, goal in zip(pictures, goals, strict=True)]
            on_step(Step(done, request.steps_taken, partial(_all_bytes, pictures)))
        return Edited(_all_bytes(pictures), "painting", ["knows colours only"])

    def relevance(self, request: ModelRequest, check: Check) -> Floats | None:
        """The words always apply to the left third."""
        check()
        relevance = np.full((request.height, request.width), 0.01, np.float32)
        relevance[:, : request.width // 3] = 1
        return relevance


def _start(request: ModelRequest) -> Floats:
    if request.photo is not None:
        return request.photo.astype(np.float32)
    return np.full((request.height, request.width, 3), 128, np.float32)


def _goal(request: ModelRequest, seed: int) -> Floats:
    colour = next((COLOURS[word] for word in request.prompt.split() if word in COLOURS), (128, 128, 128))
    noise = np.random.default_rng(seed).normal(0, 10, (request.height, request.width, 3))
    start = _start(request)
    goal: Floats = (start + request.strength * (np.array(colour) + noise - start)).astype(np.float32)
    return goal


def _all_bytes(pictures: Sequence[Floats]) -> list[RGB]:
    return [np.clip(np.round(picture), 0, 255).astype(np.uint8) for picture in pictures]
