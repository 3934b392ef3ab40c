"""A model's life inside a service: loaded at start or on first use, used, switched for another, unloaded when idle.

Every model server has one :class:`ModelRuntime`, which knows nothing of what its model does. A request borrows the
model by :meth:`ModelRuntime.use`; what is borrowed stays alive until it is given back, so that a switch or an unloading
never takes a model from under a request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from framesense.http.problems import ProblemError, model_loading
from framesense.models.errors import blames_name, explain
from framesense.models.spec import ModelSpec
from framesense.schemas.models import ModelInfo, ModelPhase, ModelState
from framesense.serving.memory import gpu_bytes, release, resident_bytes
from framesense.serving.policy import ModelPolicy
from framesense.serving.threads import in_own_thread

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""After a failure, how long until loading is tried again for who asks: somebody may have fetched the model by then."""


class Servable(Protocol):
    """Serve requests with a loaded model: a request borrows it, with whatever feeds it."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def batch_limit(self) -> int | None:
        """Return the most items a model call, once a larger batch ran out of memory; None until then."""

    async def start(self) -> None:
        """Make ready; called once, on the event loop, before the first request."""

    async def stop(self) -> None:
        """Stop; called once, when no request uses it any more. Afterwards nothing may hold the model's memory."""


Served = TypeVar("Served", bound=Servable)


@dataclass(eq=False)
class _Slot(Generic[Served]):
    """Hold a loaded model, and count who uses it."""

    served: Served
    memory: int
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    users: int = 0
    idle_since: datetime = field(default_factory=lambda: datetime.now(UTC))
    idle_from: float = field(default_factory=time.monotonic)
    unused: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.unused.set()

    def take(self) -> None:
        self.users += 1
        self.unused.clear()

    def give_back(self) -> None:
        self.users -= 1
        if self.users == 0:
            self.idle_since, self.idle_from = datetime.now(UTC), time.monotonic()
            self.unused.set()


@dataclass(frozen=True)
class _Failure:
    reason: str
    wrong: bool
    """Whether the name itself is at fault."""
    at: float = field(default_factory=time.monotonic)


