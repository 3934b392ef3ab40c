"""The worker's log tells which request a job came from, in words or as JSON."""

import json
from pathlib import Path

from framesense.jobs.payloads import VideoPayload
from tests.support.video_stack import VideoStack
from tests.support.videos import numbered_video


def test_the_log_of_a_job_carries_the_id_of_its_request(stack: VideoStack, tmp_path: Path) -> None:
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 8), queue=False)
    payload = stack.jobs.payload(job.id, VideoPayload)
    stack.jobs.save_payload(job.id, payload.model_copy(update={"request_id": "night-7"}))
    stack.enqueue(job)
    stack.start_worker(log_format="json")
    stack.finished(job)
    stack.wait_until(lambda: "succeeded after" in stack.logs)
    events = [json.loads(line) for line in stack.logs.splitlines() if line.startswith("{")]
    of_job = [event for event in events if job.id in event["message"]]
    assert [event["request_id"] for event in of_job] == ["night-7"] * len(of_job) and len(of_job) >= 2
    assert any(event["logger"].startswith("celery") and "request_id" not in event for event in events)
