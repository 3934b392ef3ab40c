"""``framesense resize``: real files of every kind into a folder of smaller ones."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from framesense.cli.__main__ import main
from framesense.cli.manifest import NAME
from framesense.cli.resize import resize


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A wide JPEG that is turned by its EXIF, a small PNG, a palette GIF, a text and a damaged JPEG."""
    made = tmp_path / "in"
    (made / "hotel 1").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    left_red = Image.fromarray(np.repeat([[[200, 0, 0]] * 600 + [[0, 0, 200]] * 600], 400, axis=0).astype(np.uint8))
    left_red.save(made / "hotel 1" / "turned.jpg", exif=exif)
    Image.new("RGBA", (30, 20), (0, 255, 0, 128)).save(made / "small.png")
    Image.new("P", (300, 200)).save(made / "moving.GIF", "GIF")
    (made / "notes.txt").write_text("hello")
    (made / "damaged.jpg").write_bytes((made / "hotel 1" / "turned.jpg").read_bytes()[:300])
    (made / "link.jpg").symlink_to(made / "hotel 1" / "turned.jpg")
    return made


def _manifest(out: Path) -> dict[str, dict[str, str]]:
    with (out / NAME).open(newline="") as file:
        return {row["source"]: row for row in csv.DictReader(file)}


def test_photos_are_shrunk_upright_and_never_enlarged(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = resize(folder, out, longest_side=120)
    assert (done.made, done.before, done.failed) == (3, 0, 1)
    turned = Image.open(out / "hotel 1" / "turned.jpg")
    assert turned.size == (40, 120)
    assert not turned.getexif()
    top, bottom = np.asarray(turned)[5, 20], np.asarray(turned)[115, 20]
    assert top[0] > 150 > top[2]
    assert bottom[2] > 150 > bottom[0]
    assert Image.open(out / "small.png").size == (30, 20)
    assert Image.open(out / "moving.GIF.jpg").size == (120, 80)
    rows = _manifest(out)
    assert sorted(rows) == ["damaged.jpg", "hotel 1/turned.jpg", "moving.GIF", "small.png"]
    assert rows["damaged.jpg"]["error"]
    assert (rows["hotel 1/turned.jpg"]["width"], rows["hotel 1/turned.jpg"]["height"]) == ("40", "120")
    assert int(rows["small.png"]["bytes"]) == (out / "small.png").stat().st_size


def test_what_is_done_is_left_alone_unless_something_changed(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    resize(folder, out, longest_side=120)
    first = (out / "small.png").stat().st_mtime_ns
    again = resize(folder, out, longest_side=120)
    assert (again.made, again.before, again.failed) == (0, 3, 1)
    assert (out / "small.png").stat().st_mtime_ns == first
    assert _manifest(out)["small.png"]["width"] == "30"
    (out / "moving.GIF.jpg").unlink()
    Image.new("RGB", (50, 40)).save(folder / "small.png")
    assert resize(folder, out, longest_side=120).made == 2
    assert resize(folder, out, longest_side=100).made == 3


def test_a_run_that_was_broken_off_is_gone_on_with(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    resize(folder, out, longest_side=120)
    lines = (out / NAME).read_text().splitlines(keepends=True)
    (out / NAME).unlink()
    (out / f".part-{NAME}").write_text("".join(lines[:-1]) + "small.p")
    again = resize(folder, out, longest_side=120)
    assert (again.made, again.before) == (1, 2)


def test_in_several_processes_and_into_the_folder_itself(folder: Path) -> None:
    out = folder / "small"
    assert resize(folder, out, longest_side=120, processes=2).made == 3
    assert resize(folder, out, longest_side=120, processes=2).before == 3
    assert not (out / "small").exists()


def test_the_command(folder: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert main(["resize", str(folder), out, "--longest-side", "50", "--processes", "1"]) == 1
    (folder / "damaged.jpg").unlink()
    assert main(["resize", str(folder), out, "--longest-side", "50", "--processes", "1"]) == 0
    assert main(["resize", str(tmp_path / "nowhere"), out]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["resize", str(tmp_path / "empty"), out]) == 2
    with pytest.raises(SystemExit):
        main(["resize", str(folder), out, "--longest-side", "0"])


def test_images_are_known_by_content(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (300, 200)).save(tmp_path / "in" / "IMG_1", "PNG")
    (tmp_path / "in" / "BM.txt").write_text("BM begins a bitmap, and this text too")
    assert resize(tmp_path / "in", tmp_path / "out", longest_side=120).made == 1
    assert list(_manifest(tmp_path / "out")) == ["IMG_1"]
