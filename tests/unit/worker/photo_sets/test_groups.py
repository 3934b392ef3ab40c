"""The groups of a photo set: its sub-folders, or a table's column."""

import pytest

from framesense.http.problems import ProblemError
from tests.support.photo_archives import photo_archive
from tests.support.photos import grouped_photos, zipped
from worker.photo_sets.groups import read_grouping


def _groups(files: dict[str, bytes], column: str | None = None) -> tuple[str, dict[str, str | None]] | None:
    with photo_archive(zipped(files)) as archive:
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


def test_the_zip_of_a_test_is_grouped() -> None:
    found = _groups(grouped_photos({"hotel 1": ["red"], "hotel 2": ["blue"]}))
    assert found is not None
    assert set(found[1].values()) == {"hotel 1", "hotel 2"}
