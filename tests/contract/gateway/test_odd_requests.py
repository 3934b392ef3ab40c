"""Every header and every query value with anything in it, over every route of the API's description: no 500, no answer
that breaks off.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framesense.schemas.problems import MEDIA_TYPE, Problem
from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.support.gateway_process import MP4, Gateway
from tests.support.photos import photo
from tests.support.raw_http import Header, send_raw

OPERATIONS: dict[tuple[str, str], dict[str, Any]] = {
    (method.upper(), path): operation
    for path, methods in create_app(GatewaySettings()).openapi()["paths"].items()
    for method, operation in methods.items()
}
ROUTES = sorted(OPERATIONS)
WAITS = {("POST", "/get_video_captions")}
"""With a whole body it answers when its video was seen, which nobody here does."""

NOT_HTTP = b"Invalid HTTP request received."
"""What the server below the application says to what it cannot parse."""
REQUEST_HEADERS = (
    *("accept", "accept-encoding", "accept-language", "authorization", "cache-control", "content-type", "cookie"),
    *("expect", "if-match", "if-none-match", "if-modified-since", "if-range", "last-event-id", "origin", "prefer"),
    *("range", "referer", "tus-resumable", "upload-length", "upload-offset", "upload-metadata", "user-agent"),
    *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-http-method-override", "x-request-id"),
)
"""Headers that servers act on, whether a route's description names them or not."""
ODD_VALUES = (
    b"",
    b" ",
    b"\xff\xfe\x80",
    "Ünïcode \u202e\U0001f415".encode(),
    b"a\tb",
    b'"',
    b"';--",
    b"../../etc/passwd",
    b"-1",
    b"0",
    b"1e999",
    b"nan",
    b"1_000",
    "٣".encode(),
    b"9" * 30,
    b"9" * 5000,
    b"{}" * 10,
    b"[" * 2000,
    b"bytes=0-,5-",
    b"bytes=99999999999999999999999999-",
    b"wait=99999999999999999999",
    b'W/"x", *',
    b"text/event-stream; q=nan, */*; q=-1",
    b"multipart/form-data; boundary=" + b"B" * 300,
    b"multipart/form-data; boundary=\xff",
    b"application/json; charset=utf-7",
    b"18446744073709551616-18446744073709551616",
    b"x" * 20_000,
)
ODD_QUERIES = (
    *(quote(value[:6000], safe="") for value in ODD_VALUES),
    "%00",
    "%ED%A0%80",
    "%zz",
    "%",
    "+",
    "a%0D%0AX-Injected:%201",
    "true&{name}=false",
    "{name}={name}",
)
"""As they stand after ``name=``; ``{name}`` is the parameter's."""


Route = tuple[str, str]


@dataclass(frozen=True)
class Site:
    """A gateway with an analysed video, so that routes have something to answer."""

    url: str
    job: str

    def target(self, route: Route, **values: str) -> bytes:
        """Return a route's path, whose place holders name the job that there is, and what else there may be.

        What ``DELETE`` names is not there: the job is for all tests.
        """
        method, path = route
        known = {"job_id": self.job, "export_format": "csv", "index": "0", "rank": "0", "service": "captioner"}
        known |= {"kind": "loras"} | ({"job_id": "0" * 32} if method == "DELETE" else {}) | values
        return re.sub(r"\{(\w+)\}", lambda match: known.get(match[1], "a" * 32), path).encode()

    def check(self, route: Route, target: bytes, headers: Sequence[Header] = (), body: bytes | None = None) -> None:
        """Send a request; its answer must be whole, and none of an error of the server's own."""
        method, _ = route
        answer = send_raw(self.url, method, target, headers, body)
        assert answer.status < 500 or answer.status == 503, (method, target, headers, answer.body)
        assert "x-injected" not in answer.headers
        kind = answer.headers.get("content-type", "")
        page = route == ("POST", "/get_captions") and kind.startswith("text/html")
        own_words = page or method in ("HEAD", "OPTIONS") or answer.body == NOT_HTTP
        if answer.status >= 400 and not own_words:
            assert kind == MEDIA_TYPE, (method, target, headers, answer.body)
            Problem.model_validate_json(answer.body)


