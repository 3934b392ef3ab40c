"""Photo sets: zips of every kind, their groups, and the report and tables of a tagged one."""

import io
import stat
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image

from framesense.http.problems import ProblemError
from framesense.media.archives import ArchiveLimits, EntryError, PhotoArchive
from framesense.schemas.photo_sets import PhotoSetParameters, SkippedFile
from framesense.schemas.tags import ThresholdOn
from framesense.storage.blobs import Storage
from framesense.storage.photo_sets import PhotoFile, PhotoSetStore, Rule, Table, Tagged, tagging_key
from tests.support.colour_tagger import MODEL
from tests.support.photos import grouped_photos, photo, zipped
from worker.photo_sets.groups import read_grouping
from worker.photo_sets.reading import read_batches
from worker.photo_sets.report import PhotoSet, describe
from worker.photo_sets.tables import write_tables
from worker.settings import WorkerSettings

LIMITS = ArchiveLimits(max_images=10, max_bytes=1_000_000, max_image_bytes=200_000)


def _archive(content: bytes, limits: ArchiveLimits = LIMITS) -> PhotoArchive:
    return PhotoArchive(io.BytesIO(content), limits, name="photos.zip")


def _link() -> bytes:
    entry = zipfile.ZipInfo("link.jpg")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    return stream.getvalue()


def _lying_about_its_size() -> bytes:
    """An entry whose header promises ten bytes and that unpacks to far more."""
    content = zipped({"bomb.png": b"\0" * 5_000_000})
    size = (5_000_000).to_bytes(4, "little")
    return content.replace(size, (10).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("content", "status", "slug"),
    [
        (b"no zip at all", 415, "not-a-zip"),
        (zipped({"a.jpg": b"x"})[:-10], 415, "not-a-zip"),
        (zipped({}), 422, "no-images"),
        (zipped({"readme.txt": b"x"}), 422, "no-images"),
        (zipped({"../a.jpg": b"x"}), 422, "unsafe-path"),
        (zipped({"a/../../b.jpg": b"x"}), 422, "unsafe-path"),
        (zipped({"/etc/a.jpg": b"x"}), 422, "unsafe-path"),
        (zipped({"C:/a.jpg": b"x"}), 422, "unsafe-path"),
        (zipped({"..\\a.jpg": b"x"}), 422, "unsafe-path"),
        (_link(), 422, "unsafe-path"),
        (zipped({f"{n}.jpg": b"x" for n in range(11)}), 413, "too-many-images"),
        (zipped({"bomb.png": b"\0" * 5_000_000}), 413, "archive-too-large"),
    ],
)
def test_zips_that_are_refused_before_anything_is_unpacked(content: bytes, status: int, slug: str) -> None:
    with pytest.raises(ProblemError) as refused:
        _archive(content)
    assert (refused.value.status, refused.value.slug) == (status, slug)


def test_what_an_entry_really_unpacks_to_counts() -> None:
    with _archive(_lying_about_its_size()) as archive, pytest.raises(EntryError):
        archive.read(0)


def test_all_that_is_read_counts() -> None:
    content = zipped({"a.jpg": b"x" * 600, "b.jpg": b"x" * 600})
    with _archive(content, ArchiveLimits(10, 1200, 1000)) as archive:
        archive.read(0)
        archive.read(1)
        with pytest.raises(ProblemError) as refused:
            archive.read(0)
    assert refused.value.slug == "archive-too-large"


def test_files_of_operating_systems_are_passed_over_and_others_are_told() -> None:
    files = {"__MACOSX/a.jpg": b"", "b/.DS_Store": b"", "b/Thumbs.txt": b"t", "b/2.jpg": b"2", "b/1.PNG": b"1"}
    with _archive(zipped(files)) as archive:
        assert archive.paths == [PurePosixPath("b/1.PNG"), PurePosixPath("b/2.jpg")]
        assert archive.others == [PurePosixPath("b/Thumbs.txt")]
        assert archive.read(1).content == b"2"


