"""Blobs: seen whole or not at all, on a folder and on another filesystem alike."""

import threading
from pathlib import Path
from uuid import uuid4

import pytest

from framesense.storage.blobs import Storage


@pytest.fixture(params=["folder", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid4().hex}")


def test_what_is_written_is_read(storage: Storage) -> None:
    storage.write("a/b/c", b"content")
    assert storage.exists("a/b/c")
    assert storage.size("a/b/c") == 7
    assert storage.read("a/b/c") == b"content"
    with storage.open("a/b/c") as file:
        file.seek(3)
        assert file.read(2) == b"te"
    with storage.local_file("a/b/c") as path:
        assert path.read_bytes() == b"content"
    storage.write("a/b/c", b"new")
    assert storage.read("a/b/c") == b"new"


def test_what_is_not_there(storage: Storage) -> None:
    assert not storage.exists("a/b")
    assert storage.list("a") == []
    storage.delete("a/b")
    for ask in (storage.read, storage.size, storage.open):
        with pytest.raises(FileNotFoundError):
            ask("a/b")


def test_a_list_is_sorted_and_of_one_level(storage: Storage) -> None:
    for key in ("a/2", "a/10", "a/1/x", "b"):
        storage.write(key, b"")
    assert storage.list("a") == ["a/1", "a/10", "a/2"]


def test_a_file_is_taken(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(b"video")
    storage.take(file, "videos/x/source")
    assert storage.read("videos/x/source") == b"video"
    assert not file.exists()


def test_everything_under_a_prefix_is_deleted(storage: Storage) -> None:
    storage.write("a/b", b"1")
    storage.write("a/c/d", b"2")
    storage.write("ab", b"3")
    storage.delete("a")
    assert storage.list("a") == []
    assert storage.read("ab") == b"3"


@pytest.mark.parametrize("key", ["", "/", "/etc/passwd", "a//b", "../x", "a/../../x", "a/.", "a/"])
def test_keys_stay_inside(storage: Storage, key: str) -> None:
    for ask in (storage.read, storage.exists, storage.delete, storage.open):
        with pytest.raises(ValueError, match="not a storage key"):
            ask(key)
    with pytest.raises(ValueError, match="not a storage key"):
        storage.write(key, b"")


def test_a_reader_never_sees_half_a_blob(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    contents = [bytes([n]) * 300_000 for n in range(2)]
    storage.write("blob", contents[0])
    done = threading.Event()

    def rewrite() -> None:
        for n in range(100):
            storage.write("blob", contents[n % 2])
        done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    while not done.is_set():
        assert storage.read("blob") in contents
    writer.join()
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write("blob", b"old")
    with pytest.raises(TypeError):
        storage.write("blob", "not bytes")  # type: ignore[arg-type]  # fails while writing
    with pytest.raises(FileNotFoundError):
        storage.take(tmp_path / "missing", "blob")
    assert storage.read("blob") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


def test_half_written_blobs_are_not_listed(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write("a/b", b"")
    (tmp_path / "a" / ".part-x").touch()
    assert storage.list("a") == ["a/b"]


def test_the_check_tells_what_cannot_be_written(storage: Storage, tmp_path: Path) -> None:
    storage.check()
    blocked = tmp_path / "blocked"
    blocked.touch()
    with pytest.raises(OSError, match="blocked"):
        Storage(str(blocked)).check()
