"""Lines of the log, for people and for programs."""

import json
import logging
import sys
from datetime import UTC, datetime

import pytest

from framesense.logs import JsonFormatter, TextFormatter, current_request_id, within_request


def _record(message: str, *arguments: object, error: bool = False) -> logging.LogRecord:
    raised = sys.exc_info() if error else None
    return logging.LogRecord("worker.jobs", logging.WARNING, "", 0, message, arguments, raised)


def test_a_line_of_json_carries_the_time_the_request_and_the_traceback() -> None:
    before = datetime.now(UTC)
    with within_request("a-1"):
        try:
            raise ValueError("two\nlines")
        except ValueError:
            line = JsonFormatter().format(_record("job %s: süß", "x", error=True))
    assert "\n" not in line
    event = json.loads(line)
    assert (event["level"], event["logger"], event["message"]) == ("WARNING", "worker.jobs", "job x: süß")
    assert event["request_id"] == "a-1" and "ValueError: two\nlines" in event["error"]
    assert abs((datetime.fromisoformat(event["time"]) - before).total_seconds()) < 60


def test_outside_of_a_request_there_is_no_id() -> None:
    assert set(json.loads(JsonFormatter().format(_record("up")))) == {"time", "level", "logger", "message"}
    assert TextFormatter().format(_record("up")).endswith("WARNING worker.jobs: up")
    with within_request("a"), within_request("b"):
        assert TextFormatter().format(_record("up")).endswith("up [b]")
    assert current_request_id() == ""


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_key_in_an_address_is_not_in_the_log(formatter: logging.Formatter) -> None:
    path = "/jobs?key=abc-1&limit=3&api_key=abc-2&access_token=abc-3"
    line = formatter.format(_record('%s - "%s %s HTTP/1.1" %d', "127.0.0.1:5", "GET", path, 401))
    assert "abc" not in line and "/jobs?key=…&limit=3&api_key=…&access_token=…" in line
