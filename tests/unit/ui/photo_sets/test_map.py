"""The 2-D map of a photo set."""

from framesense.schemas.photo_sets import ClusterMethod, Photo
from framesense.schemas.tags import Tag
from ui.photo_sets.map import COLOURS, Colouring, colourings, map_figure


def _photo(index: int, label: str, *, group: str | None = None, cluster: int = 0, placed: bool = True) -> Photo:
    return Photo(
        index=index,
        path=f"{index}.jpg",
        group=group,
        width=1,
        height=1,
        bytes=1,
        sha256="",
        tags=[Tag(label=label, cosine=0.5, probability=0.5)],
        clusters={ClusterMethod.KMEANS: cluster},
        x=float(index) if placed else None,
        y=0.0 if placed else None,
    )


def test_each_dot_knows_its_photo() -> None:
    photos = [_photo(0, "cat"), _photo(1, "dog"), _photo(2, "cat"), _photo(3, "cat", placed=False)]
    figure = map_figure(photos, Colouring.TAG)
    assert {trace.name: list(trace.customdata) for trace in figure.data} == {"cat": [0, 2], "dog": [1]}
    assert [list(trace.x) for trace in figure.data] == [[0.0, 2.0], [1.0]]


def test_rare_kinds_share_a_colour() -> None:
    photos = [_photo(i, f"label {i % (COLOURS + 3)}") for i in range(40)]
    figure = map_figure(photos, Colouring.TAG)
    assert len(figure.data) == COLOURS
    assert figure.data[-1].name == "other"
    assert sorted(index for trace in figure.data for index in trace.customdata) == list(range(40))


def test_the_legend_is_in_order() -> None:
    photos = [_photo(0, "none"), _photo(1, "label 10"), _photo(2, "Label 2"), _photo(3, "label 10")]
    assert [trace.name for trace in map_figure(photos, Colouring.TAG).data] == ["Label 2", "label 10", "none"]


def test_only_what_tells_photos_apart_is_offered() -> None:
    same = [_photo(0, "cat"), _photo(1, "dog")]
    assert list(colourings(same)) == [Colouring.TAG]
    told = [_photo(0, "cat", group="a", cluster=-1), _photo(1, "cat", group="b", cluster=2)]
    assert list(colourings(told)) == [Colouring.TAG, Colouring.GROUP, Colouring.KMEANS]
    assert [trace.name for trace in map_figure(told, Colouring.KMEANS).data] == ["cluster 3", "none"]
