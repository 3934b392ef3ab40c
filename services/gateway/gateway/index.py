"""Answer at the root: where everything is."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel

from framesense.http.declared_names import ignore_unknown_names
from gateway.http.negotiation import HTML, JSON, preferred_type
from gateway.openapi import examples

LINKS = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "models": "/models",
    "jobs": "/jobs",
    "ready": "/ready",
    "metrics": "/metrics",
}
_ANSWER = {"name": "Framesense", "version": "0.1.0", "links": LINKS}

router = APIRouter(tags=["operations"], dependencies=[Depends(ignore_unknown_names)])


class Index(BaseModel):
    """What answers here, and where the rest is."""

    name: str
    version: str
    links: dict[str, str]


@router.get(
    "/",
    summary="What answers here?",
    response_model=Index,
    responses={
        200: examples.json_example("Name, version, and where the rest is", _ANSWER),
        307: {"description": "To the documentation, for browsers"},
    },
)
def index(request: Request) -> Response:
    """Send browsers to the documentation; tell programs name, version and links."""
    vary = {"Vary": "Accept"}
    if preferred_type(request, [JSON, HTML]) == HTML:
        return RedirectResponse("docs", headers=vary)
    found = Index(name=request.app.title, version=request.app.version, links=LINKS)
    return JSONResponse(found.model_dump(), headers=vary)
