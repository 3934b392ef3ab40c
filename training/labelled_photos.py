"""Give captions to photos that have labels only: sentences that people wrote about other photos with the same things.

    python -m training.labelled_photos --photos DIR --labels FILE... --captions captions.tsv.gz --out OBJECTS
    python -m training.labelled_photos --rooms rooms.tar --captions captions.tsv.gz --out ROOMS

Contrastive training on templates ("a photo of a bowl and an orange") makes the tagger worse: no one writes so. A
caption of a photo with the very same objects is wrong in its details, but it is a sentence that names what is there.

- Objects (COCO): each photo has a set of the 80 objects. Among photos of captions.tsv.gz, the ten with the most similar
  sets (Jaccard, objects weighed by their rarity) lend captions; those that name most of the objects come first, at most
  three, each of another photo.
- Rooms: each photo has one of six kinds; captions that name that kind only, and nobody in it.

OUT holds captions.csv and images/, as training/data.py reads them.
"""

from __future__ import annotations

import csv
import gzip
import random
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from training.config import parse_recipe

OBJECTS = """
airplane, apple, backpack, banana, baseball bat, baseball glove, bear, bed, bench, bicycle, bird, boat, book,
bottle, bowl, broccoli, bus, cake, car, carrot, cat, cell phone, chair, clock, couch, cow, cup, dining table,
dog, donut, elephant, fire hydrant, fork, frisbee, giraffe, hair drier, handbag, horse, hot dog, keyboard,
kite, knife, laptop, microwave, motorcycle, mouse, orange, oven, parking meter, person, pizza, potted plant,
refrigerator, remote, sandwich, scissors, sheep, sink, skateboard, skis, snowboard, spoon, sports ball, stop
sign, suitcase, surfboard, teddy bear, tennis racket, tie, toaster, toilet, toothbrush, traffic light, train,
truck, tv, umbrella, vase, wine glass, zebra
"""
"""COCO's 80, in the order of the columns of the label files; :func:`object_names` takes them apart."""
OTHER_WORDS = {
    "airplane": "plane|airplane|jet",
    "person": "man|woman|person|people|boy|girl|child|men|women",
    "couch": "couch|sofa",
    "tv": "tv|television",
    "cell phone": "phone",
    "dining table": "table",
    "motorcycle": "motorcycle|bike",
    "bicycle": "bicycle|bike",
    "donut": "donut|doughnut",
    "skis": "ski",
    "potted plant": "plant",
    "sports ball": "ball",
    "refrigerator": "fridge|refrigerator",
    "tennis racket": "racket|racquet|tennis",
    "baseball bat": "bat|baseball",
    "baseball glove": "glove|baseball",
    "teddy bear": "teddy|bear",
    "wine glass": "wine|glass",
    "remote": "remote|wii",
}
ROOMS = {
    "bathroom": r"\bbath ?room|restroom",
    "bedroom": r"\bbed ?room",
    "dining_room": r"\bdining room",
    "entrance_hall": r"\b(hallway|foyer|entrance hall|entry ?way|front door|front entrance|lobby)",
    "kitchen": r"\bkitchen",
    "living_room": r"\bliving (room|area)",
}
SOMEBODY = re.compile(
    r"\b(man|woman|person|people|boy|girl|child|men|women|baby|cat|dog|kid|guy|lady|toddler)", re.IGNORECASE
)
NEIGHBOURS, CAPTIONS_EACH, ROOM_CAPTIONS_EACH = 10, 3, 2
LEAST_LIKENESS = 0.5

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LabelledPhotosRecipe:
    """The options of the command line."""

    captions: Annotated[Path, "captions.tsv.gz: source, image, caption; those of source coco-val2014 are used"]
    out: Annotated[Path, "a folder, made if need be"]
    photos: Annotated[Path | None, "a folder of COCO_train2014_*.jpg"] = None
    labels: Annotated[tuple[Path, ...], "files of lines 'path 0 1 0 …', 80 columns"] = ()
    rooms: Annotated[Path | None, "a tar of photos in folders named as their kind"] = None
    rooms_each: Annotated[int, "photos of a kind"] = 150
    leave_out: Annotated[Path | None, "COCO photos whose captions are not to be used, a name a line"] = None
    seed: int = 3


def object_names() -> list[str]:
    """List COCO's 80 objects, one for each column of the label files."""
    return [name.strip() for name in OBJECTS.split(",")]


def coco_number(name: str) -> int:
    """Read the number of a COCO photo: 42 of ``…/COCO_val2014_000000000042.jpg``."""
    digits = re.search(r"(\d+)\.jpg\s*$", name)
    if digits is None:
        raise ValueError(f"{name!r} does not end like a COCO photo's name")
    return int(digits[1])


def read_captions(file: Path, leave_out: Path | None) -> dict[int, list[str]]:
    """Read the captions of COCO's photos that are not left out, by number; ``leave_out`` names a photo a line."""
    left_out = {coco_number(line) for line in leave_out.open(encoding="utf-8")} if leave_out else set()
    captions: dict[int, list[str]] = {}
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["source"] == "coco-val2014" and int(row["image"]) not in left_out:
                captions.setdefault(int(row["image"]), []).append(row["caption"])
    return captions


