"""Archives that unpack to far more than they hold."""

import io

import pytest

from framesense.http.problems import ProblemError
from framesense.media.archives import ArchiveLimits, PhotoArchive, read_images
from tests.support.hostile_files import nested_zip, overlapping_zip

LIMITS = ArchiveLimits(max_images=20_000, max_bytes=500_000_000, max_image_bytes=32 * 1024**2)


def test_entries_that_overlap_count_each() -> None:
    with pytest.raises(ProblemError) as refused:
        PhotoArchive(io.BytesIO(overlapping_zip(1000, 10_000_000)), LIMITS)
    assert refused.value.slug == "archive-too-large"


def test_a_few_that_overlap_are_no_photos_of_their_own() -> None:
    with PhotoArchive(io.BytesIO(overlapping_zip(3, 1000)), LIMITS) as archive, pytest.raises(ProblemError) as refused:
        archive.read(1)
    assert refused.value.slug == "damaged-archive"


def test_a_zip_in_a_zip_stays_packed() -> None:
    content = nested_zip()
    assert [str(image.path) for image in read_images(io.BytesIO(content), LIMITS)] == ["a.png"]
    with PhotoArchive(io.BytesIO(content), LIMITS) as archive:
        assert [str(path) for path in archive.others] == ["more.zip"]
