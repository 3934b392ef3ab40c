"""Which scores are tags, and how they are shown and carried away."""

import csv
import io

import pytest
from PIL import Image

from framesense.schemas.models import ModelInfo
from framesense.schemas.tags import ImageTags, Tag, TagsResponse, ThresholdOn
from ui.tags.choice import chosen_tags
from ui.tags.heatmap import Value, similarity_figure
from ui.tags.table import tags_csv

SCORES = [
    Tag(label="cat", cosine=0.2, probability=0.6),
    Tag(label="dog", cosine=0.3, probability=0.9),
    Tag(label="=sea", cosine=-0.1, probability=0.1),
]
MODEL = ModelInfo(service="tagger", name="m", family="f", revision="1", device="cpu", dtype="float32", parameters=0)


def _answer() -> TagsResponse:
    image = ImageTags(image="+a.jpg", tags=SCORES[1:2], over_threshold=1, scores=SCORES)
    return TagsResponse(
        images=[image, image.model_copy(update={"image": "b.jpg"})],
        labels=[tag.label for tag in SCORES],
        templates=["{label}"],
        threshold=0.5,
        threshold_on=ThresholdOn.PROBABILITY,
        model=MODEL,
    )


@pytest.mark.parametrize(
    ("threshold", "on", "most", "labels"),
    [
        (0.5, ThresholdOn.PROBABILITY, 5, ["dog", "cat"]),
        (0.5, ThresholdOn.PROBABILITY, 1, ["dog"]),
        (0.25, ThresholdOn.COSINE, 5, ["dog"]),
        (0.9, ThresholdOn.PROBABILITY, 5, ["dog"]),
        (0.95, ThresholdOn.PROBABILITY, 5, ["dog"]),
        (-1.0, ThresholdOn.COSINE, 5, ["dog", "cat", "=sea"]),
    ],
)
def test_tags_are_those_over_the_threshold_else_the_best(
    threshold: float, on: ThresholdOn, most: int, labels: list[str]
) -> None:
    assert [tag.label for tag in chosen_tags(SCORES, threshold, on, most)] == labels


def test_table_has_a_row_for_each_photo_and_word() -> None:
    rows = list(csv.DictReader(io.StringIO(tags_csv(_answer(), 0.5))))
    assert [row["photo"] for row in rows] == ["'+a.jpg"] * 3 + ["b.jpg"] * 3
    assert [row["label"] for row in rows[:3]] == ["cat", "dog", "'=sea"]
    assert [row["over_threshold"] for row in rows[:3]] == ["1", "1", "0"]
    assert [float(row["probability"]) for row in rows[:3]] == [0.6, 0.9, 0.1]


def test_heat_map_has_pictures_on_one_side_and_words_on_the_other() -> None:
    pictures = [Image.new("RGB", (300, 200), "red"), None]
    figure = similarity_figure(_answer(), pictures, Value.COSINE)
    (heat,) = figure.data
    assert [list(row) for row in heat.z] == [[0.2, 0.3, -0.1]] * 2
    assert list(heat.x) == ["cat", "dog", "=sea"]
    assert [(image.y, image.source[:22]) for image in figure.layout.images] == [(0, "data:image/jpeg;base64")]
    assert list(similarity_figure(_answer(), pictures, Value.PROBABILITY).data[0].z[0]) == [0.6, 0.9, 0.1]