@pytest.fixture(scope="module")
def site(gateway_process: Gateway) -> Site:
    job = gateway_process.submit(MP4)
    gateway_process.analyse(job, ["a dog", "a cat", "a dog"], [[0, 1], [1, 0], [0, 1]])
    return Site(str(gateway_process.http.base_url), job.id)


def named_headers(route: Route) -> list[str]:
    return [p["name"] for p in OPERATIONS[route].get("parameters", []) if p["in"] == "header"]


def queries_of(route: Route) -> list[str]:
    return [p["name"] for p in OPERATIONS[route].get("parameters", []) if p["in"] == "query"]


def form_of(route: Route) -> tuple[list[Header], bytes | None]:
    """Return the smallest whole form that a route takes, as a header and a body; neither where it takes none."""
    content = OPERATIONS[route].get("requestBody", {}).get("content", {})
    if "multipart/form-data" not in content or route in WAITS:
        return [], None
    parts = []
    for name, schema in content["multipart/form-data"]["schema"]["properties"].items():
        if "binary" in str(schema):
            file = MP4 if name == "video" else photo("red")
            parts.append(f'name="{name}"; filename="file"\r\n\r\n'.encode() + file)
    body = b"".join(b"--B\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--B--\r\n"
    return [(b"Content-Type", b"multipart/form-data; boundary=B")], body


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_every_header_may_hold_anything(site: Site, route: Route) -> None:
    for value in ODD_VALUES:
        for name in named_headers(route):
            site.check(route, site.target(route), [(name.encode(), value)])
        site.check(route, site.target(route), [(name.encode(), value[:2000]) for name in REQUEST_HEADERS])


@pytest.mark.parametrize("name", REQUEST_HEADERS)
def test_headers_that_all_routes_have_in_common_may_hold_anything(site: Site, name: str) -> None:
    for route in (("GET", "/jobs/{job_id}"), ("POST", "/caption")):
        for value in ODD_VALUES:
            site.check(route, site.target(route), [(name.encode(), value)])
        # Repeated, and in capitals.
        site.check(route, site.target(route), [(name.encode(), b"1"), (name.upper().encode(), b"\xff")])


@pytest.mark.parametrize("route", [route for route in ROUTES if queries_of(route)], ids=" ".join)
def test_every_query_value_may_be_anything(site: Site, route: Route) -> None:
    headers, body = form_of(route)
    for name in queries_of(route):
        for odd in ODD_QUERIES:
            query = f"?{name}={odd.replace('{name}', name)}".encode()
            site.check(route, site.target(route) + query, headers, body)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_the_target_may_hold_anything(site: Site, route: Route) -> None:
    for odd in (b"?\xff\xfe=\x80", b"?" + b"&" * 3000, b"?" + b"a=1&" * 3000, b"#x", b"/", b"//"):
        site.check(route, site.target(route) + odd)
    for place in re.findall(r"\{(\w+)\}", route[1]):
        for value in (*ODD_QUERIES, "%01", "%2e%2e%2f%2e%2e", "..", "%2e"):
            site.check(route, site.target(route, **{place: value}))


def _without_line_ends(value: bytes) -> bytes:
    return re.sub(rb"[\r\n\0]", b"", value)


@settings(max_examples=300, derandomize=True)
@given(
    st.sampled_from(ROUTES),
    st.lists(st.tuples(st.sampled_from(REQUEST_HEADERS), st.binary(max_size=60).map(_without_line_ends)), max_size=6),
    st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=30)), max_size=3),
)
def test_headers_and_queries_at_random(
    site: Site, route: Route, headers: list[tuple[str, bytes]], query: list[tuple[int, bytes]]
) -> None:
    names = queries_of(route) or ["x"]
    pairs = [f"{names[number % len(names)]}={quote(value, safe='')}" for number, value in query]
    target = site.target(route, job_id="0" * 32) + b"?" + "&".join(pairs).encode()
    site.check(route, target, [(name.encode(), value) for name, value in headers])
