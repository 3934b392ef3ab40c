"""The audit log: one JSON line for each sign-in, refusal, change of keys, deletion and switch of a model.

Its logger is ``framesense.audit``. A line is an object: ``time`` (ISO 8601, UTC), ``event``, ``key`` (the id of a key,
or empty), ``address``, ``request_id``, and what else the event has to tell. No key and no token is ever in it.
"""

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from logging.handlers import WatchedFileHandler
from pathlib import Path

from framesense.logs import current_request_id

LOGGER = "framesense.audit"


class AuditEvent(StrEnum):
    SIGN_IN = "sign-in"
    SIGN_OUT = "sign-out"
    REFUSED = "refused"
    KEY_ADDED = "key-added"
    KEY_REVOKED = "key-revoked"
    DELETED = "deleted"
    MODEL_SWITCHED = "model-switched"


def configure_audit_log(file: Path | None) -> None:
    """Have the audit log written to standard error, or to a file of its own (0600), which may be renamed."""
    logger = logging.getLogger(LOGGER)
    if file:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=True)
    handler = WatchedFileHandler(file, encoding="utf-8") if file else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)


def record(event: AuditEvent, *, key: str = "", address: str = "", **told: object) -> None:
    """Write a line of the audit log."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": event,
        "key": key,
        "address": address,
        "request_id": current_request_id(),
        **told,
    }
    logging.getLogger(LOGGER).info(json.dumps(line, ensure_ascii=False))
