"""What is told of a model that could not be had: always with what to do."""

import errno

import pytest
import torch
from httpx2 import Request, Response
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from framesense.models.errors import blames_name, explain

NAME = "hf:org/model@v1"


def answered(kind: type[RepositoryNotFoundError], status: int) -> Exception:
    return kind("told by the hub", response=Response(status, request=Request("GET", "https://huggingface.co")))


def wrapped(error: Exception) -> Exception:
    """As transformers does it."""
    try:
        try:
            raise error
        except Exception as cause:
            raise OSError("org/model is not a local folder and is not a valid model identifier") from cause
    except OSError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "words", "the_name"),
    [
        (answered(RepositoryNotFoundError, 401), "Check the name", True),
        (answered(GatedRepoError, 403), "https://huggingface.co/org/model", True),
        (answered(RevisionNotFoundError, 404), "no such revision", True),  # type: ignore[arg-type]
        (LocalEntryNotFoundError("not cached"), "make models MODELS=hf:org/model@v1", False),
        (OfflineModeIsEnabled("offline"), "docker compose run --rm -e MODELS=hf:org/model@v1 models", False),
        (ConnectionError("refused"), "HTTPS_PROXY", False),
        (OSError(errno.ENOSPC, "No space left on device"), "Make room", False),
        (torch.OutOfMemoryError("CUDA out of memory"), "MODEL_SWITCH=unload-first", False),
    ],
)
def test_the_reason_and_the_remedy(error: Exception, words: str, the_name: bool) -> None:
    for told in (error, wrapped(error)):
        assert words in explain(told, NAME)
        assert blames_name(told, NAME) is the_name


def test_what_is_not_known_is_told_as_it_is() -> None:
    assert explain(RuntimeError("shapes differ"), NAME) == "RuntimeError: shapes differ"
    assert blames_name(ValueError("no such family"), NAME)
    assert blames_name(OSError("no weights in it"), "path:/a/folder")
    assert not blames_name(OSError("read error"), NAME)
