"""Sign in, sign out, and who one is: how a browser shows a key once instead of at every request."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from framesense.access.keys import ApiKey
from framesense.http.problems import ProblemError
from framesense.schemas.access import KeyInfo, NewSession, Scope, Session
from gateway.access.audit import AuditEvent, record
from gateway.access.callers import address_of
from gateway.access.guard import Gatekeeper
from gateway.access.sessions import clear_session_cookie, session_token, set_session_cookie
from gateway.openapi import examples

router = APIRouter(prefix="/session", tags=["access"])

_SESSION = Session(required=True, key=KeyInfo(id="3f9c1a70", name="alice", scopes=[Scope.READ, Scope.SUBMIT]))


@router.post(
    "",
    summary="Sign in with a key",
    responses=examples.responses({200: examples.json_example("Signed in", _SESSION)}, 400, 401, 422, 429, 503),
)
async def sign_in(request: Request, response: Response, new: NewSession) -> Session:
    """Exchange a key for a cookie, which browsers send by themselves from then on.

    No script can read the cookie, and pages of other hosts do not send it. It holds no key: revoking the key ends it,
    and so does signing out.

    ```sh
    curl -c cookies http://127.0.0.1:8000/session -H 'Content-Type: application/json' -d '{"key": "'$KEY'"}'
    ```
    """
    gatekeeper, address = _gatekeeper(request), address_of(request)
    try:
        key = gatekeeper.verify(new.key.get_secret_value().strip(), address)
    except ProblemError as refusal:
        record(AuditEvent.REFUSED, address=address, what="sign-in", why=refusal.slug)
        raise
    token = await run_in_threadpool(gatekeeper.sessions.start, key)
    set_session_cookie(request, response, token, seconds=gatekeeper.sessions.seconds)
    response.headers["Cache-Control"] = "no-store"
    record(AuditEvent.SIGN_IN, key=key.id, address=address)
    return Session(required=gatekeeper.required, key=_shown(key))


@router.get(
    "",
    summary="Who am I?",
    responses=examples.responses({200: examples.json_example("Signed in", _SESSION)}, 429, 503),
)
async def get_session(request: Request, response: Response) -> Session:
    """Tell whether keys are required here, and whose key the request shows: by its header, or by its cookie.

    ```sh
    curl -H "Authorization: Bearer $KEY" http://127.0.0.1:8000/session
    ```
    """
    gatekeeper = _gatekeeper(request)
    response.headers["Cache-Control"] = "no-store"
    if not gatekeeper.required:
        return Session(required=False)
    try:
        key = await gatekeeper.identify(request)
    except ProblemError as refusal:
        if refusal.status != 401:
            raise
        key = None
    return Session(required=True, key=_shown(key) if key else None)


@router.delete("", status_code=204, summary="Sign out", responses=examples.responses({}, 503))
async def sign_out(request: Request) -> Response:
    """End the session of the request's cookie; the key stays as it is.

    ```sh
    curl -b cookies -X DELETE http://127.0.0.1:8000/session
    ```
    """
    response = Response(status_code=204)
    if token := session_token(request):
        sessions = _gatekeeper(request).sessions
        key = await run_in_threadpool(sessions.key, token)
        await run_in_threadpool(sessions.end, token)
        record(AuditEvent.SIGN_OUT, key=key.id if key else "", address=address_of(request))
    clear_session_cookie(request, response)
    return response


def _gatekeeper(request: Request) -> Gatekeeper:
    gatekeeper: Gatekeeper = request.app.state.gatekeeper
    return gatekeeper


def _shown(key: ApiKey) -> KeyInfo:
    return KeyInfo(id=key.id, name=key.name, scopes=sorted(key.scopes), limits=key.limits)
