"""Forms that the gateway writes to disk or passes on: any bytes are taken or refused with a problem of 4xx."""

import asyncio
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framesense.http.problems import ProblemError
from framesense.http.uploads import UploadLimits
from gateway.http.forwarding import form_body
from gateway.http.multipart import FormLimits, receive_form
from tests.support.multipart import HEADERS, form_request, one_part_form

LIMITS = UploadLimits(max_bytes=100_000, max_file_bytes=50_000, max_files=5)


async def receive(body: bytes, size: int, folder: Path) -> tuple[dict[str, str], str | None]:
    async with receive_form(form_request(body, size=size), folder, FormLimits("images", 50_000, 5.0)) as form:
        return form.fields, form.file and form.file.name


async def pass_on(body: bytes, size: int) -> bytes:
    return b"".join([chunk async for chunk in form_body(form_request(body, size=size), LIMITS, 5.0)])


def test_a_file_by_its_extended_name_alone_is_received(tmp_path: Path) -> None:
    body = one_part_form(b"Content-Disposition: form-data; name=images; filename*=UTF-8''na%C3%AFve.jpg")
    assert asyncio.run(receive(body, 7, tmp_path)) == ({}, "naïve.jpg")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(headers=HEADERS, content=st.binary(max_size=40), size=st.integers(1, 60), cut=st.integers(0, 30))
def test_any_bytes_are_a_form_or_a_refusal(tmp_path: Path, headers: bytes, content: bytes, size: int, cut: int) -> None:
    body = one_part_form(headers, content)
    body = body[: len(body) - cut]
    try:
        fields, _ = asyncio.run(receive(body, size, tmp_path))
        "".join(fields.values()).encode()
    except ProblemError as refused:
        assert 400 <= refused.status < 500
    try:
        assert asyncio.run(pass_on(body, size)) == body
    except ProblemError as refused:
        assert 400 <= refused.status < 500
    assert list(tmp_path.iterdir()) == []
