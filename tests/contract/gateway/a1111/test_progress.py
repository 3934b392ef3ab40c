"""Progress, names and interrupts concern one's own job."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from framesense.schemas.jobs import JobState, Progress
from framesense.schemas.problems import Problem
from tests.support.a1111_studio import PHOTO, VALID, Studio, decoded, encoded, file, refused
from tests.support.gateway_process import MP4
from tests.support.waiting import wait_until


def test_progress_and_interrupts_are_of_ones_own_job(studio: Studio) -> None:
    mine, theirs = {"X-Client-ID": "me"}, {"X-Client-ID": "them"}
    first = studio.sent("img2img", {**VALID, "n_iter": 2, "force_task_id": "task(first)"}, headers=theirs).started()
    second = studio.sent("img2img", {**VALID, "force_task_id": "task(second)"}, headers=mine)
    third = studio.sent("img2img", VALID, headers=mine)
    jobs = studio.gateway.jobs
    jobs.progress(first.job.id, Progress(done=5, total=20, message="step 5"))
    jobs.show(first.job.id, encoded(file(PHOTO, "JPEG")))

    def asked(headers: dict[str, str], **query: Any) -> Any:
        return studio.gateway.http.get("/sdapi/v1/progress", headers=headers, params=query).json()

    running = asked(theirs)
    assert running["progress"] == 0.25
    assert running["state"]["job_id"] == first.job.id
    assert (running["state"]["sampling_step"], running["state"]["sampling_steps"]) == (5, 10)
    assert (running["state"]["job_no"], running["state"]["job_count"]) == (0, 2)
    assert running["eta_relative"] > 0
    assert decoded(running["current_image"]).shape == PHOTO.shape
    assert asked(theirs, skip_current_image=True)["current_image"] is None

    waiting = asked(mine)
    assert waiting["state"]["job_id"] == second.job.id
    assert (waiting["progress"], waiting["current_image"], waiting["state"]["job_state"]) == (0, None, "queued")
    ahead = waiting["state"]["queue_position"]
    assert asked(mine, job_id=third.job.id)["state"]["queue_position"] == ahead + 1
    assert asked(mine, id_task="task(first)")["progress"] == 0.25

    nobody = asked({"X-Client-ID": "nobody"})
    assert (nobody["progress"], nobody["state"]["job_count"], nobody["state"]["job_id"]) == (0, 0, None)
    assert studio.post("interrupt", headers={"X-Client-ID": "nobody"}).json() == {}
    assert {jobs.get(sent.job.id).state for sent in (first, second, third)} == {JobState.RUNNING, JobState.QUEUED}  # type: ignore[union-attr]

    assert "several pictures" in refused(studio.post("skip", headers=theirs), 409).detail
    assert studio.post("skip", headers=mine).json() == {}
    assert "cancelled" in refused(second.answer.result(timeout=30), 410).detail
    assert studio.post("interrupt", params={"id_task": third.job.id}).json() == {}
    refused(third.answer.result(timeout=30), 410)

    first.paint(0, PHOTO)
    assert studio.post("interrupt", headers=theirs).json() == {}
    assert len(first.answered()["images"]) == 1, "what was made before the interrupt"
    assert asked(theirs)["state"]["job_count"] == 0
    ended = asked(mine, id_task="task(first)")
    assert (ended["state"]["interrupted"], ended["progress"], ended["state"]["job_count"]) == (True, 1, 0)


def test_a_session_is_known_by_its_cookie_and_others_by_address_and_credentials(studio: Studio) -> None:
    """Sessions keep cookies, as webuiapi's; requests of their own do not, as curl's."""
    url, jobs = f"{studio.gateway.http.base_url}/sdapi/v1", studio.gateway.jobs

    def job_of(asked: httpx.Response) -> str | None:
        found: str | None = asked.json()["state"]["job_id"]
        return found

    with httpx.Client() as mine, httpx.Client() as theirs:
        for session in (mine, theirs):
            assert "framesense-client" in session.get(f"{url}/scripts").cookies
            assert "framesense-client" not in session.get(f"{url}/scripts").cookies, "once"
        cookies = {"cookie": f"framesense-client={mine.cookies['framesense-client']}"}
        session_job = studio.sent("img2img", VALID, headers=cookies)
        assert job_of(mine.get(f"{url}/progress")) == session_job.job.id
        assert job_of(theirs.get(f"{url}/progress")) is None
        assert job_of(httpx.get(f"{url}/progress")) is None, "another program of the same address"

        studio.gateway.http.cookies.clear()
        secret = studio.sent("img2img", VALID, auth=("me", "secret"))
        plain = studio.sent("img2img", VALID)
        assert job_of(httpx.get(f"{url}/progress")) == plain.job.id
        assert job_of(httpx.get(f"{url}/progress", auth=("me", "secret"))) == secret.job.id
        assert job_of(theirs.get(f"{url}/progress")) == plain.job.id, "sent without its cookies, as asyncio clients do"
        assert job_of(mine.get(f"{url}/progress")) == session_job.job.id

        httpx.post(f"{url}/interrupt", auth=("me", "secret"))
        refused(secret.answer.result(timeout=30), 410)
        states = {sent.job.id: jobs.get(sent.job.id).state for sent in (plain, session_job)}  # type: ignore[union-attr]
        assert set(states.values()) == {JobState.QUEUED}
        mine.post(f"{url}/interrupt")
        refused(session_job.answer.result(timeout=30), 410)
        httpx.post(f"{url}/interrupt")
        refused(plain.answer.result(timeout=30), 410)


def test_a_tasks_name_is_taken_while_it_is_unfinished(studio: Studio) -> None:
    named = {**VALID, "force_task_id": "task(x)"}
    sent = studio.sent("img2img", named)
    assert sent.job.id in refused(studio.post("img2img", named), 409).detail
    assert len(studio.jobs()) == 1
    sent.started().paint(0, PHOTO)
    sent.finished()
    again = studio.sent("img2img", named)
    assert studio.get("progress", id_task="task(x)")["state"]["job_id"] == again.job.id
    studio.gateway.jobs.cancel(again.job.id)
    refused(again.answer.result(timeout=30), 410)


def test_progress_of_a_task_as_that_servers_page_asks_for_it(studio: Studio) -> None:
    def asked(**body: Any) -> Any:
        answer = studio.gateway.http.post("/internal/progress", json={"id_task": "task(y)", **body})
        assert answer.status_code == 200, answer.text
        return answer.json()

    unknown = asked()
    assert (unknown["active"], unknown["queued"], unknown["completed"]) == (False, False, False)
    sent = studio.sent("img2img", {**VALID, "force_task_id": "task(y)"})
    assert asked()["queued"]
    sent.started()
    studio.gateway.jobs.progress(sent.job.id, Progress(done=5, total=10))
    studio.gateway.jobs.show(sent.job.id, encoded(file(PHOTO, "JPEG")))
    active = asked()
    assert (active["active"], active["progress"]) == (True, 0.5)
    assert active["live_preview"].startswith("data:image/jpeg;base64,")
    assert asked(live_preview=False)["live_preview"] is None
    sent.paint(0, PHOTO)
    sent.finished()
    assert asked()["completed"]


def test_an_unknown_task(studio: Studio) -> None:
    for path in ("interrupt", "skip"):
        refused(studio.post(path, params={"id_task": "task(z)"}), 404)
    refused(studio.gateway.http.get("/sdapi/v1/progress", params={"job_id": "0"}), 404)
    assert studio.get("progress", id_task="task(z)")["textinfo"] == "Waiting...", "it may be on its way"
    video = studio.gateway.submit(MP4)
    refused(studio.post("interrupt", params={"job_id": video.id}), 404)
    assert studio.gateway.jobs.get(video.id).state is JobState.QUEUED  # type: ignore[union-attr]


def test_who_hangs_up_cancels(studio: Studio) -> None:
    with ThreadPoolExecutor(1) as pool:

        def hang_up() -> None:
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{studio.gateway.http.base_url}/sdapi/v1/img2img", json=VALID, timeout=3)

        hung = pool.submit(hang_up)
        wait_until(lambda: len(studio.jobs()) == 1)
        hung.result()
    wait_until(lambda: studio.jobs()[0].state is JobState.CANCELLED)


def test_a_failed_job_says_why(studio: Studio) -> None:
    sent = studio.sent("img2img", VALID).started()
    studio.gateway.jobs.fail(sent.job.id, Problem(title="Broken", status=422, detail="The paint is dry."))
    assert refused(sent.answer.result(timeout=30), 422).detail == "The paint is dry."
