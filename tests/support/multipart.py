"""Multipart forms as bytes, whole and in pieces."""

from collections.abc import AsyncIterator

from fastapi import Request
from hypothesis import strategies as st

CONTENT_TYPE = b"multipart/form-data; boundary=B"


def form_request(body: bytes, content_type: bytes = CONTENT_TYPE, size: int = 7) -> Request:
    """Return a request whose body arrives ``size`` bytes at a time."""

    async def messages() -> AsyncIterator[dict[str, object]]:
        for start in range(0, len(body), size):
            yield {"type": "http.request", "body": body[start : start + size], "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    return Request(
        {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", content_type)]},
        messages().__anext__,  # type: ignore[arg-type]
    )


def one_part_form(headers: bytes, content: bytes = b"pixels") -> bytes:
    """Return a form of one part, whose boundary is that of ``CONTENT_TYPE``."""
    return b"--B\r\n" + headers + b"\r\n\r\n" + content + b"\r\n--B--\r\n"


HEADERS = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.sampled_from(
            [
                b'Content-Disposition: form-data; name="images"',
                b"; filename*=",
                b"UTF-8''%E9",
                b'; filename="',
                b'"',
                b";",
                b"'",
                b"=",
                b"\\",
                b"\x00",
                b"\xff",
                b"\r\n",
                b":",
                b"Content-Type: ",
            ]
        ),
        max_size=12,
    ).map(b"".join),
)
"""Headers of a part: of any bytes, and of pieces that parsers stumble over."""
