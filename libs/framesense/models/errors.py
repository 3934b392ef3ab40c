"""Why a model could not be had, in words that say what to do: for the log, /ready, /models and the UI alike.

What the hub's client and transformers raise says what happened inside them; a person wants to know whether the name is
wrong, a licence must be accepted, the disk is full or there is no network.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

FETCH = "make models MODELS={name} (in containers: docker compose run --rm -e MODELS={name} models)"
"""How a model is fetched beforehand."""


def explain(error: BaseException, name: str) -> str:
    """Say why the model called ``name`` could not be loaded or fetched, and the remedy where one is known."""
    kinds = {kind.__name__ for link in _chain(error) for kind in type(link).__mro__}
    repository = name.removeprefix("hf:").split("@")[0]
    if any(isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT) for link in _chain(error)):
        return f"the disk is full. Make room where the model cache is (HF_HOME), then fetch it again: {_fetch(name)}"
    if any(is_out_of_memory(link) for link in _chain(error)):
        return (
            "there is not enough memory for it. Take a smaller one, stop what else uses this device, or, if it is to "
            "take another model's place, set MODEL_SWITCH=unload-first"
        )
    if "GatedRepoError" in kinds:
        return (
            f"{repository} is gated: its owner asks for a licence to be accepted. Accept it at "
            f"https://huggingface.co/{repository} with your account, put a token of that account into HF_TOKEN (see "
            f"https://huggingface.co/settings/tokens), then {_fetch(name)}"
        )
    if "RevisionNotFoundError" in kinds:
        return f"{repository} has no such revision. Check the part after @ in {name}"
    if "RepositoryNotFoundError" in kinds:
        return (
            f"the hub knows no {repository} that is open to everyone (401/404). Check the name; for a private one put "
            f"an access token into HF_TOKEN"
        )
    if kinds & {"OfflineModeIsEnabled", "LocalEntryNotFoundError"} or "offline mode" in str(error):
        return (
            f"it is not in the model cache, and the hub is not asked (offline) or cannot be reached. Where there is a "
            f"network: {_fetch(name)}. Without one, copy its folder here and use path:FOLDER"
        )
    if kinds & {"ConnectionError", "ConnectError", "ConnectTimeout", "ReadTimeout", "NetworkError"}:
        return (
            f"the hub cannot be reached ({_first_line(error)}). Check the network, HTTPS_PROXY and HF_ENDPOINT; then "
            f"{_fetch(name)}. Without a network, copy its folder here and use path:FOLDER"
        )
    if "couldn't connect to" in str(error).lower() or "We couldn't connect" in str(error):
        return f"it is not in the model cache, and the hub cannot be reached. Where there is a network: {_fetch(name)}"
    return f"{type(error).__name__}: {error}"


def blames_name(error: BaseException, name: str) -> bool:
    """Tell whether another name, or an account, is needed rather than another try.

    It is where the name is wrong, its folder holds something else, or its licence was not accepted.
    """
    kinds = {kind.__name__ for link in _chain(error) for kind in type(link).__mro__}
    if kinds & {"RepositoryNotFoundError", "RevisionNotFoundError", "RemoteEntryNotFoundError"}:
        return True
    if name.startswith("path:") and isinstance(error, OSError):
        return True
    return isinstance(error, ValueError | FileNotFoundError) and "LocalEntryNotFoundError" not in kinds


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether memory was short: on a GPU (torch.OutOfMemoryError) or of the machine."""
    if isinstance(error, MemoryError) or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    # The CPU allocator and CUDA libraries say so in a plain RuntimeError.
    words = ("can't allocate memory", "not enough memory", "CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def _fetch(name: str) -> str:
    return FETCH.format(name=name)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and those that led to it, nearest first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
