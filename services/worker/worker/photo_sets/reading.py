"""A zip of photos → batches to tag, decoded and measured; what cannot be read is passed over, and told."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import ExifTags, Image

from framesense.http.problems import ProblemError
from framesense.media.archives import ArchivedImage, EntryError, PhotoArchive
from framesense.media.images import RGB, ImageLimits, decode_image, shrink
from framesense.schemas.photo_sets import SkippedFile
from framesense.storage.photo_sets import PhotoFile
from worker.settings import WorkerSettings
from worker.thumbnails import write_thumbnail

_SIDEWAYS = {5, 6, 7, 8}
"""EXIF orientations that swap width and height."""


@dataclass(frozen=True)
class ReadPhoto:
    file: PhotoFile
    picture: RGB
    """For the tagger: shrunk, its sides at least ``worker_photo_side`` where the photo's are."""
    thumbnail: bytes


@dataclass
class Batch:
    """Consecutive entries of the zip, from ``first`` on."""

    first: int
    photos: list[ReadPhoto] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)

    @property
    def entries(self) -> int:
        return len(self.photos) + len(self.skipped)


def read_batches(archive: PhotoArchive, settings: WorkerSettings, *, start: int) -> Iterator[Batch]:
    """Yield the entries of an archive in batches, from number ``start`` on.

    Every batch holds a photo; what is skipped goes with the photos before it. Raises ProblemError once the archive
    unpacks to more than it may.
    """
    batch = Batch(start)
    for entry in range(start, len(archive)):
        try:
            photo = read_photo(archive.read(entry), settings)
        except EntryError as error:
            batch.skipped.append(SkippedFile(path=str(archive.paths[entry]), reason=error.detail))
            continue
        if len(batch.photos) == settings.worker_photo_batch:
            yield batch
            batch = Batch(entry)
        batch.photos.append(photo)
    if batch.photos:
        yield batch


def read_photo(image: ArchivedImage, settings: WorkerSettings) -> ReadPhoto:
    """Decode and measure a photo; raises EntryError for what is no image, or one over the limits."""
    limits, path = ImageLimits(settings.max_image_bytes, settings.max_image_pixels), str(image.path)
    try:
        picture = decode_image(image.content, limits, name=path, least_side=settings.worker_photo_side)
    except ProblemError as error:
        raise EntryError(error.status, error.slug, error.title, error.detail) from error
    width, height = _upright_size(image.content)
    return ReadPhoto(
        file=PhotoFile(
            path=path,
            width=width,
            height=height,
            bytes=len(image.content),
            sha256=hashlib.sha256(image.content).hexdigest(),
        ),
        picture=shrink(picture, settings.worker_photo_side),
        thumbnail=write_thumbnail(picture, settings),
    )


def _upright_size(content: bytes) -> tuple[int, int]:
    """Return the width and height of the file's picture, upright, before any shrinking."""
    with Image.open(io.BytesIO(content)) as image:
        try:
            sideways = image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
        except Exception:  # as in decode_image: unreadable metadata say nothing about the orientation
            sideways = False
        return image.size[::-1] if sideways else image.size
