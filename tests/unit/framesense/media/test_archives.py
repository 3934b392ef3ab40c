"""Zips of photos: what is read, what is refused before it costs anything."""

import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from pathlib import PurePosixPath

import pytest
from PIL import Image

from framesense.http.problems import ProblemError
from framesense.media.archives import ArchivedImage, ArchiveLimits, EntryError, PhotoArchive, read_images
from tests.support.photo_archives import photo_archive
from tests.support.photos import zipped

LIMITS = ArchiveLimits(max_images=3, max_bytes=5000, max_image_bytes=2000)


def archive(*files: tuple[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files:
            made.writestr(name, content)
    return stream


def read(stream: io.BytesIO) -> list[ArchivedImage]:
    return list(read_images(stream, LIMITS))


def test_images_in_the_order_of_their_paths() -> None:
    stream = archive(("b/2.JPG", b"two"), ("a/1.png", b"one"), ("top.jpg", b"top"), ("a/notes.txt", b"no"))
    stream_images = read(stream)
    assert [(str(image.path), image.group, image.content) for image in stream_images] == [
        ("a/1.png", "a", b"one"),
        ("b/2.JPG", "b", b"two"),
        ("top.jpg", None, b"top"),
    ]


def test_what_operating_systems_add_is_passed_over() -> None:
    stream = archive(("a/1.png", b"one"), ("__MACOSX/a/._1.png", b"x"), ("a/.thumb.jpg", b"x"))
    assert len(read(stream)) == 1


@pytest.mark.parametrize(
    ("stream", "status", "slug"),
    [
        (io.BytesIO(b""), 415, "not-a-zip"),
        (io.BytesIO(b"PK\x03\x04 and no more"), 415, "not-a-zip"),
        (archive(("a.txt", b"x")), 422, "no-images"),
        (archive(("../a.jpg", b"x")), 422, "unsafe-path"),
        (archive(("a/../../b.jpg", b"x")), 422, "unsafe-path"),
        (archive(("/etc/a.jpg", b"x")), 422, "unsafe-path"),
        (archive(("C:/a.jpg", b"x")), 422, "unsafe-path"),
        (archive(("..\\a.jpg", b"x")), 422, "unsafe-path"),
        (archive(("C:\\a.jpg", b"x")), 422, "unsafe-path"),
        (archive(("\\server\\a.jpg", b"x")), 422, "unsafe-path"),
        (archive(*((f"{n}.jpg", b"x") for n in range(4))), 413, "too-many-images"),
        (archive(("a.jpg", b"x" * 2001)), 413, "image-too-large"),
        (archive(*((f"{n}.jpg", b"x" * 1999) for n in range(3))), 413, "archive-too-large"),
    ],
)
def test_refused(stream: io.BytesIO, status: int, slug: str) -> None:
    with pytest.raises(ProblemError) as refused:
        read(stream)
    assert (refused.value.status, refused.value.slug) == (status, slug)


def test_a_bomb_whose_header_lies() -> None:
    content = bytearray(archive(("a.jpg", b"\0" * 1_000_000)).getvalue())
    true_size = (1_000_000).to_bytes(4, "little")
    assert content.count(true_size) == 2
    lying = bytes(content).replace(true_size, (100).to_bytes(4, "little"))
    with pytest.raises(ProblemError) as refused:
        read(io.BytesIO(lying))
    assert refused.value.slug in ("image-too-large", "damaged-archive")


def test_damaged_content() -> None:
    content = archive(("a.jpg", bytes(range(256)) * 4)).getvalue()
    place = content.index(b"a.jpg") + 20
    with pytest.raises(ProblemError) as refused:
        read(io.BytesIO(content[:place] + b"\xff\xff\xff" + content[place + 3 :]))
    assert refused.value.slug == "damaged-archive"


def test_encrypted() -> None:
    content = bytearray(archive(("a.jpg", b"x")).getvalue())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ProblemError) as refused:
        read(io.BytesIO(bytes(content)))
    assert refused.value.slug == "encrypted-archive"


def _link() -> bytes:
    entry = zipfile.ZipInfo("link.jpg")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    return stream.getvalue()


def _lying_about_its_size() -> bytes:
    """An entry whose header promises ten bytes and that unpacks to far more."""
    content = zipped({"bomb.png": b"\0" * 5_000_000})
    size = (5_000_000).to_bytes(4, "little")
    return content.replace(size, (10).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("content", "status", "slug"),
    [
        (b"no zip at all", 415, "not-a-zip"),
        (zipped({"a.jpg": b"x"})[:-10], 415, "not-a-zip"),
        (zipped({}), 422, "no-images"),
        (zipped({"readme.txt": b"x"}), 422, "no-images"),
        (zipped({"../a.jpg": b"x"}), 422, "unsafe-path"),
        (zipped({"a/../../b.jpg": b"x"}), 422, "unsafe-path"),
        (zipped({"/etc/a.jpg": b"x"}), 422, "unsafe-path"),
        (zipped({"C:/a.jpg": b"x"}), 422, "unsafe-path"),
        (zipped({"..\\a.jpg": b"x"}), 422, "unsafe-path"),
        (_link(), 422, "unsafe-path"),
        (zipped({f"{n}.jpg": b"x" for n in range(11)}), 413, "too-many-images"),
        (zipped({"bomb.png": b"\0" * 5_000_000}), 413, "archive-too-large"),
    ],
)
def test_zips_that_are_refused_before_anything_is_unpacked(content: bytes, status: int, slug: str) -> None:
    with pytest.raises(ProblemError) as refused:
        photo_archive(content)
    assert (refused.value.status, refused.value.slug) == (status, slug)


def test_what_an_entry_really_unpacks_to_counts() -> None:
    with photo_archive(_lying_about_its_size()) as archive, pytest.raises(EntryError):
        archive.read(0)


def test_all_that_is_read_counts() -> None:
    content = zipped({"a.jpg": b"x" * 600, "b.jpg": b"x" * 600})
    with photo_archive(content, ArchiveLimits(10, 1200, 1000)) as archive:
        archive.read(0)
        archive.read(1)
        with pytest.raises(ProblemError) as refused:
            archive.read(0)
    assert refused.value.slug == "archive-too-large"


def test_files_of_operating_systems_are_passed_over_and_others_are_told() -> None:
    files = {"__MACOSX/a.jpg": b"", "b/.DS_Store": b"", "b/Thumbs.txt": b"t", "b/2.jpg": b"2", "b/1.PNG": b"1"}
    with photo_archive(zipped(files)) as archive:
        assert archive.paths == [PurePosixPath("b/1.PNG"), PurePosixPath("b/2.jpg")]
        assert archive.others == [PurePosixPath("b/Thumbs.txt")]
        assert archive.read(1).content == b"2"


class _Unmarked(zipfile.ZipInfo):
    """An entry whose name is written in some code page, with nothing that says so, as older tools do."""

    def __init__(self, name: str, encoding: str) -> None:
        super().__init__(name)
        self._raw = name.encode(encoding)

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's hook
        return self._raw, self.flag_bits & ~0x800


def unmarked(names: list[str], encoding: str) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name in names:
            made.writestr(_Unmarked(name, encoding), b"x")
    return stream


def paths(stream: io.BytesIO) -> list[str]:
    with PhotoArchive(stream, ArchiveLimits(100, 10**6, 10**6)) as opened:
        return [str(path) for path in opened.paths]


def test_backslashes_are_folders() -> None:
    stream = archive(("kitchen\\", b""), ("kitchen\\1.jpg", b"one"), ("bath\\deep\\2.jpg", b"two"))
    assert [(str(image.path), image.group) for image in read(stream)] == [
        ("bath/deep/2.jpg", "deep"),
        ("kitchen/1.jpg", "kitchen"),
    ]


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["ванная/фото 1.jpg", "кухня/фото 2.jpg"], "cp866"),
        (["ванная/фото 1.jpg", "кухня/фото 2.jpg"], "cp1251"),
        (["ванная/фото 1.jpg", "кухня/фото 2.jpg"], "utf-8"),
        (["Bäder/Ansicht.jpg", "Küche/Straße.jpg"], "cp437"),
        (["台所/1.jpg", "風呂/2.jpg"], "cp932"),
        (["plain/1.jpg", "plain/👩‍🍳.jpg"], "utf-8"),
    ],
)
def test_names_without_a_word_of_their_encoding(names: list[str], encoding: str) -> None:
    stream = unmarked(names, encoding)
    assert paths(stream) == sorted(names)
    with PhotoArchive(stream, ArchiveLimits(100, 10**6, 10**6)) as opened:
        assert opened.encoding == (None if encoding == "utf-8" else encoding)


