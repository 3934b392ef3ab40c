"""Similarities of photos and words as a heat map."""

from PIL import Image

from tests.support.tags_answer import tags_answer
from ui.tags.heatmap import Value, similarity_figure


def test_heat_map_has_pictures_on_one_side_and_words_on_the_other() -> None:
    pictures = [Image.new("RGB", (300, 200), "red"), None]
    figure = similarity_figure(tags_answer(), pictures, Value.COSINE)
    (heat,) = figure.data
    assert [list(row) for row in heat.z] == [[0.2, 0.3, -0.1]] * 2
    assert list(heat.x) == ["cat", "dog", "=sea"]
    assert [(image.y, image.source[:22]) for image in figure.layout.images] == [(0, "data:image/jpeg;base64")]
    assert list(similarity_figure(tags_answer(), pictures, Value.PROBABILITY).data[0].z[0]) == [0.6, 0.9, 0.1]