def test_batches_skip_what_cannot_be_read_and_go_on_anywhere() -> None:
    files = {f"{n}.jpg": photo("red", n) for n in range(7)}
    files |= {"2.jpg": b"no image", "5.jpg": b"", "6.jpg": photo("red", 6)[:200]}
    settings = WorkerSettings(worker_photo_batch=2)
    with _archive(zipped(files)) as archive:
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
    with _archive(zipped({"a.jpg": stream.getvalue()})) as archive:
        (batch,) = read_batches(archive, WorkerSettings(worker_photo_side=300), start=0)
    (found,) = batch.photos
    assert (found.file.width, found.file.height) == (1200, 1600)
    assert found.picture.shape == (400, 300, 3)
    assert Image.open(io.BytesIO(found.thumbnail)).size == (300, 400)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_unreadable_metadata_cost_no_photo(exif: bytes) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(stream, "JPEG", exif=exif)
    with _archive(zipped({"a.jpg": stream.getvalue()})) as archive:
        (batch,) = read_batches(archive, WorkerSettings(), start=0)
    assert [(photo.file.width, photo.file.height) for photo in batch.photos] == [(60, 40)]


def _groups(files: dict[str, bytes], column: str | None = None) -> tuple[str, dict[str, str | None]] | None:
    with _archive(zipped(files)) as archive:
        grouping = read_grouping(archive, column)
        if grouping is None:
            return None
        return grouping.source, {str(path): grouping.of(str(path)) for path in archive.paths}


def test_sub_folders_are_groups_where_there_are_two() -> None:
    assert _groups({"a.jpg": b"", "b.jpg": b""}) is None
    assert _groups({"all/a.jpg": b"", "all/b.jpg": b""}) is None
    found = _groups({"all/x/a.jpg": b"", "all/y/1/b.jpg": b"", "all/c.jpg": b""})
    assert found == ("sub-folders", {"all/x/a.jpg": "x", "all/y/1/b.jpg": "y/1", "all/c.jpg": None})


def test_groups_of_a_table_win_and_photos_may_be_named_in_three_ways() -> None:
    table = "\ufeffimage_id,hotel_id,city\n1,h1,x\n2.jpg,h2,x\nb/3.jpg,h1,y\nnowhere,h9,z\n".encode()
    files = {"a/1.jpg": b"", "a/2.jpg": b"", "b/3.jpg": b"", "b/4.jpg": b"", "groups.csv": table}
    found = _groups(files, "hotel_id")
    assert found == (
        "column 'hotel_id' of groups.csv",
        {"a/1.jpg": "h1", "a/2.jpg": "h2", "b/3.jpg": "h1", "b/4.jpg": None},
    )


