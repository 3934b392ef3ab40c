"""Models that refuse, break or run out of memory; callers who leave."""

import threading
from typing import Any

from fastapi.testclient import TestClient

from editor.app import create_app
from editor.settings import EditorSettings
from framesense.schemas.edits import (
    FailureEvent,
    ImageEvent,
)
from tests.support.editor_api import ask, events, picture, pictures, refused, serving, settings
from tests.support.paint_model import Painter
from tests.support.waiting import wait_until, wait_while_loading


def test_a_model_that_refuses_tells_why(client: TestClient, painter: Painter) -> None:
    painter.error = ValueError("words of that kind mean nothing to it")
    (failure,) = events(ask(client))
    assert isinstance(failure, FailureEvent)
    assert (failure.problem.status, failure.problem.detail) == (422, "words of that kind mean nothing to it")


def test_a_model_that_breaks_is_a_problem_without_its_traceback(client: TestClient, painter: Painter) -> None:
    painter.error = RuntimeError("secret of the model")
    (failure,) = events(ask(client))
    assert isinstance(failure, FailureEvent)
    assert failure.problem.status == 500 and "secret" not in failure.problem.detail
    assert failure.problem.request_id
    painter.error = None
    assert picture(client).image.index == 0


def test_batches_that_do_not_fit_are_halved(client: TestClient, painter: Painter) -> None:
    assert len(painter.requests) == 0
    painter.memory = 1
    assert [made.image.index for made in pictures(ask(client, images=3))] == [0, 1, 2]
    assert [len(request.seeds) for request in painter.requests] == [2, 1, 1, 1]
    assert client.get("/models").json()["states"][0]["batch_limit"] == 1
    painter.memory = 0
    (failure,) = events(ask(client))
    assert isinstance(failure, FailureEvent) and "not enough memory" in failure.problem.detail


def test_a_model_that_cannot_be_loaded_says_why() -> None:
    def load(settings: EditorSettings) -> Any:
        raise FileNotFoundError("the folder /nowhere is not there")

    with TestClient(create_app(settings(), load=load)) as client:
        detail = refused(wait_while_loading(client), 503).detail
        assert "/nowhere is not there" in detail
        assert "/nowhere is not there" in refused(ask(client), 503).detail
        assert client.get("/health").status_code == 200


def test_those_in_line_are_served_in_turn_and_the_rest_told_to_come_back() -> None:
    painter = Painter(go=threading.Semaphore(0))
    with serving(painter, editor_max_queue=1) as client:
        answers: dict[str, list[ImageEvent]] = {}

        def work(name: str) -> None:
            answers[name] = pictures(ask(client, prompt=name))

        first = threading.Thread(target=work, args=("red",))
        first.start()
        painter.seen.wait(30)
        second = threading.Thread(target=work, args=("blue",))
        second.start()
        wait_until(lambda: _metric(client, "editor_queue_edits") == 1)
        busy = ask(client, prompt="green")
        assert "1 edits are waiting" in refused(busy, 503).detail
        assert int(busy.headers["retry-after"]) >= 1
        assert painter.go is not None
        painter.go.release(100)
        first.join(60)
        second.join(60)
        assert [request.prompt for request in painter.requests] == ["red", "blue"]
        assert set(answers) == {"red", "blue"}
        assert _metric(client, 'editor_edits_total{outcome="done"}') == 2


def _metric(client: TestClient, name: str) -> float:
    lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")
    return float(lines[name])


def test_signs_of_life_while_nothing_happens() -> None:
    painter = Painter(go=threading.Semaphore(0))
    with serving(painter, editor_keep_alive=0.02) as client:
        threading.Timer(0.5, painter.go.release, (100,)).start()  # type: ignore[union-attr]
        answer = ask(client)
        assert answer.text.startswith("\n")
        assert len(pictures(answer)) == 1
