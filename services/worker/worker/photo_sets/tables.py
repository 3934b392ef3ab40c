"""All photos as a table: CSV for spreadsheets, Parquet for data frames."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from framesense.media.spreadsheets import BYTE_ORDER_MARK, safe_cell
from framesense.schemas.photo_sets import ClusterMethod, PhotoSetResult
from framesense.storage.photo_sets import Table, Tagged
from worker.photo_sets.statistics import gaps

CSV_DIGITS = 6
"""After the decimal point, as in a video's CSV."""
TAG_SEPARATOR = "|"
"""Between the tags of a photo in the CSV; Parquet has lists."""


def write_tables(result: PhotoSetResult, tagged: Tagged) -> dict[Table, bytes]:
    """Write all photos as tables, a row a photo, in order.

    The last columns hold the cosine with every label; Parquet also has the embedding.
    """
    return {Table.CSV: _csv(result, tagged), Table.PARQUET: _parquet(result, tagged)}


def _csv(result: PhotoSetResult, tagged: Tagged) -> bytes:
    columns = _columns(result, tagged)
    columns = {name: _rounded(values) for name, values in columns.items()}
    columns["tags"] = [TAG_SEPARATOR.join(tags) for tags in columns["tags"]]
    for name in ("path", "group", "tags", "best_tag"):
        texts = pa.array(columns[name], pa.string()).to_pylist()
        columns[name] = pa.array([None if text is None else safe_cell(text) for text in texts], pa.string())
    stream = io.BytesIO()
    stream.write(BYTE_ORDER_MARK.encode())
    pyarrow.csv.write_csv(pa.table({safe_cell(name): values for name, values in columns.items()}), stream)
    return stream.getvalue()


def _rounded(values: Any) -> Any:
    """Round numbers with a fraction: 0.30000001192092896 is what 0.3 becomes in single precision, and says no more."""
    if not isinstance(values, np.ndarray | pa.Array) and not any(isinstance(value, float) for value in values):
        return values
    column = values if isinstance(values, pa.Array) else pa.array(values)
    if not pa.types.is_floating(column.type):
        return values
    exact = pa.compute.round(column.cast(pa.float64()), CSV_DIGITS)
    return pa.compute.add(exact, 0.0)  # -0.0 becomes 0.0


def _parquet(result: PhotoSetResult, tagged: Tagged) -> bytes:
    columns = _columns(result, tagged)
    flat = pa.array(tagged.embeddings.ravel())
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, tagged.embeddings.shape[1])
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), stream)
    return stream.getvalue()


def _columns(result: PhotoSetResult, tagged: Tagged) -> dict[str, Any]:
    photos, rank = result.photos, result.report.tags.gap_rank
    plain = ("index", "path", "group", "width", "height", "bytes", "sha256")
    after = ("x", "y", "duplicate_of", "duplicate_cosine")
    types = {"group": pa.string(), "x": pa.float64(), "y": pa.float64(), "duplicate_of": pa.int64()}

    def column(name: str) -> pa.Array:
        return pa.array([getattr(photo, name) for photo in photos], types.get(name))

    columns: dict[str, Any] = {name: column(name) for name in plain}
    columns["tags"] = [[tag.label for tag in photo.tags] for photo in photos]
    columns["best_tag"] = [photo.tags[0].label for photo in photos]
    columns["best_cosine"] = [photo.tags[0].cosine for photo in photos]
    columns["best_probability"] = [photo.tags[0].probability for photo in photos]
    columns[f"gap_1_{rank}"] = gaps(tagged.cosine, rank)
    for method in ClusterMethod:
        columns[f"cluster_{method}"] = pa.array([photo.clusters.get(method) for photo in photos], pa.int64())
    columns |= {name: column(name) for name in after}
    return columns | _scores(result.report.labels, tagged)


def _scores(labels: Sequence[str], tagged: Tagged) -> dict[str, Any]:
    return {f"cosine: {label}": tagged.cosine[:, column] for column, label in enumerate(labels)}
