"""The editor's blocking client: asks again while there is nothing yet, never once there is; says what broke off."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from framesense.clients.editor import EditInterrupted, EditorClient, EditorUnavailable
from framesense.clients.retry import RetryPolicy
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.schemas.edits import EditParameters, ImageEvent, StepEvent
from tests.support.clock import SteppingClock

PARAMETERS = EditParameters(prompt="at night", seed=3, images=2)
PHOTO = Upload(b"photo", "room.jpg", "image/jpeg")
STEP = {"event": "step", "image": 0, "step": 1, "steps": 2}
PROBLEM = {"title": "Refused", "status": 422, "detail": "the photo is too small", "type": "urn:framesense:problem:x"}


def image(index: int) -> dict[str, Any]:
    described = {
        "index": index,
        "seed": 3 + index,
        "width": 8,
        "height": 8,
        "parameters": {"prompt": "at night"},
        "seconds": 0.1,
        "method": "SDEdit",
    }
    return {"event": "image", "image": described, "png": "AA=="}


def lines(*events: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(event).encode() for event in events) + b"\n"


def answering(*answers: httpx.Response | Exception) -> tuple[EditorClient, list[httpx.Request], list[float]]:
    requests: list[httpx.Request] = []
    clock = SteppingClock()
    left = iter(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    retry, transport = RetryPolicy(5.0), httpx.MockTransport(handle)
    client = EditorClient("http://editor", retry=retry, sleep=clock.sleep, clock=clock, transport=transport)
    return client, requests, clock.pauses


def test_events_and_what_was_sent() -> None:
    client, requests, _ = answering(
        httpx.Response(200, content=lines(STEP, image(0), STEP) + b"\n\n" + lines(image(1)))
    )
    alive: list[None] = []
    events = list(
        client.edit(PARAMETERS, image=PHOTO, mask=Upload(b"mask", "m.png", None), alive=lambda: alive.append(None))
    )
    assert [type(event) for event in events] == [StepEvent, ImageEvent, StepEvent, ImageEvent]
    assert len(alive) == 6, "empty lines are signs of life too"
    body = requests[0].read()
    assert b'name="image"; filename="room.jpg"' in body and b'name="mask"; filename="m.png"' in body
    assert b'{"prompt":"at night","seed":3,"images":2}' in body
    assert requests[0].url.path == "/edits"


def test_a_busy_or_absent_editor_is_asked_again() -> None:
    busy = httpx.Response(503, json=PROBLEM | {"status": 503}, headers={"Retry-After": "4"})
    done = httpx.Response(200, content=lines(image(0), image(1)))
    client, requests, pauses = answering(httpx.ConnectError("refused"), busy, done)
    assert len(list(client.edit(PARAMETERS, image=PHOTO))) == 2
    assert len(requests) == 3 and pauses == [0.5, 4]


def test_giving_up_says_what_it_said_last() -> None:
    client, _, pauses = answering(*[httpx.Response(503, json=PROBLEM | {"status": 503, "detail": "no model"})] * 9)
    with pytest.raises(EditorUnavailable, match="5 attempts in 5 s; the last: no model"):
        list(client.edit(PARAMETERS, image=PHOTO))
    assert pauses == [0.5, 1, 2, 1.5]


def test_a_refusal_is_not_asked_again() -> None:
    client, requests, _ = answering(httpx.Response(422, json=PROBLEM))
    with pytest.raises(ProblemError, match="too small") as refused:
        list(client.edit(PARAMETERS, image=PHOTO))
    assert (refused.value.status, refused.value.slug) == (422, "x")
    assert len(requests) == 1


def test_a_failure_midway_is_told() -> None:
    client, _, _ = answering(httpx.Response(200, content=lines(STEP, {"event": "failure", "problem": PROBLEM})))
    with pytest.raises(ProblemError, match="too small"):
        list(client.edit(PARAMETERS, image=PHOTO))


class Content(httpx.SyncByteStream):
    """An answer's bytes, after which the connection may break."""

    def __init__(self, *parts: bytes, breaks: bool = False) -> None:
        self.parts, self.breaks, self.closed = parts, breaks, False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.parts
        if self.breaks:
            raise httpx.ReadError("connection reset")

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    "content",
    [
        Content(lines(STEP, image(0))),
        Content(lines(image(0), {"event": "failure", "problem": PROBLEM | {"status": 503}})),
        Content(lines(image(0)), b'{"event": "ima'),
        Content(lines(image(0)), breaks=True),
    ],
    ids=["ends", "shuts down", "is cut short", "is reset"],
)
def test_an_answer_that_breaks_off(content: Content) -> None:
    client, requests, _ = answering(httpx.Response(200, stream=content))
    pictures = 0
    with pytest.raises(EditInterrupted):
        for event in client.edit(PARAMETERS, image=PHOTO):
            pictures += isinstance(event, ImageEvent)
    assert pictures == 1, "what came before is kept"
    assert len(requests) == 1 and content.closed


def test_closing_the_iterator_closes_the_connection() -> None:
    content = Content(lines(STEP), lines(image(0)))
    client, _, _ = answering(httpx.Response(200, stream=content))
    events = client.edit(PARAMETERS, image=PHOTO)
    assert isinstance(next(events), StepEvent)
    assert not content.closed
    events.close()
    assert content.closed
