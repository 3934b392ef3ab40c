"""The report and the tables of a tagged photo set."""

import codecs
import io
from pathlib import PurePosixPath

import pyarrow.csv
import pyarrow.parquet
import pytest

from framesense.storage.photo_sets import Table
from tests.support.photo_archives import PARAMETERS, tagged_photos
from worker.photo_sets.report import PhotoSet, describe
from worker.photo_sets.tables import write_tables


def test_a_report_and_its_tables() -> None:
    tagged = tagged_photos(6)
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
    assert tables[Table.CSV].startswith(codecs.BOM_UTF8)
    assert sheet[0]["tags"] == "'=kitchen|bed, big"
    assert sheet[0]["path"] == "'=k0/0.jpg"
    assert sheet[1]["cosine: bed, big"] == pytest.approx(0.3)
    assert len(sheet) == 6


def test_one_photo_has_a_report_too() -> None:
    result = describe(PhotoSet("one.zip", tagged_photos(1), PARAMETERS, None, []), max_clustered=100)
    assert result.report.clusterings == []
    assert result.photos[0].x is None
    assert any("Fewer than" in warning for warning in result.report.warnings)
    assert len(write_tables(result, tagged_photos(1))[Table.CSV].splitlines()) == 2


def test_of_many_photos_a_sample_is_clustered() -> None:
    result = describe(PhotoSet("many.zip", tagged_photos(30), PARAMETERS, None, []), max_clustered=11)
    assert sum(photo.x is not None for photo in result.photos) == 11
    assert sum(bool(photo.clusters) for photo in result.photos) == 11
    assert any("sample of 11 of 30" in warning for warning in result.report.warnings)
