"""The log of every service: a line an event, with its time and the id of the request that it belongs to.

As JSON (``LOG_FORMAT=json``) a line is an object: ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, and
where there is one ``request_id`` and ``error``, the traceback. A request's id is the caller's ``X-Request-ID`` or one
of ours; it goes from the gateway to the model servers, and with a job to its worker.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]

_SECRET = re.compile(r"([?&][a-z_]*(?:key|token|password|secret)=)[^&\s\"']+", re.IGNORECASE)
"""A key in the query of an address, where it does not belong but is easily put."""
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """Return the id of the request that is being answered, or whose job is carried out; empty outside of one."""
    return _request_id.get()


@contextmanager
def within_request(request_id: str) -> Iterator[None]:
    """Let what is logged inside the context belong to a request."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Have everything of this process logged to its standard error, from a level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def without_secrets(text: str) -> str:
    """Return a text with "…" for the keys and tokens in the addresses that it holds."""
    return _SECRET.sub(r"\1…", text)


class TextFormatter(logging.Formatter):
    """Write lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Return the line without its traceback."""
        line = without_secrets(super().formatMessage(record))
        request_id = current_request_id()
        return f"{line} [{request_id}]" if request_id else line


class JsonFormatter(logging.Formatter):
    """Write lines for programs: a JSON object each."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if request_id := current_request_id():
            event["request_id"] = request_id
        if record.exc_info:
            event["error"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)
