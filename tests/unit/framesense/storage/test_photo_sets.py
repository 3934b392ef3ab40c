"""Photo sets as they are stored: in chunks, by a key of what was asked."""

from pathlib import Path

from framesense.storage.blobs import Storage
from framesense.storage.photo_sets import PhotoSetStore, tagging_key
from tests.support.colour_tagger import MODEL
from tests.support.photo_archives import PARAMETERS, tagged_photos
from worker.photo_sets.report import PhotoSet, describe
from worker.photo_sets.tables import write_tables


def test_chunks_go_on_where_they_end(tmp_path: Path) -> None:
    store = PhotoSetStore(Storage(str(tmp_path)))
    assert store.checkpoint("k") is None
    store.append("k", 0, 0, tagged_photos(2), [b"a", b"b"])
    store.append("k", 3, 2, tagged_photos(3, first=2), [b"c", b"d", b"e"])
    store.append("k", 99, 50, tagged_photos(1), [b"z"])
    found = store.checkpoint("k")
    assert found is not None
    assert (len(found), found.entries, len(found.skipped)) == (5, 7, 2)
    assert found.files[4].path == "=k0/4.jpg"
    assert store.thumbnail("k", 4) == b"e"
    assert store.load("k") is None
    result = describe(PhotoSet("x", found, PARAMETERS, None, []), max_clustered=10)
    store.finish("k", result, write_tables(result, found))
    assert store.load("k") == result
    store.delete("k")
    assert not store.is_whole("k")


def test_every_parameter_makes_another_tagging() -> None:
    def key(**changes: object) -> str:
        return tagging_key(sha256="s", parameters=PARAMETERS.model_copy(update=changes), model=MODEL)

    changes: list[dict[str, object]] = [
        {},
        {"labels": ["x"]},
        {"templates": ["b {label}"]},
        {"threshold": 0.3},
        {"top_k": 1},
        {"clusters": 3},
    ]
    assert len({key(**change) for change in changes}) == len(changes)
