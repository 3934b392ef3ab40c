"""Which form of an answer a client prefers."""

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.negotiation import HTML, JSON, preferred_type


def request(*accept: bytes) -> Request:
    return Request({"type": "http", "headers": [(b"accept", value) for value in accept]})


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        (b"*/*", JSON),
        (b"text/html", HTML),
        (b"text/html,application/xhtml+xml,*/*;q=0.8", HTML),
        (b"text/html;q=0.7, application/json", JSON),
        (b"text/html, application/json", JSON),
        (b"text/*;q=0.9, */*;q=0.1", HTML),
        (b"TEXT/HTML; Q=1", HTML),
        (b"text/html;q=0, */*;q=0.1", JSON),
        (b"text/html;q=never", JSON),
        (b"text/html;q=nan", JSON),
        (b"image/png", JSON),
        (b"", JSON),
    ],
)
def test_the_heaviest_type_is_chosen(accept: bytes, preferred: str) -> None:
    assert preferred_type(request(accept), [JSON, HTML]) == preferred


def test_no_header_and_several() -> None:
    assert preferred_type(request(), [JSON, HTML]) == JSON
    assert preferred_type(request(b"image/png", b"text/html"), [JSON, HTML]) == HTML


@given(st.binary(max_size=60))
def test_any_bytes_choose_one(accept: bytes) -> None:
    assert preferred_type(request(accept), [JSON, HTML]) in (JSON, HTML)
