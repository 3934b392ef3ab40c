"""The editor's clients: a blocking one for the worker, which follows an edit step by step, and an async one for the
gateway, which wants to know what the editor can do.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import httpx
from pydantic import TypeAdapter, ValidationError

from framesense.clients.async_base import AsyncServiceClient
from framesense.clients.base import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    ServiceClient,
    ServiceUnavailable,
    problem_of,
    retry_after,
)
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.schemas.edits import (
    EditEvent,
    EditorCapabilities,
    EditParameters,
    FailureEvent,
    ImageEvent,
    StepEvent,
)

_EVENT: TypeAdapter[EditEvent] = TypeAdapter(EditEvent)


class EditorUnavailable(ServiceUnavailable):
    """The editor gave no answer, however often it was asked; the text says what it said last."""


class EditInterrupted(EditorUnavailable):
    """The editor's answer broke off in the middle: it was stopped, or killed.

    What it had not sent may be asked for again: the pictures still missing, with their seeds.
    """


class EditorClient(ServiceClient):
    """See :class:`framesense.clients.base.ServiceClient` for its arguments; ``timeout`` is how many seconds the
    editor may be silent, which sends a sign of life every second or so also while an edit waits for its turn.
    """

    unavailable = EditorUnavailable

    def edit(
        self,
        parameters: EditParameters,
        *,
        image: Upload | None = None,
        mask: Upload | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> Generator[StepEvent | ImageEvent, None, None]:
        """Yield an edit's events as they happen: steps, a picture, …, one for each of ``parameters.images``.

        Closing the iterator (or an error of whoever iterates) closes the connection, upon which the editor stops. A
        busy or absent editor is asked again as long as nothing has come of it.

        Args:
            image, mask: files as they were uploaded; no image where the task is GENERATE.
            alive: called whenever the editor gives a sign of life, about every second; raise from it to give up.

        Raises EditorUnavailable after the last retry, EditInterrupted where the answer broke off, and ProblemError for
        what the editor refuses, or an edit that failed, with its own words.
        """
        done = 0
        with self._stream(parameters, image, mask) as lines:
            for event in _events(lines, alive):
                if isinstance(event, FailureEvent):
                    raise _error_of(event)
                yield event
                done += isinstance(event, ImageEvent)
                if done == parameters.images:
                    return
        raise EditInterrupted(f"the editor's answer ended after {done} of {parameters.images} pictures")

    def capabilities(self) -> EditorCapabilities:
        """Ask what the editor's model can do; raises EditorUnavailable."""
        return EditorCapabilities.model_validate_json(self._request("GET", "/capabilities"))

    @contextmanager
    def _stream(self, parameters: EditParameters, image: Upload | None, mask: Upload | None) -> Iterator[Iterator[str]]:
        files = _parts(parameters, image, mask)
        pause, reason = FIRST_PAUSE, ""
        for attempt in range(self._retries + 1):
            asked = None
            try:
                request = self._http.build_request("POST", "/edits", files=files)
                answer = self._http.send(request, stream=True)
            except httpx.TransportError as error:
                reason = f"{type(error).__name__}: {error}"
            else:
                try:
                    if answer.status_code < 400:
                        yield answer.iter_lines()
                        return
                    answer.read()
                    if answer.status_code < 500:
                        raise problem_of(answer)
                    reason, asked = problem_of(answer).detail, retry_after(answer.headers)
                finally:
                    answer.close()
            if attempt < self._retries:
                self._sleep(min(LONGEST_PAUSE, pause if asked is None else asked))
                pause *= 2
        attempts = self._retries + 1
        raise EditorUnavailable(f"no answer from {self._http.base_url} in {attempts} attempts; the last: {reason}")


class AsyncEditorClient(AsyncServiceClient):
    """See :class:`framesense.clients.async_base.AsyncServiceClient`."""

    def __init__(
        self, base_url: str, *, timeout: float = 30.0, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(base_url, service="editor", timeout=timeout, transport=transport)

    async def capabilities(self, *, request_id: str | None = None) -> EditorCapabilities:
        """Ask what the editor's model can do.

        Raises ProblemError: 503 while it does not answer or has no model.
        """
        answer = await self._request("GET", "/capabilities", request_id)
        if answer.status_code >= 400:
            raise problem_of(answer)
        return EditorCapabilities.model_validate_json(answer.content)


def _parts(
    parameters: EditParameters, image: Upload | None, mask: Upload | None
) -> list[tuple[str, tuple[str | None, bytes, str]]]:
    asked = parameters.model_dump_json(exclude_unset=True).encode()
    parts: list[tuple[str, tuple[str | None, bytes, str]]] = [("parameters", (None, asked, "application/json"))]
    for name, file in (("image", image), ("mask", mask)):
        if file is not None:
            parts.append((name, (file.filename, file.content, file.media_type or "application/octet-stream")))
    return parts


def _events(lines: Iterator[str], alive: Callable[[], None]) -> Iterator[EditEvent]:
    """Yield the events of an answer's lines; empty lines only say that the editor lives."""
    try:
        for line in lines:
            alive()
            if line.strip():
                yield _EVENT.validate_json(line)
    except (httpx.TransportError, ValidationError) as error:
        raise EditInterrupted(f"the editor's answer broke off ({type(error).__name__}: {error})") from error


def _error_of(failure: FailureEvent) -> Exception:
    problem = failure.problem
    if problem.status == 503:  # it is shutting down: another will do it
        return EditInterrupted(problem.detail)
    slug = problem.type.removeprefix("urn:framesense:problem:")
    return ProblemError(problem.status, slug, problem.title, problem.detail)
