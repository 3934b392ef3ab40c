"""The token between services, as clients send it and are told that it is wrong."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from framesense.access.service_token import ServiceTokenGuard
from framesense.clients.base import ServiceUnavailable
from framesense.clients.editor import AsyncEditorClient
from framesense.clients.retry import NO_RETRY
from framesense.clients.tagger import TaggerClient
from framesense.http.app import create_service
from framesense.http.problems import ProblemError
from framesense.schemas.models import ModelsResponse
from tests.support.gateway_process import TAGGER_MODEL, served


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = create_service("guarded", guard=lambda app: ServiceTokenGuard(app, token="the-token"))

    @app.get("/models")
    def models(load: bool = False) -> ModelsResponse:
        return ModelsResponse(models=[TAGGER_MODEL])

    with served(app) as (address, _):
        yield address


def test_a_blocking_client_sends_its_token(url: str) -> None:
    with TaggerClient(url, token="the-token", retry=NO_RETRY) as tagger:
        assert tagger.model() == TAGGER_MODEL


@pytest.mark.parametrize("token", ["", "guess"])
def test_another_token_is_said_as_what_it_is(url: str, token: str) -> None:
    with (
        TaggerClient(url, token=token, retry=NO_RETRY) as tagger,
        pytest.raises(ServiceUnavailable, match="SERVICE_TOKEN"),
    ):
        tagger.model()


@pytest.fixture
async def editor(url: str) -> AsyncIterator[AsyncEditorClient]:
    async with AsyncEditorClient(url, token="guess") as client:
        yield client


async def test_the_gateway_s_callers_are_not_told_that_they_lack_a_key(url: str, editor: AsyncEditorClient) -> None:
    with pytest.raises(ProblemError, match="SERVICE_TOKEN") as refused:
        await editor.models()
    assert refused.value.status == 503
    async with AsyncEditorClient(url, token="the-token") as trusted:
        assert (await trusted.models()).models == [TAGGER_MODEL]


async def test_health_needs_none(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/health")).status_code == 200
