"""What a route does not declare is refused, wherever it comes, with the name that may have been meant."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Query, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field

from framesense.http.app import create_service
from framesense.http.browsers import BrowserPolicy
from framesense.http.declared_names import ignore_unknown_names
from framesense.http.hosts import AllowedHosts
from framesense.http.uploads import UploadLimits, read_named_form

TEXT = {"type": "string"}
FORM = {
    "requestBody": {
        "content": {"multipart/form-data": {"schema": {"type": "object", "properties": {"threshold": TEXT}}}}
    }
}
PHOTO = {"image": ("a.png", b"pixels")}


class Span(BaseModel):
    model_config = ConfigDict(extra="forbid")
    end: float


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid")
    spans: list[Span] = []


class Paging(BaseModel):
    limit: int = Field(default=50, ge=1)
    kind: list[str] = []


@pytest.fixture(scope="module")
def client() -> TestClient:
    app: FastAPI = create_service("test", browsers=BrowserPolicy(AllowedHosts(["testserver"])))

    @app.post("/tags", openapi_extra=FORM)
    async def tags(request: Request, beams: int = 4) -> dict[str, Any]:
        form = await read_named_form(request, UploadLimits(10_000, 10_000, 5), fields=("image",))
        return {"files": len(form.files), **form.values}

    @app.get("/jobs")
    async def jobs(paging: Annotated[Paging, Query()]) -> Paging:
        return paging

    @app.delete("/jobs")
    @app.post("/kinds/one")
    @app.get("/kinds/{kind}")
    async def others() -> None: ...

    @app.post("/documents")
    async def documents(document: Document) -> Document:
        return document

    @app.post("/lenient", openapi_extra=FORM, dependencies=[Depends(ignore_unknown_names)])
    async def lenient(request: Request) -> dict[str, Any]:
        form = await read_named_form(request, UploadLimits(10_000, 10_000, 5), fields=("image",))
        return {"files": len(form.files)}

    return TestClient(app)


@pytest.mark.parametrize(
    ("path", "query", "form", "where", "told"),
    [
        ("/tags", {}, {"thresold": "1"}, "body", "thresold: There is no such parameter; perhaps 'threshold' is meant."),
        ("/tags", {"threshold": "1"}, {}, "query", "no such parameter here; 'threshold' is a field of the form."),
        ("/tags", {}, {"beams": "1"}, "body", "'beams' belongs into the query, ?beams=…"),
        ("/tags", {"beam": "1"}, {}, "query", "perhaps 'beams' is meant."),
        ("/tags", {"thresold": "1"}, {}, "query", "perhaps 'threshold' is meant, which is a field of the form."),
        ("/tags", {"q": "1"}, {}, "query", "q: There is no such parameter; there are: beams."),
    ],
)
def test_a_name_that_there_is_not_is_refused(
    client: TestClient, path: str, query: dict[str, str], form: dict[str, str], where: str, told: str
) -> None:
    answer = client.post(path, params=query, data=form, files=PHOTO)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    (fault,) = answer.json()["faults"]
    assert (fault["in"], fault["parameter"]) == (where, next(iter({**query, **form})))


def test_all_of_them_are_told(client: TestClient) -> None:
    answer = client.get("/jobs", params={"state": "running", "limits": 3})
    assert [fault["parameter"] for fault in answer.json()["faults"]] == ["state", "limits"]


def test_what_is_declared_is_taken(client: TestClient) -> None:
    answer = client.get("/jobs", params={"limit": 3, "kind": ["video", "edit"], "_": "1767605401000"})
    assert answer.json() == {"limit": 3, "kind": ["video", "edit"]}
    answer = client.post("/tags?beams=1", data={"threshold": "0.5"}, files=PHOTO)
    assert answer.json() == {"files": 1, "threshold": ["0.5"]}


def test_names_within_a_document(client: TestClient) -> None:
    answer = client.post("/documents", json={"spans": [{"end": 1, "ende": 2}], "pans": []})
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "spans[0].ende: There is no such parameter; perhaps 'end' is meant; "
        "pans: There is no such parameter; perhaps 'spans' is meant."
    )


def test_a_file_in_another_field_is_not_dropped(client: TestClient) -> None:
    answer = client.post("/tags", files=[("image", ("a.png", b"")), ("images", ("b.png", b""))])
    assert answer.status_code == 422 and "images" in answer.json()["detail"]
    answer = client.post("/tags", files=[("image", ("a.png", b"")), ("threshold", ("b.txt", b"0.5"))])
    assert answer.status_code == 422 and "curl -F 'threshold=<FILE'" in answer.json()["detail"]


def test_a_route_may_ignore_what_it_does_not_know(client: TestClient) -> None:
    files = [("image", ("a.png", b"")), ("other", ("b.png", b""))]
    assert client.post("/lenient?a=1", data={"b": "2"}, files=files).json() == {"files": 1}
    assert client.get("/health?probe=1").status_code == 200


def test_a_refusal_names_all_methods_of_a_path(client: TestClient) -> None:
    for path, allowed in (("/jobs", "DELETE, GET, HEAD"), ("/kinds/one", "POST"), ("/kinds/two", "GET, HEAD")):
        answer = client.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert f"it answers {allowed}." in answer.json()["detail"]
