"""Classifiers and label sets on disk, or wherever ``STORAGE_URL`` says: one blob each, by name."""

from __future__ import annotations

from framesense.http.problems import ProblemError
from framesense.storage.blobs import Storage
from tagger.labels.validation import check_name


class NamedBlobs:
    """Keep blobs under ``prefix``, each with a name that a person gave it.

    Args:
        suffix: of the files, such as ``.json``.
        what: how to call one in a refusal: "classifier".
        most: how many are kept.
    """

    def __init__(self, storage: Storage, prefix: str, suffix: str, *, what: str, most: int) -> None:
        self._storage, self._prefix, self._suffix, self._what, self._most = storage, prefix, suffix, what, most

    def names(self) -> list[str]:
        files = (key.rsplit("/", 1)[-1] for key in self._storage.list(self._prefix))
        return [file.removesuffix(self._suffix) for file in files if file.endswith(self._suffix)]

    def read(self, name: str) -> bytes:
        """Read the blob of a name; raises ProblemError 404 where there is none."""
        try:
            return self._storage.read(self._key(name))
        except FileNotFoundError as error:
            detail = f"There is no {self._what} named {name!r}. {self._known()}"
            raise ProblemError(404, f"no-such-{self._what.replace(' ', '-')}", "Not found", detail) from error

    def create(self, name: str, content: bytes) -> None:
        """Store a blob; raises ProblemError 409 for a name that is taken or a store that is full."""
        if self._storage.exists(self._key(name)):
            detail = f"There is a {self._what} named {name!r} already. Delete it first, or take another name."
            raise ProblemError(409, "name-taken", "Name taken", detail)
        if len(self.names()) >= self._most:
            detail = f"{self._most} are kept and there is no room for another {self._what}. Delete one first."
            raise ProblemError(409, "store-full", "No room", detail)
        self.write(name, content)

    def write(self, name: str, content: bytes) -> None:
        self._storage.write(self._key(name), content)

    def delete(self, name: str) -> None:
        """Delete the blob of a name; raises ProblemError 404 where there is none."""
        self.read(name)
        self._storage.delete(self._key(name))

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{check_name(name)}{self._suffix}"

    def _known(self) -> str:
        names = self.names()
        return f"There are: {', '.join(names[:20])}." if names else "There is none yet."
