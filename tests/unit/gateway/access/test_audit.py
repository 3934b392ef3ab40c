"""The audit log in a file of its own."""

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from framesense.logs import within_request
from gateway.access.audit import LOGGER, AuditEvent, configure_audit_log, record


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    logger = logging.getLogger(LOGGER)
    before = (logger.handlers, logger.propagate, logger.level)
    yield
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


def test_a_line_is_an_object_in_a_file_of_the_account_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "logs" / "audit.log"
    configure_audit_log(file)
    with within_request("request-7"):
        record(AuditEvent.DELETED, key="3f9c1a70", address="192.0.2.7", what="DELETE /jobs/1", status=204)
    file.rename(file.with_suffix(".1"))
    record(AuditEvent.SIGN_OUT, what="ä\n")
    (line,) = map(json.loads, file.with_suffix(".1").read_text().splitlines())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "event": "deleted",
        "key": "3f9c1a70",
        "address": "192.0.2.7",
        "request_id": "request-7",
        "what": "DELETE /jobs/1",
        "status": 204,
    }
    (after,) = map(json.loads, file.read_text().splitlines())
    assert after["what"] == "ä\n", "one line, whatever is told"
    assert stat.S_IMODE(file.with_suffix(".1").stat().st_mode) == 0o600
    assert capsys.readouterr().err == ""


def test_without_a_file_it_is_standard_error_and_nothing_is_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    configure_audit_log(None)
    record(AuditEvent.SIGN_IN, key="3f9c1a70")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "sign-in"