@pytest.mark.parametrize(
    ("table", "column", "said"),
    [
        (None, "hotel", "no groups.csv"),
        (b"image,hotel\n1,a\n", "city", "no column 'city'"),
        (b"image,hotel,city\n1,a,b\n", None, "group_column"),
        (b"image\n1\n", None, "two columns"),
        (b"", None, "two columns"),
        (b"image,hotel\n9,a\n", None, "names the photos"),
        (b"\xff\xfe\x00", None, "UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(table: bytes | None, column: str | None, said: str) -> None:
    with pytest.raises(ProblemError) as refused:
        _groups({"1.jpg": b"", **({} if table is None else {"groups.csv": table})}, column)
    assert refused.value.status == 422
    assert said in refused.value.detail


def _tagged(n: int, *, first: int = 0) -> Tagged:
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


def test_a_report_and_its_tables() -> None:
    tagged = _tagged(6)
    result = describe(PhotoSet("set.zip", tagged, PARAMETERS, None, [PurePosixPath("a.txt")]), max_clustered=100)
    assert result.report.photos == 6
    assert [file.path for file in result.report.skipped] == ["0.txt", "a.txt"]
    assert (result.report.exact_duplicates, result.report.near_duplicates) == (4, 0)
    assert result.report.vendi_score == pytest.approx(2)
    assert result.report.tags.per_photo.mean == 1.5
    assert [tag.label for tag in result.photos[0].tags] == ["=kitchen", "bed, big"]
    assert {one.clusters for one in result.report.clusterings} == {2}
    assert all(one.adjusted_rand is None for one in result.report.clusterings)

    tables = write_tables(result, tagged)
    parquet = pyarrow.parquet.read_table(io.BytesIO(tables[Table.PARQUET])).to_pylist()
    assert parquet[0]["tags"] == ["=kitchen", "bed, big"]
    assert parquet[0]["path"] == "=k0/0.jpg"
    assert parquet[1]["embedding"] == [0, 1, 0]
    assert parquet[2]["duplicate_of"] == 0
    sheet = pyarrow.csv.read_csv(io.BytesIO(tables[Table.CSV])).to_pylist()
    assert sheet[0]["tags"] == "'=kitchen|bed, big"
    assert sheet[0]["path"] == "'=k0/0.jpg"
    assert sheet[1]["cosine: bed, big"] == pytest.approx(0.3)
    assert len(sheet) == 6


def test_one_photo_has_a_report_too() -> None:
    result = describe(PhotoSet("one.zip", _tagged(1), PARAMETERS, None, []), max_clustered=100)
    assert result.report.clusterings == []
    assert result.photos[0].x is None
    assert any("Fewer than" in warning for warning in result.report.warnings)
    assert len(write_tables(result, _tagged(1))[Table.CSV].splitlines()) == 2


def test_of_many_photos_a_sample_is_clustered() -> None:
    result = describe(PhotoSet("many.zip", _tagged(30), PARAMETERS, None, []), max_clustered=11)
    assert sum(photo.x is not None for photo in result.photos) == 11
    assert sum(bool(photo.clusters) for photo in result.photos) == 11
    assert any("sample of 11 of 30" in warning for warning in result.report.warnings)


def test_chunks_go_on_where_they_end(tmp_path: Path) -> None:
    store = PhotoSetStore(Storage(str(tmp_path)))
    assert store.checkpoint("k") is None
    store.append("k", 0, 0, _tagged(2), [b"a", b"b"])
    store.append("k", 3, 2, _tagged(3, first=2), [b"c", b"d", b"e"])
    store.append("k", 99, 50, _tagged(1), [b"z"])
    found = store.checkpoint("k")
    assert found is not None
    assert (len(found), found.entries, len(found.skipped)) == (5, 7, 2)
    assert found.files[4].path == "=k0/4.jpg"
    assert store.thumbnail("k", 4) == b"e"
    assert store.load("k") is None
    result = describe(PhotoSet("x", found, PARAMETERS, None, []), max_clustered=10)
    store.finish("k", result, write_tables(result, found))
    assert store.load("k") == result
    store.delete("k")
    assert not store.is_whole("k")


def test_every_parameter_makes_another_tagging() -> None:
    def key(**changes: object) -> str:
        return tagging_key(sha256="s", parameters=PARAMETERS.model_copy(update=changes), model=MODEL)

    changes: list[dict[str, object]] = [
        {},
        {"labels": ["x"]},
        {"templates": ["b {label}"]},
        {"threshold": 0.3},
        {"top_k": 1},
        {"clusters": 3},
    ]
    assert len({key(**change) for change in changes}) == len(changes)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"labels": []},
        {"labels": ["a", " "]},
        {"labels": ["a", "a "]},
        {"labels": ["a"] * 1001},
        {"labels": ["a"], "label_set": "rooms"},
        {"labels": ["a"], "templates": ["no place"]},
        {"labels": ["a"], "threshold": float("nan")},
        {"labels": ["a"], "clusters": 1},
        {"labels": ["x" * 201]},
    ],
)
def test_parameters_that_make_no_sense(asked: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        PhotoSetParameters.model_validate(asked)


def test_the_zip_of_a_test_is_grouped() -> None:
    found = _groups(grouped_photos({"hotel 1": ["red"], "hotel 2": ["blue"]}))
    assert found is not None
    assert set(found[1].values()) == {"hotel 1", "hotel 2"}
