"""Report how far an edit is, in steps of all its pictures, whose number is only estimated until they run."""

import time
from collections.abc import Sequence

from framesense.edits.rules import schedule_steps, steps_taken
from framesense.jobs.store import JobStore
from framesense.schemas.edits import EditorCapabilities, EditParameters, StepEvent, Task
from framesense.schemas.jobs import Progress


def expected_steps(parameters: EditParameters, abilities: EditorCapabilities) -> int:
    """Return how many steps one picture is expected to take."""
    if parameters.task.restores:
        return 1
    steps = parameters.steps or abilities.default_steps
    if parameters.task is Task.GENERATE:
        return steps
    return steps_taken(schedule_steps(steps, parameters.strength), parameters.strength)


class ProgressReporter:
    """Reports a job's progress and shows its previews.

    Args:
        expected: steps of every picture, in order. Where one takes another number of steps, its share stays the same.
        interval: least seconds between two reports of steps; a finished picture is always reported.
    """

    def __init__(self, jobs: JobStore, job_id: str, expected: Sequence[int], *, interval: float) -> None:
        self._jobs, self._job_id, self._expected, self._interval = jobs, job_id, list(expected), interval
        self._reported_at = float("-inf")

    def picture(self, finished: int) -> None:
        """Report that so many pictures are finished."""
        total = len(self._expected)
        message = f"picture {finished + 1} of {total}" if finished < total else f"{total} of {total} pictures"
        self._report(sum(self._expected[:finished]), message)

    def step(self, finished: int, event: StepEvent) -> None:
        """Report a step of the picture after so many finished ones."""
        if event.preview is not None:
            self._jobs.show(self._job_id, event.preview)
        now = time.monotonic()
        if now - self._reported_at < self._interval or finished >= len(self._expected):
            return
        share = self._expected[finished] * min(1.0, event.step / event.steps)
        message = f"picture {finished + 1} of {len(self._expected)}, step {event.step} of {event.steps}"
        self._report(sum(self._expected[:finished]) + int(share), message)

    def _report(self, done: int, message: str) -> None:
        self._reported_at = time.monotonic()
        self._jobs.progress(self._job_id, Progress(done=done, total=sum(self._expected), message=message))
