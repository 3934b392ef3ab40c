"""Recipes on the command line, captions lent to labelled photos, photos drawn in another light."""

import csv
import gzip
import random
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from PIL import Image

from training import labelled_photos, relit_photos
from training.config import parse_recipe, read_hint
from training.data import read_captions, read_photos
from training.labelled_photos import coco_number, lend_captions, likeness, object_names


@dataclass(frozen=True)
class Example:
    data: Annotated[tuple[Path, ...], "folders"]
    batch_size: int = 8
    lr: float = 1e-3
    cache: Path | None = None


def test_a_recipe_is_its_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_recipe(Example, "d", ["--data", "a", "b"]) == Example((Path("a"), Path("b")))
    given = parse_recipe(Example, "d", ["--data", "a", "--batch-size", "4", "--lr", "0.1", "--cache", "c"])
    assert given == Example((Path("a"),), 4, 0.1, Path("c"))
    with pytest.raises(SystemExit):
        parse_recipe(Example, "d", [])
    assert "--data" in capsys.readouterr().err
    with pytest.raises(TypeError, match="cannot be"):
        read_hint(dict)


def labels(*things: str) -> np.ndarray:
    return np.array([[name in things for name in object_names()]], np.float32)


def test_there_are_80_objects() -> None:
    names = object_names()
    assert (len(names), names[0], names[-1], names == sorted(names)) == (80, "airplane", "zebra", True)


def test_likeness_is_one_for_the_same_objects_and_none_for_others() -> None:
    others = np.concatenate([labels("dog", "frisbee"), labels("cat"), labels("dog")])
    alike = likeness(labels("dog", "frisbee"), others)[0]
    assert alike[0] == pytest.approx(1)
    assert alike[1] == 0
    assert 0 < alike[2] < 1


def test_captions_come_from_photos_with_the_same_objects_and_name_them() -> None:
    others = np.concatenate([labels("cat", "laptop"), labels("cat", "laptop"), labels("pizza")])
    captions = [["something warm", "a cat on a laptop"], ["a cat and a laptop on a desk"], ["a pizza"]]
    (lent,) = lend_captions(labels("cat", "laptop"), others, captions, random.Random(0))
    assert sorted(lent) == ["a cat and a laptop on a desk", "a cat on a laptop"]
    assert lend_captions(labels(), others, captions, random.Random(0)) == [[]]


def test_names_of_photos_hold_their_number() -> None:
    assert coco_number("./x/COCO_val2014_000000000042.jpg\n") == 42
    with pytest.raises(ValueError, match="does not end"):
        coco_number("cat.png")


def test_labelled_photos_become_captioned_ones(tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    Image.new("RGB", (8, 8), "red").save(photos / "COCO_train2014_000000000009.jpg")
    columns = {name: " ".join(str(int(flag)) for flag in labels(*things)[0]) for name, things in LABELLED.items()}
    (tmp_path / "labels.txt").write_text("".join(f"./{name} {flags}\n" for name, flags in columns.items()))
    rows = [(1, "a dog with a frisbee"), (2, "left out: a dog, a frisbee"), (3, "A clean bathroom with a big sink.")]
    rows.append((4, "a man in a bathroom"))
    with gzip.open(tmp_path / "captions.tsv.gz", "wt") as file:
        file.write("source\timage\tcaption\n")
        file.writelines(f"coco-val2014\t{number}\t{text}\n" for number, text in rows)
        file.writelines(f"coco-val2014\t{5 + n}\tan empty {kind}\n" for n, kind in enumerate(OTHER_ROOMS))
    (tmp_path / "left-out.txt").write_text("000000000002.jpg\n")
    with tarfile.open(tmp_path / "rooms.tar", "w") as archive:
        for kind in labelled_photos.ROOMS:
            archive.add(photos / "COCO_train2014_000000000009.jpg", f"{kind}/1.jpg")

    common = ["--captions", str(tmp_path / "captions.tsv.gz"), "--leave-out", str(tmp_path / "left-out.txt")]
    where = ["--photos", str(photos), "--labels", str(tmp_path / "labels.txt"), "--rooms", str(tmp_path / "rooms.tar")]
    labelled_photos.main([*common, *where, "--out", str(out)])
    captions = read_captions(out, "train")
    assert captions["COCO_train2014_000000000009.jpg"] == ["a dog with a frisbee"]
    assert set(captions["bathroom-1.jpg"]) == {"A clean bathroom with a big sink."}
    assert len(captions) == 1 + len(labelled_photos.ROOMS)
    assert all(photo.path.exists() for photo in read_photos(out, "train"))


LABELLED = {
    "COCO_train2014_000000000009.jpg": ("dog", "frisbee"),
    "COCO_val2014_000000000001.jpg": ("dog", "frisbee"),
    "COCO_val2014_000000000002.jpg": ("dog", "frisbee"),
    "COCO_val2014_000000000003.jpg": ("sink",),
}
OTHER_ROOMS = ("bedroom", "dining room", "hallway", "kitchen", "living room")


def test_relit_photos_say_so(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "images").mkdir(parents=True)
    with (data / "captions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "split", "caption"])
        for number in range(12):
            noise = np.random.default_rng(number).integers(60, 200, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(noise).save(data / "images" / f"{number}.png")
            writer.writerow([f"{number}.png", "train" if number < 10 else "val", "A red house ."])
    relit_photos.main(["--data", str(data), "--out", str(out), "--photos", "8"])
    captions = read_captions(out, "train")
    assert len(captions) == 8
    for name, texts in captions.items():
        variant = name.split("-")[0]
        assert len(texts) == 3
        assert all("A red house" in text and text != "A red house" for text in texts)
        assert any(phrase in texts[0] for phrase in relit_photos.VARIANTS[variant][2])
    nights = [name for name in captions if name.startswith("night")]
    brightness = {name: np.asarray(Image.open(out / "images" / name)).mean() for name in captions}
    assert all(brightness[name] < 90 for name in nights)