def test_marked_and_unmarked_names_in_one_archive() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr(_Unmarked("кухня/1.jpg", "cp866"), b"x")
        made.writestr("ванная/2.jpg", b"x")
    assert paths(stream) == ["ванная/2.jpg", "кухня/1.jpg"]


@pytest.mark.parametrize("valid", [True, False])
def test_the_unicode_path_field_counts_while_it_belongs_to_the_name(valid: bool) -> None:
    plain = b"k_chnya/1.jpg"
    checksum = zlib.crc32(plain if valid else b"renamed.jpg")
    name = "кухня/1.jpg".encode()
    entry = zipfile.ZipInfo(plain.decode())
    entry.extra = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, checksum) + name
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr(entry, b"x")
    assert paths(stream) == [name.decode() if valid else plain.decode()]


def test_decomposed_names_of_macos_are_the_same_folder() -> None:
    decomposed = unicodedata.normalize("NFD", "Küche")
    assert {image.group for image in read(archive((f"{decomposed}/1.jpg", b"x"), ("Küche/2.jpg", b"x")))} == {"Küche"}


def test_pictures_are_known_by_content() -> None:
    def picture(kind: str) -> bytes:
        stream = io.BytesIO()
        Image.new("RGB", (2, 2)).save(stream, kind)
        return stream.getvalue()

    kinds = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO")
    files = [(f"{kind}.dat", picture(kind)) for kind in kinds] + [("no suffix", picture("PNG"))]
    texts = [("BM.txt", b"BM is how a bitmap begins, and this text"), ("empty", b""), ("groups.csv", b"photo,hotel\n")]
    suffixes = [("a.JFIF", b"x"), ("b.mpo", b"x"), ("c.JPG", b"x")]
    with PhotoArchive(archive(*files, *texts, *suffixes), ArchiveLimits(100, 10**6, 10**6)) as opened:
        assert {str(path) for path in opened.paths} == {name for name, _ in files + suffixes}
        assert {str(path) for path in opened.others} == {name for name, _ in texts}


def test_what_windows_adds_is_passed_over() -> None:
    with PhotoArchive(archive(("a.jpg", b"x"), ("Thumbs.db", b"x"), ("b/desktop.ini", b"x")), LIMITS) as opened:
        assert opened.others == []
