"""One model throughout: what a job makes is of the models that answered when it began.

Where a model server changes its model meanwhile, the job begins again with the new one
(:class:`worker.jobs.task.JobTask`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from framesense.http.problems import ProblemError
from framesense.schemas.models import ModelInfo

MAX_MODEL_CHANGES = 3
"""How often a job begins again before it is given up: a server that is switched more often than that in one job is at
odds with itself, such as two of different models behind one address."""


class ModelChanged(Exception):  # noqa: N818 - no error as long as the job may begin again
    """A model server answered with another model than the one that the job began with."""

    def __init__(self, answering: ModelInfo, expected: ModelInfo) -> None:
        self.answering, self.expected = answering, expected
        super().__init__(f"the {answering.service} changed its model from {_named(expected)} to {_named(answering)}")

    @property
    def announcement(self) -> str:
        """Tell the job's owner that the job begins again."""
        return f"the {self.answering.service} changed its model: starting again with {self.answering.name}"

    @property
    def reason(self) -> str:
        """Tell the job's owner why work is repeated, for as long as it is."""
        return f"again: the {self.answering.service} changed its model to {self.answering.name}"

    def problem(self, times: int) -> ProblemError:
        """Describe to the job's owner why it was given up after ``times`` changes of the model."""
        detail = (
            f"The models changed {times} times during this job; the last time {self}. A job needs the same models from "
            "beginning to end: once they stay, submit it again."
        )
        return ProblemError(503, "model-changed", "Model changed", detail)


def is_same_model(one: ModelInfo, other: ModelInfo) -> bool:
    """Tell whether two models have the same weights, wherever they are loaded."""
    return (one.name, one.revision) == (other.name, other.revision)


def require_same_model(answering: ModelInfo, expected: ModelInfo) -> None:
    """Raise ModelChanged where another model answers than the one asked before."""
    if not is_same_model(answering, expected):
        raise ModelChanged(answering, expected)


@contextmanager
def changes_explain_refusals(model: Callable[[], ModelInfo], expected: ModelInfo) -> Iterator[None]:
    """Raise ModelChanged in place of a ProblemError where another model answers by now, as ``model`` finds out.

    A model is asked for what it can do: another may have to refuse it.
    """
    try:
        yield
    except ProblemError:
        require_same_model(model(), expected)
        raise


def _named(model: ModelInfo) -> str:
    return f"{model.name} ({model.revision})"
