"""Name a file that is answered for people to keep."""

from urllib.parse import quote


def attachment(name: str) -> str:
    """Return a Content-Disposition that keeps any file name (RFC 6266)."""
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"
