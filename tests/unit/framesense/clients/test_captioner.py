"""What the clients do when the captioner is away, busy or unhappy. (That they work with a real one:
tests/integration/captioner/test_service.py.)"""

from collections.abc import Callable

import httpx
import numpy as np
import pytest

from framesense.clients.captioner import AsyncCaptionerClient, CaptionerClient, CaptionerUnavailable
from framesense.clients.retry import RetryPolicy
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.media.images import NPY_MEDIA_TYPE
from framesense.schemas.arrays import EncodingFormat, encode
from framesense.schemas.captions import Caption, CaptionEmbeddings, CaptionResponse, CaptionToken
from framesense.schemas.models import ModelInfo
from framesense.schemas.problems import MEDIA_TYPE
from tests.support.clock import SteppingClock

MODEL = ModelInfo(
    service="captioner", name="embedded", family="x", revision="1", device="cpu", dtype="float32", parameters=1
)
FRAME = np.zeros((4, 6, 3), np.uint8)
UPLOAD = Upload(b"bytes", "a photo.png", "image/png")


def answer_for(words: list[list[float]], *confidences: float | None) -> httpx.Response:
    """As many captions as confidences, one without any."""
    caption = Caption(
        caption="a dog",
        tokens=[CaptionToken(text="w", log_probability=-1) for _ in words],
        log_probability=-1,
        embeddings=CaptionEmbeddings(
            words=encode(np.reshape(words, (len(words), 2)), EncodingFormat.BASE64),
            sentence=encode(np.array([0.6, 0.8]), EncodingFormat.BASE64),
        ),
    )
    captions = [caption.model_copy(update={"confidence": chance}) for chance in confidences or (None,)]
    return httpx.Response(200, content=CaptionResponse(captions=captions, model=MODEL).model_dump_json())


def problem(status: int, detail: str, headers: dict[str, str] | None = None, slug: str = "some-slug") -> httpx.Response:
    body = {"type": f"urn:framesense:problem:{slug}", "title": "Title", "status": status, "detail": detail}
    return httpx.Response(status, json=body, headers={**(headers or {}), "content-type": MEDIA_TYPE})


