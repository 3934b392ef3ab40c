"""Read the key or the token that a request carries in its Authorization header."""

import base64
import binascii


def bearer_or_password(authorization: str) -> str | None:
    """Return what ``Bearer`` carries (RFC 6750), or the password of ``Basic`` (RFC 7617); None for neither.

    The user name of Basic is free: clients that know no other way have a key as their password.
    """
    scheme, _, rest = authorization.strip().partition(" ")
    rest = rest.strip()
    match scheme.lower():
        case "bearer":
            return rest or None
        case "basic":
            return _password(rest)
    return None


def _password(encoded: str) -> str | None:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    _, colon, password = text.partition(":")
    return password if colon and password else None
