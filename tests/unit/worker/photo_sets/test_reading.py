"""Photos read from an archive in batches."""

import io

import pytest
from PIL import Image

from tests.support.photo_archives import photo_archive
from tests.support.photos import photo, zipped
from worker.photo_sets.reading import read_batches
from worker.settings import WorkerSettings


def test_batches_skip_what_cannot_be_read_and_go_on_anywhere() -> None:
    files = {f"{n}.jpg": photo("red", n) for n in range(7)}
    files |= {"2.jpg": b"no image", "5.jpg": b"", "6.jpg": photo("red", 6)[:200]}
    settings = WorkerSettings(worker_photo_batch=2)
    with photo_archive(zipped(files)) as archive:
        batches = list(read_batches(archive, settings, start=0))
        again = list(read_batches(archive, settings, start=batches[1].first))
    assert [(one.first, one.entries, len(one.photos)) for one in batches] == [(0, 3, 2), (3, 4, 2)]
    assert [file.path for one in batches for file in one.skipped] == ["2.jpg", "5.jpg", "6.jpg"]
    assert "empty" in batches[1].skipped[0].reason
    assert [one.photos[0].file.path for one in again] == ["3.jpg"]


def test_a_photos_size_is_told_upright_and_its_picture_shrunk() -> None:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1600, 1200), "red").save(stream, "JPEG", exif=exif)
    with photo_archive(zipped({"a.jpg": stream.getvalue()})) as archive:
        (batch,) = read_batches(archive, WorkerSettings(worker_photo_side=300), start=0)
    (found,) = batch.photos
    assert (found.file.width, found.file.height) == (1200, 1600)
    assert found.picture.shape == (400, 300, 3)
    assert Image.open(io.BytesIO(found.thumbnail)).size == (300, 400)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_unreadable_metadata_cost_no_photo(exif: bytes) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(stream, "JPEG", exif=exif)
    with photo_archive(zipped({"a.jpg": stream.getvalue()})) as archive:
        (batch,) = read_batches(archive, WorkerSettings(), start=0)
    assert [(photo.file.width, photo.file.height) for photo in batch.photos] == [(60, 40)]