class Server:
    """Answers one after another of what it was given; the last again and again. Notes requests and pauses."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.clock = SteppingClock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, retry: RetryPolicy = RetryPolicy()) -> CaptionerClient:
        clock, transport = self.clock, httpx.MockTransport(self)
        return CaptionerClient("http://captioner", retry=retry, sleep=clock.sleep, clock=clock, transport=transport)

    def async_client(self) -> AsyncCaptionerClient:
        return AsyncCaptionerClient("http://captioner", transport=httpx.MockTransport(self))


def test_frames_go_as_arrays_and_numbers_come_back() -> None:
    server = Server(answer_for([[1.0, 2.0], [3.0, 6.0]]))
    batch = server.client().caption([FRAME], beams=2, max_tokens=9)
    assert batch.texts == ["a dog"]
    assert np.array_equal(batch.words, np.array([[2.0, 4.0]], np.float32))
    assert np.allclose(batch.sentences, [[0.6, 0.8]])
    assert batch.model == MODEL
    (request,) = server.requests
    assert dict(request.url.params) == {
        "beams": "2",
        "max_tokens": "9",
        "return": "embeddings",
        "encoding_format": "base64",
    }
    assert NPY_MEDIA_TYPE.encode() in request.content


@pytest.mark.parametrize(
    ("confidences", "expected"), [((0.25, 1.0), [0.25, 1.0]), ((0.25, None), None), ((None, None), None)]
)
def test_confidences_are_those_of_all_captions_or_none(
    confidences: tuple[float | None, ...], expected: list[float] | None
) -> None:
    batch = Server(answer_for([[1.0, 2.0]], *confidences)).client().caption([FRAME, FRAME])
    assert (None if batch.confidences is None else batch.confidences.tolist()) == expected


def test_a_caption_of_no_words_has_a_zero_embedding() -> None:
    assert Server(answer_for([])).client().caption([FRAME]).words.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    "failure",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"), httpx.Response(502)],
)
def test_a_passing_failure_is_tried_again(failure: httpx.Response | Exception) -> None:
    server = Server(failure, failure, answer_for([[1.0, 1.0]]))
    assert server.client().caption([FRAME]).texts == ["a dog"]
    assert server.clock.pauses == [0.5, 1.0]


@pytest.mark.parametrize(
    ("header", "pause"),
    [("3", 3.0), ("0", 0.5), ("9999", 15.0), ("nan", 0.5), ("-1", 0.5), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.5)],
)
def test_retry_after_is_honoured_within_a_bound(header: str, pause: float) -> None:
    server = Server(problem(503, "busy", {"Retry-After": header}), answer_for([[1.0, 1.0]]))
    server.client().caption([FRAME])
    assert server.clock.pauses == [pause]


def test_at_the_end_it_says_who_and_why() -> None:
    server = Server(problem(503, "256 images are waiting already."))
    with pytest.raises(CaptionerUnavailable, match=r"http://captioner.* 3 attempts in 1 s.*256 images are waiting"):
        server.client(RetryPolicy(1.2)).caption([FRAME])
    assert len(server.requests) == 3
    assert server.clock.pauses == [0.5, pytest.approx(0.7)]


def test_a_restart_of_half_a_minute_is_waited_for() -> None:
    """The service is away, then loads its model, and asks to come back every other second all the while."""
    away, loading = (
        httpx.ConnectError("refused"),
        problem(503, "is being loaded", {"Retry-After": "2"}, "model-loading"),
    )
    server = Server(*[away] * 4, *[loading] * 100, *[away] * 2, answer_for([[1.0, 1.0]]))
    assert server.client(RetryPolicy(20.0, 600.0)).caption([FRAME]).texts == ["a dog"]
    assert sum(server.clock.pauses) > 200


def test_loading_for_ever_is_given_up_and_told() -> None:
    server = Server(problem(503, "is being loaded", {"Retry-After": "2"}, "model-loading"))
    with pytest.raises(CaptionerUnavailable, match=r"still loading after 31 attempts in 60 s.*is being loaded"):
        server.client(RetryPolicy(20.0, 60.0)).caption([FRAME])
    assert server.clock.now == 60


def test_a_refusal_is_not_tried_again() -> None:
    server = Server(problem(422, "beams: too many"))
    with pytest.raises(ProblemError) as refused:
        server.client().caption([FRAME], beams=99)
    assert (refused.value.status, refused.value.slug, refused.value.detail) == (422, "some-slug", "beams: too many")
    assert len(server.requests) == 1


def test_sleep_may_end_the_waiting() -> None:
    def give_up(seconds: float) -> None:
        raise KeyboardInterrupt

    transport = httpx.MockTransport(Server(httpx.ConnectError("refused")))
    with (
        pytest.raises(KeyboardInterrupt),
        CaptionerClient("http://captioner", sleep=give_up, transport=transport) as client,
    ):
        client.model()


async def test_uploads_and_answers_pass_through_unread() -> None:
    server = Server(httpx.Response(200, content=b'{"any": "json"}', headers={"content-type": "application/json"}))
    async with server.async_client() as client:
        answer = await client.forward([UPLOAD], [("return", "attention"), ("return", "features")], request_id="abc")
    assert (answer.status, answer.body, answer.media_type) == (200, b'{"any": "json"}', "application/json")
    (request,) = server.requests
    assert request.url.params.get_list("return") == ["attention", "features"]
    assert request.headers["x-request-id"] == "abc"
    assert b'filename="a photo.png"' in request.content
    assert b"image/png" in request.content


async def test_problem_documents_pass_through_with_retry_after() -> None:
    async with Server(problem(503, "busy", {"Retry-After": "4"})).async_client() as client:
        answer = await client.forward([UPLOAD])
    assert (answer.status, answer.media_type, answer.headers) == (503, MEDIA_TYPE, {"Retry-After": "4"})


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.forward([UPLOAD]),
        lambda client: client.caption([UPLOAD]),
        lambda client: client.model(),
    ],
    ids=["forward", "caption", "model"],
)
async def test_an_absent_captioner_is_a_503(call: Callable[[AsyncCaptionerClient], object]) -> None:
    async with Server(httpx.ConnectError("refused")).async_client() as client:
        with pytest.raises(ProblemError) as failure:
            await call(client)
    assert failure.value.status == 503
    assert failure.value.headers["Retry-After"] == "5"


async def test_a_read_answer_raises_the_captioners_own_problem() -> None:
    async with Server(problem(415, "photo.png looks like an SVG drawing")).async_client() as client:
        with pytest.raises(ProblemError, match="SVG") as refused:
            await client.caption([UPLOAD])
    assert refused.value.status == 415


async def test_what_is_no_problem_document_is_told_as_it_came() -> None:
    async with Server(httpx.Response(500, text="<html>oops</html>")).async_client() as client:
        with pytest.raises(ProblemError, match="oops") as refused:
            await client.model()
    assert refused.value.status == 500
