"""Store the photos and the results of edit jobs as blobs, by the job's id.

Every picture is stored as soon as it is made, its description last, so that a worker that takes over finds what the one
before it finished. Layout under the blob store::

    edits/{job}/photos/{photo}                  as they were uploaded
    edits/{job}/mask                            as it was uploaded
    edits/{job}/image-000.png                   with the parameters in its metadata
    edits/{job}/change-000.png, mask-000.png    where there is one
    edits/{job}/thumbnail-000.jpg
    edits/{job}/image-000.json                  an EditedImage: its presence says that the picture is whole
    edits/{job}/contact-sheet.png               of a series
    edits/{job}/result.json                     written last
"""

from dataclasses import dataclass
from enum import StrEnum

from framesense.schemas.edits import EditedImage, EditResult
from framesense.storage.blobs import Storage


class PictureKind(StrEnum):
    """A kind of picture that an edit makes."""

    IMAGE = "image"
    CHANGE = "change"
    """Its change map: white where it changed most."""
    MASK = "mask"
    """Where it was to change: white."""


@dataclass(frozen=True)
class FinishedPicture:
    """One finished picture: its description, its files as PNG, and a small JPEG of it."""

    image: EditedImage
    png: bytes
    thumbnail: bytes
    change_map: bytes | None = None
    mask: bytes | None = None


class EditStore:
    """Reads and writes the blobs of edit jobs. Writing a picture twice leaves it as it was."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def add_photo(self, job_id: str, index: int, content: bytes) -> None:
        self._storage.write(_photo_key(job_id, index), content)

    def photo(self, job_id: str, index: int) -> bytes:
        """Return the file as it was uploaded. Raises FileNotFoundError."""
        return self._storage.read(_photo_key(job_id, index))

    def add_mask(self, job_id: str, content: bytes) -> None:
        self._storage.write(f"{edit_prefix(job_id)}/mask", content)

    def mask(self, job_id: str) -> bytes:
        """Return the file as it was uploaded. Raises FileNotFoundError."""
        return self._storage.read(f"{edit_prefix(job_id)}/mask")

    def append(self, job_id: str, finished: FinishedPicture) -> None:
        """Store a finished picture under its index; its description last."""
        files = {
            PictureKind.IMAGE: finished.png,
            PictureKind.CHANGE: finished.change_map,
            PictureKind.MASK: finished.mask,
        }
        for picture, png in files.items():
            if png is not None:
                self._storage.write(_png_key(job_id, picture, finished.image.index), png)
        self._storage.write(_thumbnail_key(job_id, finished.image.index), finished.thumbnail)
        self._storage.write(_description_key(job_id, finished.image.index), finished.image.model_dump_json().encode())

    def images(self, job_id: str) -> list[EditedImage]:
        """Return the descriptions of the pictures finished so far, from the first on without a gap."""
        found: list[EditedImage] = []
        while True:
            try:
                description = self._storage.read(_description_key(job_id, len(found)))
            except FileNotFoundError:
                return found
            found.append(EditedImage.model_validate_json(description))

    def has(self, job_id: str, picture: PictureKind, index: int) -> bool:
        return self._storage.exists(_png_key(job_id, picture, index))

    def png(self, job_id: str, picture: PictureKind, index: int) -> bytes:
        """Return a picture as PNG. Raises FileNotFoundError for one that is not finished, or does not exist."""
        if not self._storage.exists(_description_key(job_id, index)):
            raise FileNotFoundError(_description_key(job_id, index))
        return self._storage.read(_png_key(job_id, picture, index))

    def thumbnail(self, job_id: str, index: int) -> bytes:
        """Return a small copy of a picture as JPEG. Raises FileNotFoundError."""
        return self._storage.read(_thumbnail_key(job_id, index))

    def finish(self, job_id: str, result: EditResult, contact_sheet: bytes | None) -> None:
        if contact_sheet is not None:
            self._storage.write(f"{edit_prefix(job_id)}/contact-sheet.png", contact_sheet)
        self._storage.write(f"{edit_prefix(job_id)}/result.json", result.model_dump_json().encode())

    def load(self, job_id: str) -> EditResult | None:
        """Return the result, or None while the edit is not finished."""
        try:
            return EditResult.model_validate_json(self._storage.read(f"{edit_prefix(job_id)}/result.json"))
        except FileNotFoundError:
            return None

    def delete(self, job_id: str) -> None:
        self._storage.delete(edit_prefix(job_id))

    def contact_sheet(self, job_id: str) -> bytes:
        """Return the contact sheet as PNG. Raises FileNotFoundError."""
        return self._storage.read(f"{edit_prefix(job_id)}/contact-sheet.png")


EDITS = "edits"
"""The prefix under which each edit job has one of its own."""


def edit_prefix(job_id: str) -> str:
    """Return the prefix under which everything of an edit job is stored."""
    return f"{EDITS}/{job_id}"


def _photo_key(job_id: str, index: int) -> str:
    return f"{edit_prefix(job_id)}/photos/{index:03d}"


def _png_key(job_id: str, picture: PictureKind, index: int) -> str:
    return f"{edit_prefix(job_id)}/{picture}-{index:03d}.png"


def _description_key(job_id: str, index: int) -> str:
    return f"{edit_prefix(job_id)}/image-{index:03d}.json"


def _thumbnail_key(job_id: str, index: int) -> str:
    return f"{edit_prefix(job_id)}/thumbnail-{index:03d}.jpg"
