"""Define what every family of diffusion models offers the service: a photo and words in, a picture out, step by step.

A family sees pictures at its own size only; bringing photos there and back, masks, what is kept of the photo and the
figures on what changed are the service's (:mod:`editor.edits.editing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from framesense.edits.rules import steps_taken
from framesense.media.images import RGB
from framesense.schemas.edits import SchedulerName, Task
from framesense.schemas.models import ModelInfo

Floats = NDArray[np.float32]


class Cancelled(Exception):  # noqa: N818 - as asyncio.CancelledError
    """Nobody waits for the picture any more. Raised by the callbacks; a model lets it pass."""


@dataclass(frozen=True)
class Abilities:
    """The abilities of a model, and its defaults."""

    tasks: frozenset[Task]
    """What it does itself; restorations that it lacks are done classically by the service."""
    schedulers: tuple[SchedulerName, ...]
    default_scheduler: SchedulerName
    default_steps: int
    default_guidance_scale: float
    size: int
    """Side of the square it was made for, in pixels. It is given pictures of about as many pixels as that square."""
    multiple_of: int = 8
    """Widths and heights it is given are multiples of it."""
    any_size: bool = False
    """It takes a photo of any size and gives one of the same size back: nothing is resized for it."""
    relevance: bool = True
    """It can tell where the words apply: ``preserve=auto``."""
    needs_mask: bool = False
    """An inpainting model: without a mask it is given one that is white all over."""
    no_other_scheduler: str | None = None
    """Why it takes no other schedulers, in words: what follows "the scheduler lcm does not suit this model: "."""
    batch: int = 1
    """Most seeds a call of :meth:`DiffusionModel.edit`."""
    note: str | None = None
    """What to know before trusting it; goes with every picture."""


@dataclass(frozen=True)
class ModelRequest:
    """Everything one call needs: checked, sized, with every default filled in."""

    task: Task
    prompt: str
    negative_prompt: str
    strength: float
    """In (0, 1]; 1 where the task is GENERATE."""
    steps: int
    """Of the whole schedule, 1 to 1000; see :attr:`steps_taken`."""
    guidance_scale: float
    """0 and 1: the words' own prediction alone, with no unconditional one to push away from."""
    scheduler: SchedulerName
    seeds: tuple[int, ...]
    """One a picture, each in 0 … 2³² − 1."""
    width: int
    height: int
    """Of the pictures to be made: multiples of the model's ``multiple_of``, unless it takes any size."""
    photo: RGB | None = None
    """height × width × 3 (the smaller original where the task is an upscale); None where the task is GENERATE."""
    mask: Floats | None = None
    """height × width, 0 to 1, 1 where the picture is to change, feathered; None: everywhere. A model may keep the rest
    while it works, for better seams; the service puts the photo's own pixels there afterwards in any case."""

    @property
    def steps_taken(self) -> int:
        """Return how many of the schedule's steps are taken."""
        return steps_taken(self.steps, self.strength)


@dataclass(frozen=True)
class Step:
    """So many of the steps are done."""

    done: int
    """From 1."""
    total: int
    preview: Callable[[], Sequence[RGB]]
    """Each picture as it would be if it ended now, of any size; computed only when called, which is not at every step,
    and only before the callback returns."""


OnStep = Callable[[Step], None]
"""Called on the model's thread after every step. May raise :class:`Cancelled`."""
Check = Callable[[], None]
"""Called between two calls of the network. May raise :class:`Cancelled`."""


@dataclass(frozen=True)
class Edited:
    """The pictures that a call made."""

    pictures: list[RGB]
    """request.height × request.width × 3, one a seed, in order."""
    method: str
    """In words: "SDEdit", "inpainting"."""
    notes: list[str] = field(default_factory=list)
    """What of the request had no effect, and why."""


class DiffusionModel(Protocol):
    """A loaded model. Called from one thread at a time."""

    abilities: Abilities

    def edit(self, request: ModelRequest, on_step: OnStep) -> Edited:
        """Make one picture a seed; the same request gives the same bytes on the same device.

        Raises:
            Cancelled: from ``on_step``; whatever the call held is let go.
            ValueError: it cannot be done with this model; the text is for the caller.
        """

    def relevance(self, request: ModelRequest, check: Check) -> Floats | None:
        """Measure where the words apply: how far the noise predicted with the prompt is from that predicted without it
        (with the negative prompt), per pixel, averaged over channels and several noises (Couairon et al., DiffEdit,
        2022).

        Returns:
            Any height × width, non-negative, in no particular unit: the service clips, scales and cuts it. None where
            the model cannot tell (``abilities.relevance`` is then False).
        """


@dataclass(frozen=True)
class LoadedModel:
    """A model that :func:`editor.models.factory.load_model` loaded, and its description."""

    model: DiffusionModel
    info: ModelInfo
