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
        (b"\xff\xfe\x00", None, "two columns"),
        (b'image,hotel\n"1,a\n', None, "not a CSV file"),
        (b"number,hotel\n1,2\n2,1\n", None, "could both name the photos. Which one does? Call it 'photo'"),
        (b"photo,file,hotel\n1.jpg,2.jpg,a\n", "hotel", "'photo', 'file' could both name"),
        (b"photo,hotel\n1,a\n1.jpg,b\n", None, "in 'a' and in 'b'"),
        (b"photo,hotel\nsame.jpg,a\n", None, "'same.jpg' is the name of 'x/same.jpg', 'y/same.jpg'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(table: bytes | None, column: str | None, said: str) -> None:
    with pytest.raises(ProblemError) as refused:
        _groups(
            {
                **dict.fromkeys(("1.jpg", "2.jpg", "x/same.jpg", "y/same.jpg"), b""),
                **({} if table is None else {"groups.csv": table}),
            },
            column,
        )
    assert refused.value.status == 422
    assert said in refused.value.detail


def test_the_zip_of_a_test_is_grouped() -> None:
    found = _groups(grouped_photos({"hotel 1": ["red"], "hotel 2": ["blue"]}))
    assert found is not None
    assert set(found[1].values()) == {"hotel 1", "hotel 2"}


PHOTOS = dict.fromkeys((f"{n}.jpg" for n in range(1, 5)), b"")
GROUPED = {"1.jpg": "1", "2.jpg": "2", "3.jpg": "1", "4.jpg": "2"}
ROWS = [("1", "1.jpg"), ("2", "2.jpg"), ("1", "3.jpg"), ("2", "4.jpg")]


@pytest.mark.parametrize("photo", ["photo", "Photo", "Image ID", "FILE", "file-name", "bild"])
@pytest.mark.parametrize("photo_first", [True, False])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("begins", ["", "\ufeff", "sep={}\r\n"])
def test_hotels_that_are_called_like_photos(photo: str, photo_first: bool, separator: str, begins: str) -> None:
    rows = [("hotel", photo), *ROWS]
    lines = [separator.join(reversed(row) if photo_first else row) for row in rows]
    table = begins.format(separator) + "\r\n".join(lines)
    assert _groups(PHOTOS | {"groups.csv": table.encode()}) == ("column 'hotel' of groups.csv", GROUPED)


def test_numbers_alone_count_as_photos_under_their_header() -> None:
    table = "hotel,image_id\n" + "\n".join(f"{hotel},{photo[0]}" for hotel, photo in ROWS)
    assert _groups(PHOTOS | {"groups.csv": table.encode()}) == ("column 'hotel' of groups.csv", GROUPED)
    chosen = _groups(PHOTOS | {"groups.csv": table.replace("image_id", "number").encode()}, "hotel")
    assert chosen == ("column 'hotel' of groups.csv", GROUPED)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251", "cp866"])
def test_tables_of_russian_spreadsheets(encoding: str) -> None:
    table = "фото;гостиница\r\nкухня.jpg;Север, центр\r\nВид №2.jpg;Южная\r\n".encode(encoding)
    found = _groups({"кухня.jpg": b"", "Вид №2.jpg": b"", "groups.csv": table})
    expected = {"кухня.jpg": "Север, центр", "Вид №2.jpg": "Южная"}
    assert found == ("column 'гостиница' of groups.csv", expected)


def test_names_match_whatever_their_case_form_and_slashes() -> None:
    table = "photo,hotel\nKITCHEN\\1.JPG,a\n./kitchen/2.jpg,b\nKu\u0308che,c\n".encode()
    files = {"set/kitchen/1.jpg": b"", "set/kitchen/2.jpg": b"", "set/K\u00fcche.jpg": b"", "set/Groups.CSV": table}
    found = _groups(files)
    assert found is not None
    assert list(found[1].values()) == ["c", "a", "b"]


def test_what_a_table_leaves_open_is_said() -> None:
    files = PHOTOS | {"groups.csv": b"photo,hotel\n1.jpg,a\n2.jpg,a\n3.jpg,\n9.jpg,b\n"}
    with photo_archive(zipped(files)) as archive:
        grouping = read_grouping(archive, None)
    assert grouping is not None
    assert grouping.warnings == [
        "groups.csv names what is no photo of the zip: '9.jpg'.",
        "groups.csv gives 2 of the photos no group.",
    ]