class ModelRuntime(Generic[Served]):
    """Load, lend, switch and unload a model; an async context manager, for one event loop.

    Until the model is loaded, and if it cannot be, every call says so with a 503.

    Args:
        service: what the server is called in problems: "captioner".
        model: the name of the model at start, as :class:`~framesense.models.spec.ModelSpec` prints it.
        load: loads the model of a name; called in a thread. Its errors are told to people.
        accepts: raises ValueError, in words, for a name that this service can have no model of; cheap.
    """

    def __init__(
        self,
        service: str,
        model: str,
        load: Callable[[str], Served],
        policy: ModelPolicy | None = None,
        *,
        accepts: Callable[[ModelSpec], None] = lambda spec: None,
    ) -> None:
        self._service, self._model, self._load = service, model, load
        self._policy, self._accepts = policy or ModelPolicy(), accepts
        self._current: _Slot[Served] | None = None
        self._info: ModelInfo | None = None
        """Of the model that answers, or did until it was unloaded."""
        self._change: asyncio.Task[None] | None = None
        """The one loading or switching that is under way."""
        self._change_to = model
        self._waited_for = False
        """Whether requests wait for the change, rather than being told to come back."""
        self._failure: _Failure | None = None
        self._switch_failure: _Failure | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._idle_watch: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        if self._policy.load == "start":
            self._begin(self._load_own(), self._model)
        if self._policy.unload_after is not None:
            self._idle_watch = asyncio.create_task(self._unload_when_idle(self._policy.unload_after), name="idle-watch")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        if self._idle_watch is not None:
            self._idle_watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._idle_watch
        if self._change is not None:
            await self._change
        await self._all_retired()
        if self._current is not None:
            slot, self._current = self._current, None
            await slot.served.stop()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Served]:
        """Borrow the model: for one request, and all of it, so that it is answered by one model.

        Raises ProblemError 503, with Retry-After, while there is none.
        """
        slot = await self._slot()
        slot.take()
        try:
            yield slot.served
        finally:
            slot.give_back()

    async def check(self) -> None:
        """Check readiness. A model that is loaded on first use, or was unloaded when idle, is ready."""
        self._retry_after_failure()
        if self._current is None and (self._change is not None or self._failure is not None):
            raise self._unavailable()

    async def info(self) -> ModelInfo:
        """Tell which model answers; one that never was loaded is loaded for it.

        Raises ProblemError 503 while there is none.
        """
        if self._info is not None:
            return self._info
        return (await self._slot()).served.info

    @property
    def infos(self) -> list[ModelInfo]:
        """Return what is known of the model: one entry, or none while it never was loaded."""
        return [] if self._info is None else [self._info]

    @property
    def state(self) -> ModelState:
        slot = self._current
        phase, detail = ModelPhase.READY, None
        if slot is None:
            phase = ModelPhase.LOADING if self._change else ModelPhase.FAILED if self._failure else ModelPhase.UNLOADED
            detail = self._unavailable().detail if phase is not ModelPhase.UNLOADED else "The next request loads it."
        switching = self._change is not None and self._change_to != self._model
        return ModelState(
            service=self._service,
            model=self._model,
            state=phase,
            detail=detail,
            device=slot.served.info.device if slot else None,
            memory_bytes=slot.memory if slot else None,
            process_bytes=resident_bytes(),
            batch_limit=slot.served.batch_limit if slot else None,
            loaded_at=slot.loaded_at if slot else None,
            in_use=slot.users if slot else 0,
            idle_since=slot.idle_since if slot and not slot.users else None,
            switching_to=self._change_to if switching else None,
            switch_error=self._switch_failure.reason if self._switch_failure else None,
        )

    async def switch(self, name: str, wait: float = 0.0) -> ModelState:
        """Load another model, then let it answer in place of the present one, which stays if that fails.

        Naming the present one loads it where it is not loaded.

        Args:
            wait: seconds to wait for it at most; what the state says then may be "loading".

        Raises:
            ProblemError: 403 not allowed, 422 no such model, 409 another switch is under way; where the waiting was
                long enough to see it fail, 422 or 503 with the reason.
        """
        wanted = str(self._policy.require_allowed(name, self._model, self._accepts))
        if self._change is not None and self._change_to != wanted:
            detail = f"The {self._service} is loading {self._change_to}. Wait until it has done so, then ask again."
            raise ProblemError(409, "model-switch-busy", "Another switch is under way", detail)
        if self._change is None:
            if wanted == self._model and self._current is not None:
                return self.state
            self._switch_failure = None
            own = wanted == self._model
            self._begin(self._load_own() if own else self._switch_to(wanted), wanted, waited_for=True)
        if wait > 0 and self._change is not None:
            await asyncio.wait([self._change], timeout=wait)
            failure = self._switch_failure or (self._failure if wanted == self._model else None)
            if self._change is None and failure is not None:
                raise self._failed(wanted, failure)
        return self.state

    async def unload(self) -> bool:
        """Give the memory back, unless a request uses the model or it is being changed; False then."""
        slot = self._current
        if slot is None or slot.users or self._change is not None:
            return False
        self._current = None
        log.info("%s is unloaded", self._model)
        self._retire(slot)
        del slot  # or this frame would keep the memory
        await self._all_retired()
        return True

    # ------------------------------------------------------------------------------------------------ changes

    def _begin(self, change: Coroutine[Any, Any, None], name: str, *, waited_for: bool = False) -> None:
        async def run() -> None:
            try:
                await change
            finally:
                self._change = None

        self._change_to, self._waited_for = name, waited_for
        self._change = asyncio.create_task(run(), name=f"load-{self._service}")

    async def _load_own(self) -> None:
        try:
            self._current = await self._open(self._model)
        except Exception as error:  # told through /ready and every answer; the process stays up to tell it
            self._failure = self._failure_of(error, self._model)
            return
        self._info, self._failure = self._current.served.info, None

    async def _switch_to(self, name: str) -> None:
        if self._policy.switch == "unload-first" and self._current is not None:
            self._retire(self._current)
            self._current = None
        try:
            new = await self._open(name)
        except Exception as error:
            self._switch_failure = self._failure_of(error, name)
            if self._current is None and self._policy.switch == "unload-first":
                await self._load_own()
            return
        old, self._current = self._current, new
        self._model, self._info, self._failure = name, new.served.info, None
        log.info("%s answers now", name)
        if old is not None:
            self._retire(old)

    async def _open(self, name: str) -> _Slot[Served]:
        await self._all_retired()  # never three models in memory
        before = resident_bytes(), gpu_bytes()
        served = await in_own_thread(self._load, name)
        try:
            await served.start()
        except BaseException:
            del served
            release()
            raise
        on_gpu = served.info.device.startswith("cuda")
        grown = gpu_bytes() - before[1] if on_gpu else resident_bytes() - before[0]
        return _Slot(served, max(0, grown))

    def _failure_of(self, error: Exception, name: str) -> _Failure:
        wrong = blames_name(error, name)
        reason = explain(error, name)
        log.error("the model %s cannot be loaded: %s", name, reason, exc_info=error)
        error.__traceback__ = None  # its frames hold what was loaded so far
        return _Failure(reason, wrong)

    def _retire(self, slot: _Slot[Served]) -> None:
        """Stop and free a model as soon as nobody uses it."""
        task = asyncio.create_task(_stop(slot), name=f"retire-{self._service}")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _all_retired(self) -> None:
        while self._retiring:
            await asyncio.wait(set(self._retiring))

    async def _unload_when_idle(self, seconds: float) -> None:
        while True:
            slot = self._current
            left = seconds
            if slot is not None and not slot.users:
                left = slot.idle_from + seconds - time.monotonic()
            del slot
            if left <= 0:
                await self.unload()
                left = seconds
            await asyncio.sleep(max(left, 0.01))

    # ------------------------------------------------------------------------------------------------ answers

    async def _slot(self) -> _Slot[Served]:
        self._retry_after_failure()
        if self._current is None and self._change is None and self._failure is None and not self._closed:
            self._begin(self._load_own(), self._model, waited_for=True)
        if self._current is None and self._change is not None and self._waited_for:
            await asyncio.wait([self._change], timeout=self._policy.wait)
        if self._current is None:
            raise self._unavailable()
        return self._current

    def _retry_after_failure(self) -> None:
        failure = self._failure
        if failure is not None and self._change is None and time.monotonic() - failure.at > RETRY_SECONDS:
            self._begin(self._load_own(), self._model)

    def _unavailable(self) -> ProblemError:
        if self._change is None and self._failure is not None:
            return self._failed(self._model, self._failure, status=503)
        return model_loading(f"The model {self._change_to} is being loaded. Try again in a moment.")

    def _failed(self, name: str, failure: _Failure, status: int | None = None) -> ProblemError:
        detail = f"The model {name} cannot be loaded: {failure.reason}"
        if (status or (422 if failure.wrong else 503)) == 422:
            return ProblemError(422, "model-failed", "Model failed to load", detail)
        headers = {"Retry-After": str(round(RETRY_SECONDS))}
        return ProblemError(503, "model-failed", "Model failed to load", detail, headers=headers)


async def _stop(slot: _Slot[Served]) -> None:
    await slot.unused.wait()
    try:
        await slot.served.stop()
    except Exception:
        log.exception("a model did not stop in order")
    del slot
    await asyncio.sleep(0.05)  # the last request has given the model back, but its frame may hold it for a moment more
    await asyncio.to_thread(release)
