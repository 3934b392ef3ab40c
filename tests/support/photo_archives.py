"""Archives of photos, and a set of them that is tagged."""

import io

import numpy as np

from framesense.media.archives import ArchiveLimits, PhotoArchive
from framesense.schemas.photo_sets import PhotoSetParameters, SkippedFile
from framesense.schemas.tags import ThresholdOn
from framesense.storage.photo_sets import PhotoFile, Rule, Tagged
from tests.support.colour_tagger import MODEL

LIMITS = ArchiveLimits(max_images=10, max_bytes=1_000_000, max_image_bytes=200_000)


def photo_archive(content: bytes, limits: ArchiveLimits = LIMITS) -> PhotoArchive:
    return PhotoArchive(io.BytesIO(content), limits, name="photos.zip")


def tagged_photos(n: int, *, first: int = 0) -> Tagged:
    """Photos in turn of two kinds, which point in two directions."""
    kinds = np.arange(first, first + n) % 2
    return Tagged(
        rule=Rule(threshold=0.25, threshold_on=ThresholdOn.COSINE, warnings=["beware"], model=MODEL),
        entries=n + 1,
        skipped=[SkippedFile(path=f"{first}.txt", reason="why")],
        files=[
            PhotoFile(path=f"=k{kind}/{index}.jpg", width=8, height=6, bytes=9, sha256=str(kind))
            for index, kind in enumerate(kinds, first)
        ],
        embeddings=np.eye(2, 3, dtype=np.float32)[kinds],
        cosine=np.array([[0.5, 0.1], [0.2, 0.3]], np.float32)[kinds],
        probability=np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)[kinds],
        tagged=np.array([[True, True], [False, True]])[kinds],
    )


PARAMETERS = PhotoSetParameters(labels=["=kitchen", "bed, big"], templates=["a {label}"])
