"""Named references: normal footage, as the patches that cover it best, in the blob store.

``references/{name}.json`` tells what it is, ``references/{name}-{revision}.npz`` holds the patches and how they move
(``.npy`` and the patches alone, where the release before made it).
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import uuid4

import numpy as np

from framesense.http.problems import ProblemError
from framesense.novelty.normal_footage import NormalFootage
from framesense.schemas.references import NewReference, Reference, ReferenceList, TimeRange
from framesense.storage.analyses import AnalysisStore
from framesense.storage.blobs import Storage
from gateway.videos.analysed import Analysed

_FOLDER = "references"
_ENDING, _FORMER_ENDING = _ENDINGS = ".npz", ".npy"
ORPHAN_GRACE = timedelta(hours=1)
"""Patches are written before the document that names them."""
FARTHEST_OF_ONE = 0.8
"""What stands for the spread of a reference of one frame."""
MOST_FRAMES = 512
"""Frames of a reference: longer footage is thinned evenly, so that making one takes seconds."""


class References:
    """Blocking."""

    def __init__(self, storage: Storage, *, limit: int) -> None:
        """Keep references in a store, at most ``limit`` of them."""
        self._storage, self._limit = storage, limit
        self._patches = lru_cache(maxsize=8)(self._read_patches)

    def create(self, new: NewReference, analysed: Analysed, analyses: AnalysisStore) -> Reference:
        """Create a reference, in the place of one of the same name.

        Raises ProblemError: 422 where no frame is in the ranges, 409 where the job has no patches or there are too many
        references.
        """
        kept = self.list().references
        replaced = [reference for reference in kept if reference.name == new.name]
        if len(kept) >= self._limit and not replaced:
            detail = f"There are {len(kept)} references, the most that are kept. Delete one first."
            raise ProblemError(409, "too-many-references", "Too many references", detail)
        indices = _indices(analysed, new.ranges)
        every = -(-len(indices) // MOST_FRAMES)
        wanted = set(indices[::every])
        both = analyses.patches_and_motion(analysed.key)
        chosen = [frame for index, frame in enumerate(both) if index in wanted]
        if not chosen:
            detail = f"Job {analysed.job.id} has no patch descriptors: its captioner gives none."
            raise ProblemError(409, "signal-not-stored", "Signal not stored", detail)
        footage = NormalFootage.build([looks for looks, _ in chosen], [motion for _, motion in chosen])
        within = footage.own
        reference = Reference(
            **new.model_dump(),
            usual_distance=float(np.median(within)) if len(within) else 0.0,
            farthest_distance=float(within.max()) if len(within) else FARTHEST_OF_ONE,
            created_at=datetime.now(UTC),
            revision=uuid4().hex[:12],
            frames=len(indices),
            video=analysed.job.name,
        )
        self._storage.write(_patches_key(reference.name, reference.revision), footage.to_bytes())
        self._storage.write(_key(reference.name), reference.model_dump_json().encode())
        for former in replaced:
            self._delete_patches(former)
        return reference

    def get(self, name: str) -> Reference:
        """Describe a reference; raises ProblemError 404 where there is none of that name."""
        try:
            return Reference.model_validate_json(self._storage.read(_key(name)))
        except FileNotFoundError:
            known = ", ".join(reference.name for reference in self.list().references) or "none yet"
            detail = f"There is no reference {name!r}. There are: {known}. POST /references makes one."
            raise ProblemError(404, "unknown-reference", "Unknown reference", detail) from None

    def list(self) -> ReferenceList:
        documents = [key for key in self._storage.list(_FOLDER) if key.endswith(".json")]
        found = [Reference.model_validate(json.loads(self._storage.read(key))) for key in documents]
        return ReferenceList(references=sorted(found, key=lambda reference: reference.name))

    def delete(self, name: str) -> None:
        """Delete a reference; raises ProblemError 404 where there is none of that name."""
        reference = self.get(name)
        self._storage.delete(_key(name))
        self._delete_patches(reference)

    def delete_orphans(self) -> None:
        """Delete patches that no reference names, as a gateway that dies between two writes leaves them."""
        stored = {key for key in self._storage.list(_FOLDER) if key.endswith(_ENDINGS)}
        named = {_patches_key(one.name, one.revision, end) for one in self.list().references for end in _ENDINGS}
        for key in stored - named:
            written = self._storage.last_modified(key)
            if written is None or written < datetime.now(UTC) - ORPHAN_GRACE:
                self._storage.delete(key)

    def revision(self, name: str) -> str:
        """Return a reference's revision; raises ProblemError 404 where there is none of that name."""
        return self.get(name).revision

    def load(self, name: str) -> NormalFootage:
        """Load a reference's footage; raises ProblemError 404 where there is none of that name."""
        reference = self.get(name)
        return self._patches(reference.name, reference.revision)

    def _read_patches(self, name: str, revision: str) -> NormalFootage:
        try:
            data = self._storage.read(_patches_key(name, revision))
        except FileNotFoundError:
            data = self._storage.read(_patches_key(name, revision, _FORMER_ENDING))
        return NormalFootage.from_bytes(data)

    def _delete_patches(self, reference: Reference) -> None:
        for ending in _ENDINGS:
            self._storage.delete(_patches_key(reference.name, reference.revision, ending))


def _indices(analysed: Analysed, ranges: Sequence[TimeRange] | None) -> Sequence[int]:
    times = analysed.frames.times
    if ranges is None:
        return list(range(len(times)))
    inside = np.zeros(len(times), dtype=bool)
    for part in ranges:
        inside |= (times >= part.start) & (times <= part.end)
    if not inside.any():
        detail = f"No frame of the job lies in these ranges; its frames go from {times[0]:g} to {times[-1]:g} s."
        raise ProblemError(422, "empty-range", "Empty range", detail)
    return [int(index) for index in np.flatnonzero(inside)]


def _key(name: str) -> str:
    return f"{_FOLDER}/{name}.json"


def _patches_key(name: str, revision: str, ending: str = _ENDING) -> str:
    return f"{_FOLDER}/{name}-{revision}{ending}"
