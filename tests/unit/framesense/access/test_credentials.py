"""What an Authorization header carries."""

import base64

import pytest

from framesense.access.credentials import bearer_or_password


def basic(text: bytes) -> str:
    return f"Basic {base64.b64encode(text).decode()}"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        (basic(b"anyone:abc"), "abc"),
        (basic(b":abc"), "abc"),
        (basic(b"a:b:c"), "b:c"),
        (basic("a:ä".encode()), "ä"),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Digest abc", None),
        ("abc", None),
        ("Basic ????", None),
        (basic(b"no colon"), None),
        (basic(b"anyone:"), None),
        (basic(b"a:\xff"), None),
    ],
)
def test_keys_come_as_bearer_tokens_and_as_passwords(header: str, found: str | None) -> None:
    assert bearer_or_password(header) == found