def read_labels(files: Sequence[Path]) -> dict[str, Floats]:
    """Read which of the 80 objects each photo has, by the photo's name."""
    labels: dict[str, Floats] = {}
    for file in files:
        for line in file.open(encoding="utf-8"):
            path, *flags = line.split()
            labels[Path(path).name] = np.array([flag == "1" for flag in flags], np.float32)
    return labels


def likeness(labels: Floats, others: Floats) -> Floats:
    """Compute Jaccard indices, each object weighed by -log of how often ``others`` have it: n×m.

    ``labels``: n×80 and ``others``: m×80 of 0 and 1.
    """
    weights = rarity(others)
    shared = (labels * weights) @ others.T
    either = (labels @ weights)[:, None] + (others @ weights)[None] - shared
    result: Floats = np.divide(shared, np.maximum(either, 1e-6), dtype=np.float32)
    return result


def rarity(labels: Floats) -> Floats:
    """Weigh each of 80 objects by how rare it is in n×80 labels of 0 and 1."""
    result: Floats = -np.log(labels.mean(axis=0) + 1e-4)
    return result


def lend_captions(
    labels: Floats, others: Floats, captions: Sequence[Sequence[str]], chance: random.Random
) -> list[list[str]]:
    """Choose for each row of ``labels`` up to three captions of the rows of ``others`` that are most like it."""
    patterns = [re.compile(rf"\b({OTHER_WORDS.get(name, name)})", re.IGNORECASE) for name in object_names()]
    alike, weights = likeness(labels, others), rarity(others)
    lent = []
    for row, similar in zip(labels, alike, strict=True):
        things = np.flatnonzero(row)
        candidates = []
        for other in np.argsort(-similar, kind="stable")[:NEIGHBOURS] if things.size else ():
            if similar[other] < LEAST_LIKENESS:
                continue
            for text in captions[other]:
                named = sum(weights[thing] for thing in things if patterns[thing].search(text))
                score = named / weights[things].sum() + similar[other] + 0.1 * chance.random()
                candidates.append((float(score), int(other), text))
        best: dict[int, str] = {}
        for _, other, text in sorted(candidates, reverse=True):
            best.setdefault(other, text)
        lent.append(list(best.values())[:CAPTIONS_EACH])
    return lent


def caption_objects(recipe: LabelledPhotosRecipe, photos: Path) -> dict[Path, list[str]]:
    """Give lent captions to the photos of a folder that have labels."""
    labels = read_labels(recipe.labels)
    captions = read_captions(recipe.captions, recipe.leave_out)
    others = [name for name in labels if "val2014" in name and coco_number(name) in captions]
    files = [file for file in sorted(photos.glob("*.jpg")) if file.name in labels]
    lent = lend_captions(
        np.stack([labels[file.name] for file in files]),
        np.stack([labels[name] for name in others]),
        [captions[coco_number(name)] for name in others],
        random.Random(recipe.seed),
    )
    return {file: texts for file, texts in zip(files, lent, strict=True) if texts}


def caption_rooms(recipe: LabelledPhotosRecipe, rooms: Path) -> dict[Path, list[str]]:
    """Give captions to photos of a tar that name their kind.

    The photos are evenly spread over each kind and written to OUT/images.
    """
    patterns = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in ROOMS.items()}
    fitting: dict[str, list[str]] = {kind: [] for kind in ROOMS}
    for text in sorted({text for texts in read_captions(recipe.captions, recipe.leave_out).values() for text in texts}):
        kinds = [kind for kind, pattern in patterns.items() if pattern.search(text)]
        if len(kinds) == 1 and not SOMEBODY.search(text):
            fitting[kinds[0]].append(text)
    chance = random.Random(recipe.seed)
    captioned = {}
    with tarfile.open(rooms) as archive:
        members = [member for member in archive if member.isfile() and member.name.endswith(".jpg")]
        for kind in ROOMS:
            of_kind = [member for member in members if Path(member.name).parent.name == kind]
            for member in of_kind[:: max(1, len(of_kind) // recipe.rooms_each)][: recipe.rooms_each]:
                file = archive.extractfile(member)
                assert file is not None, "a file, as was asked above"
                target = recipe.out / "images" / f"{kind}-{Path(member.name).name}"
                target.write_bytes(file.read())
                captioned[target] = [chance.choice(fitting[kind]) for _ in range(ROOM_CAPTIONS_EACH)]
    return captioned


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(LabelledPhotosRecipe, __doc__, argv)
    images = recipe.out / "images"
    images.mkdir(parents=True, exist_ok=True)
    captioned: dict[Path, list[str]] = {}
    if recipe.photos:
        captioned |= caption_objects(recipe, recipe.photos)
    if recipe.rooms:
        captioned |= caption_rooms(recipe, recipe.rooms)
    with (recipe.out / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "split", "caption"])
        for photo, texts in captioned.items():
            if photo.parent != images:
                (images / photo.name).write_bytes(photo.read_bytes())
            writer.writerows([photo.name, "train", text] for text in texts)
    print(f"{len(captioned)} photos with {sum(map(len, captioned.values()))} captions in {recipe.out}")


if __name__ == "__main__":
    main()
