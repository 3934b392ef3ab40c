"""The table of tags that is downloaded."""

import csv
import io

from tests.support.tags_answer import tags_answer
from ui.tags.table import tags_csv


def test_table_has_a_row_for_each_photo_and_word() -> None:
    rows = list(csv.DictReader(io.StringIO(tags_csv(tags_answer(), 0.5).removeprefix("\ufeff"))))
    assert [row["photo"] for row in rows] == ["'+a.jpg"] * 3 + ["b.jpg"] * 3
    assert [row["label"] for row in rows[:3]] == ["cat", "dog", "'=sea"]
    assert [row["over_threshold"] for row in rows[:3]] == ["1", "1", "0"]
    assert [float(row["probability"]) for row in rows[:3]] == [0.6, 0.9, 0.1]
