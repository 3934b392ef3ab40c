"""The table of a measurement that is downloaded."""

import csv
import io

from framesense.schemas.classifiers import ClassAccuracy, EvaluationResponse
from tests.support.tags_answer import MODEL
from ui.studio.table import evaluation_csv


def test_table_has_a_row_for_each_label_with_what_its_photos_were_called() -> None:
    answer = EvaluationResponse(
        classifier="pets",
        photos=5,
        accuracy=0.6,
        labels=["cat", "=dog"],
        confusion=[[2, 1], [1, 1]],
        per_class=[
            ClassAccuracy(label="cat", photos=3, accuracy=2 / 3, precision=2 / 3),
            ClassAccuracy(label="=dog", photos=2, accuracy=0.5, precision=None),
        ],
        mistakes=[],
        model=MODEL,
    )
    text = evaluation_csv(answer)
    assert text.startswith("\ufeff"), "a spreadsheet reads it as UTF-8"
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["label"] for row in rows] == ["cat", "'=dog"]
    assert [row["said as cat"] for row in rows] == ["2", "1"]
    assert [float(row["recall"]) for row in rows] == [2 / 3, 0.5]
    assert rows[1]["precision"] == ""
