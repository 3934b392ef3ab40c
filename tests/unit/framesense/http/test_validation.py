"""Wrong parameters, told in plain words."""

from enum import StrEnum
from typing import Literal

import pytest
from fastapi import Path, Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field, field_validator

from framesense.http.app import create_service
from framesense.http.browsers import BrowserPolicy
from framesense.http.hosts import AllowedHosts


class Kind(StrEnum):
    VIDEO = "video"
    EDIT = "edit"


class Document(BaseModel):
    name: str
    spans: list[float] = []
    seed: int = Field(default=0, ge=0, le=9)

    @field_validator("name")
    @classmethod
    def _check(cls, name: str) -> str:
        if name == "x":
            raise ValueError("x is taken")
        return name


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = create_service("test", browsers=BrowserPolicy(AllowedHosts(["testserver"])))

    @app.get("/moments/{rank}")
    async def moments(
        rank: int = Path(ge=0),
        kind: list[Kind] = Query([]),
        every: float | Literal["auto"] = Query("auto", gt=0),
        overlay: bool = True,
        q: str = Query("a", min_length=1, max_length=5),
    ) -> None: ...

    @app.post("/documents")
    async def documents(document: Document) -> None: ...

    return TestClient(app)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/moments/first", "rank, in the address: 'first' is not a whole number."),
        ("/moments/-1", "rank, in the address: '-1' is out of range; it must be at least 0."),
        ("/moments/0?kind=foo&kind=edit", "kind: 'foo' is not known here; it may be 'video' or 'edit'."),
        ("/moments/0?every=soon", "every: 'soon' is not a number, and 'soon' is not known here; it may be 'auto'."),
        ("/moments/0?every=0", "every: '0' is out of range; it must be more than 0."),
        ("/moments/0?overlay=perhaps", "overlay: 'perhaps' is not true or false."),
        ("/moments/0?q=", "q: The text is empty."),
        ("/moments/0?q=abcdef", "q: The text is too long; at most 5 letters are taken."),
        (f"/moments/{'9' * 3000}x", "rank, in the address: '" + "9" * 60 + "…' is not a whole number."),
    ],
)
def test_an_address_that_is_wrong(client: TestClient, address: str, told: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{'name': 1}", "body: It is not JSON: Expecting property name enclosed in double quotes, at character 2."),
        (b"", "body: It is missing."),
        (b"[]", "body: [] is not a JSON object."),
        (b"{}", "name: It is missing."),
        (b'{"name": 1}', "name: 1 is not a text."),
        (b'{"name": "x"}', "name: x is taken."),
        (b'{"name": "a", "spans": [1, "b"]}', "spans[1]: 'b' is not a number."),
        (
            b'{"name": "a", "spans": 1, "seed": 10}',
            "spans: 1 is not a list; seed: 10 is out of range; it must",
        ),
        (b'{"name": null}', "name: null is not a text."),
    ],
)
def test_a_document_that_is_wrong(client: TestClient, content: bytes, told: str) -> None:
    answer = client.post("/documents", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"].startswith(told)


def test_a_document_that_is_no_text(client: TestClient) -> None:
    answer = client.post("/documents", content=b'{"name": "\xff"}', headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["detail"]) == (400, "The body cannot be read: it is not JSON in UTF-8.")
