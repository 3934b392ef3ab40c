"""The scores as a table."""

import csv
import io

from framesense.media.spreadsheets import BYTE_ORDER_MARK, safe_cell
from framesense.schemas.tags import TagsResponse
from ui.tags.choice import is_over


def tags_csv(answer: TagsResponse, threshold: float) -> str:
    """Write a row for each photo and word, in their order."""
    stream = io.StringIO()
    stream.write(BYTE_ORDER_MARK)
    rows = csv.writer(stream)
    rows.writerow(["photo", "label", "cosine", "probability", "over_threshold"])
    for image in answer.images:
        for tag in image.scores or []:
            over = is_over(tag, threshold, answer.threshold_on)
            rows.writerow([safe_cell(image.image), safe_cell(tag.label), tag.cosine, tag.probability, int(over)])
    return stream.getvalue()
