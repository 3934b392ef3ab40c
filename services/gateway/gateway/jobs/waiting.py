"""``Prefer: wait=SECONDS`` (RFC 7240): a client's wish to get the result in the first answer, if it is ready soon."""

import re

_WAIT = re.compile(r"""wait\s*=\s*"?(\d{1,9})"?""", re.IGNORECASE)


def preferred_wait(header: str | None, *, limit: float) -> float:
    """Seconds to wait, at most ``limit``; 0 without the preference. A malformed one is ignored, as the RFC asks."""
    for preference in (header or "").split(","):
        # A preference may carry parameters after a semicolon.
        if match := _WAIT.fullmatch(preference.split(";")[0].strip()):
            return min(float(match[1]), limit)
    return 0.0
