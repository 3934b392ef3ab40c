"""Multipart forms of any bytes: each is read, or refused with a problem of 4xx."""

import asyncio

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from framesense.http.multipart import MultipartEvent, PartHeaders
from framesense.http.problems import ProblemError
from framesense.http.uploads import NamedForm, UploadLimits, read_named_form
from tests.support.multipart import CONTENT_TYPE, HEADERS, form_request, one_part_form

LIMITS = UploadLimits(max_bytes=100_000, max_file_bytes=50_000, max_files=5)


def read(body: bytes, content_type: bytes = CONTENT_TYPE, size: int = 7) -> NamedForm:
    """Return the form of a body that arrives ``size`` bytes at a time."""
    return asyncio.run(read_named_form(form_request(body, content_type, size), LIMITS, fields=["images"]))


def refusal(body: bytes, content_type: bytes = CONTENT_TYPE) -> ProblemError:
    with pytest.raises(ProblemError) as refused:
        read(body, content_type)
    return refused.value


@pytest.mark.parametrize(
    "content_type", [b"multipart/form-data", b"multipart/form-data; boundary=", b'Multipart/Form-Data; boundary=""']
)
def test_a_form_without_a_boundary_is_malformed(content_type: bytes) -> None:
    refused = refusal(one_part_form(b""), content_type)
    assert (refused.status, refused.slug) == (400, "malformed-form")
    assert "names no boundary" in refused.detail


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'filename="dog.jpg"', "dog.jpg"),
        (b"filename=dog.jpg", "dog.jpg"),
        (b"filename*=UTF-8''na%C3%AFve%20dog.jpg", "naïve dog.jpg"),
        (b"FILENAME*=utf-8'en'dog.jpg", "dog.jpg"),
        (b"filename*=ISO-8859-1''na%EFve.jpg", "naïve.jpg"),
        (b"filename*=unknown-codec''dog.jpg", "dog.jpg"),
        (b"filename*=dog.jpg", "dog.jpg"),
        (b"filename=\"dog.jpg\"; filename*=UTF-8''cat.jpg", "dog.jpg"),
        (b'filename=""', "file 1"),
    ],
)
def test_ways_to_name_a_file(disposition: bytes, name: str) -> None:
    form = read(one_part_form(b'Content-Disposition: form-data; name="images"; ' + disposition))
    assert [(field, file.filename, file.content) for field, file in form.files] == [("images", name, b"pixels")]


def test_a_quoted_value_names_no_file() -> None:
    form = read(one_part_form(b"Content-Disposition: form-data; name=\"labels; filename*=UTF-8''x\""))
    assert form.values == {"labels; filename*=UTF-8''x": ["pixels"]}


def test_a_header_without_a_value_leaves_the_next_one_whole() -> None:
    headers = PartHeaders()
    pieces = [b"X-Empty", b"", b"Content-", b"Disposition", b"form-data; name=", b"images"]
    begin, name, value = MultipartEvent.HEADER_BEGIN, MultipartEvent.HEADER_NAME, MultipartEvent.HEADER_VALUE
    for event, data in zip(
        [begin, name, value, begin, name, name, value, value], [b"", *pieces[:2], b"", *pieces[2:]], strict=True
    ):
        headers.add(event, data)
    assert headers.disposition() == ("images", None)
    form = read(one_part_form(b'X-Empty:\r\nContent-Disposition: form-data; name="text"'))
    assert form.values == {"text": ["pixels"]}


def test_a_form_of_headers_alone_is_refused_early() -> None:
    assert refusal(one_part_form(b"X-A: " + b"a" * 20_000)).status == 400


@settings(max_examples=400)
@given(
    headers=HEADERS,
    content=st.binary(max_size=40),
    content_type=st.one_of(
        st.just(CONTENT_TYPE),
        st.binary(max_size=20).map(lambda end: b"multipart/form-data; boundary=" + end),
    ),
    size=st.integers(1, 60),
    cut=st.integers(0, 30),
)
@example(headers=b"", content=b"", content_type=b"multipart/form-data; boundary=" + b"B" * 300, size=1, cut=0)
def test_any_bytes_are_a_form_or_a_refusal(
    headers: bytes, content: bytes, content_type: bytes, size: int, cut: int
) -> None:
    body = one_part_form(headers, content)
    try:
        read(body[: len(body) - cut], content_type, size)
    except ProblemError as refused:
        assert 400 <= refused.status < 500
        refused.detail.encode()


@settings(max_examples=200)
@given(body=st.binary(max_size=200), size=st.integers(1, 60))
def test_a_body_of_any_bytes_is_refused(body: bytes, size: int) -> None:
    try:
        read(b"--B\r\n" + body, size=size)
    except ProblemError as refused:
        assert 400 <= refused.status < 500
