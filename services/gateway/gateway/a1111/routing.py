"""Read, answer and refuse as all routes of that API do.

Errors are as its clients show them: problem documents, with that API's own fields beside the standard's.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from framesense.http.multipart import limited_body
from framesense.http.problems import ProblemError
from framesense.schemas.jobs import Job
from framesense.schemas.problems import MEDIA_TYPE
from gateway.a1111.ownership import set_client_cookie
from gateway.dependencies import Dependencies

Contract = TypeVar("Contract", bound=BaseModel)
JOB_HEADER = "X-Job-ID"
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class CompatRoute(APIRoute):
    """Answers problems with ``error``, ``errors`` and ``body`` too, which that API's error answers have; and lets a
    client be known again.
    """

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_and_translate(request: Request) -> Response:
            try:
                response = await handle(request)
                set_client_cookie(request, response)
                return response
            except RequestValidationError as error:
                return _answer(request, invalid(error.errors()))
            except ProblemError as error:
                return _answer(request, error)

        return handle_and_translate


async def read_body(request: Request, dependencies: Dependencies, contract: type[Contract]) -> Contract:
    """Read a JSON document within the gateway's limits.

    Raises ProblemError: 413 and 408 while it arrives, 422 for what it says.
    """
    settings = dependencies.settings
    async with aclosing(limited_body(request, settings.max_image_request_bytes, settings.upload_idle_timeout)) as body:
        document = b"".join([chunk async for chunk in body])
    try:
        return await asyncio.to_thread(contract.model_validate_json, document)
    except ValidationError as error:
        raise invalid(error.errors()) from error


def json_response(answer: BaseModel, job: Job | None = None) -> Response:
    """Answer with JSON, and with the id of the job behind it in a header."""
    headers = {JOB_HEADER: job.id} if job else {}
    return Response(answer.model_dump_json(), headers=headers, media_type="application/json")


def invalid(faults: Any) -> ProblemError:
    """Turn what pydantic found wrong into a 422 problem."""
    detail = "; ".join(f"{_place(fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}" for fault in faults)
    return ProblemError(422, "invalid-request", "Invalid request", detail)


def _place(location: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in location if part not in ("body", "query", "header")]
    return ".".join(parts) or "the request"


def _answer(request: Request, error: ProblemError) -> Response:
    document = error.document(getattr(request.state, "request_id", None)).model_dump(mode="json", exclude_none=True)
    compat = {"error": error.title, "errors": error.detail, "body": ""}
    return JSONResponse({**document, **compat}, error.status, headers=error.headers, media_type=MEDIA_TYPE)
