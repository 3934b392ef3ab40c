"""What was measured, as a table."""

import csv
import io

from framesense.media.spreadsheets import BYTE_ORDER_MARK, safe_cell
from framesense.schemas.classifiers import EvaluationResponse


def evaluation_csv(answer: EvaluationResponse) -> str:
    """Write a row for each label: photos, recall and precision of 0 to 1 (empty where there is none), confusions.

    ``said as …``: how many of the label's photos were given each label.
    """
    stream = io.StringIO()
    stream.write(BYTE_ORDER_MARK)
    rows = csv.writer(stream)
    said = [safe_cell(f"said as {label}") for label in answer.labels]
    rows.writerow(["label", "photos", "recall", "precision", *said])
    for one, counts in zip(answer.per_class, answer.confusion, strict=True):
        rows.writerow([safe_cell(one.label), one.photos, one.accuracy, one.precision, *counts])
    return stream.getvalue()
