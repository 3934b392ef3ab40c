"""What those are told whom the gateway does not let through."""

import math

from framesense.access.keys import ApiKey
from framesense.http.problems import ProblemError
from framesense.schemas.access import Scope

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Framesense"'}


def no_credentials(any_key: bool) -> ProblemError:
    """Return the 401 of a request that shows no key; it says how to get the first one where there is none."""
    detail = "Send a key: Authorization: Bearer KEY, or as the password of Basic; or sign in by POST /session."
    if not any_key:
        detail = (
            "This gateway asks for a key, and none has been made yet. Whoever "
            "runs it makes one where it runs: framesense keys add NAME --scope admin"
        )
    return ProblemError(401, "key-required", "Key required", detail, headers=CHALLENGE)


def wrong_key() -> ProblemError:
    """Return the 401 of a key that is none."""
    detail = "This is no key of this gateway: it is mistyped, or was revoked. Ask whoever runs it for one."
    return ProblemError(401, "wrong-key", "Wrong key", detail, headers=CHALLENGE)


def session_over() -> ProblemError:
    """Return the 401 of a session that has ended."""
    detail = "Your session has ended. Sign in again."
    return ProblemError(401, "session-over", "Session over", detail, headers=CHALLENGE)


def missing_scope(key: ApiKey, scope: Scope) -> ProblemError:
    """Return the 403 of a key that may not do this."""
    has = " and ".join(sorted(key.scopes))
    detail = f"This needs a key with the scope {scope}; yours, {key.name}, has {has}."
    return ProblemError(403, "missing-scope", "Missing scope", detail)


def not_yours(what: str) -> ProblemError:
    """Return the 403 of something shared that another one made."""
    detail = f"{what} was made with another key: only that one, or a key with the scope admin, changes or deletes it."
    return ProblemError(403, "not-yours", "Not yours", detail)


def too_many_tries(seconds: float) -> ProblemError:
    """Return the 429 of an address from which too many wrong keys came."""
    detail = f"Too many wrong keys came from your address. Try again in {math.ceil(seconds)} s."
    return ProblemError(429, "too-many-tries", "Too many tries", detail, headers=_after(seconds))


def too_many_requests(limit: int, seconds: float) -> ProblemError:
    """Return the 429 of a key that sends more requests than it may."""
    detail = f"Your key may send {limit} requests a minute. Try again in {math.ceil(seconds)} s."
    return ProblemError(429, "too-many-requests", "Too many requests", detail, headers=_after(seconds))


def over_quota(limit: int, stored: int, size: int) -> ProblemError:
    """Return the 507 of a key whose files have no room."""
    detail = (
        f"Your key may have {limit:,} bytes stored, and has {stored:,}; this is {size:,} more. Delete jobs that you no "
        "longer need."
    )
    return ProblemError(507, "over-quota", "Over quota", detail)


def keys_unreadable(detail: str) -> ProblemError:
    """Return the 503 of a gateway that cannot tell keys: it lets nobody through."""
    return ProblemError(503, "keys-unreadable", "Keys unreadable", detail, headers={"Retry-After": "30"})


def _after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(math.ceil(seconds))}
