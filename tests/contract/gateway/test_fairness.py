"""One client's many jobs do not hold up another's one."""

from pathlib import Path

import httpx
import pytest

from framesense.jobs.queue import HARDLY_FAIR, lateness, priority, waiting
from framesense.schemas.jobs import Job, JobKind
from tests.support.gateway_edits import ROOM, WORDS, send_edit
from tests.support.gateway_process import problem, running_gateway


def test_another_client_s_job_passes_the_rest_of_many(redis_url: str, tmp_path: Path) -> None:
    with running_gateway(redis_url, tmp_path, client_share=2) as gateway:
        many = [send_edit(gateway) for _ in range(12)]
        elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(base_url=gateway.http.base_url, transport=elsewhere, timeout=30) as other:
            answer = other.post("/edits", files={"image": ("room.png", ROOM)}, data=WORDS)
        one = Job.model_validate(answer.json())
        assert one.queue_position == 2
        ids = [job.id for job in many]
        assert waiting(gateway.jobs._redis, "edit") == [*ids[:2], one.id, *ids[2:]]
        for job in many[:11]:
            gateway.jobs.cancel(job.id)
        assert send_edit(gateway).queue_position == 1, "what has ended does not count: only the other's job goes before"
        assert "127.0.0" not in answer.text, "an address is nobody else's business"


def test_a_client_may_have_so_many_jobs_where_a_limit_is_set(redis_url: str, tmp_path: Path) -> None:
    with running_gateway(redis_url, tmp_path, client_max_jobs=2) as gateway:
        first, _ = send_edit(gateway), send_edit(gateway)
        refused = gateway.http.post("/edits", files={"image": ("room.png", ROOM)}, data=WORDS)
        assert "may have 2" in problem(refused, 429).detail and refused.headers["retry-after"]
        gateway.jobs.cancel(first.id)
        send_edit(gateway)


@pytest.mark.parametrize(("unfinished", "late"), [(0, 0), (1, 0), (2, 1), (2 * HARDLY_FAIR, 2), (1000, 2)])
def test_lateness_grows_with_what_is_under_way(unfinished: int, late: int) -> None:
    assert lateness(unfinished, share=2) == late


def test_series_go_after_single_edits_as_late_as_a_share_allows() -> None:
    assert priority(JobKind.EDIT, 1) < priority(JobKind.EDIT_SERIES, 0)
    assert priority(JobKind.EDIT_SERIES, 2) == 9 == priority(JobKind.VIDEO, 3)
