"""Things' names in English and in Russian, for ``training/russian_texts.py``.

    python -m training.russian_names --words training/russian_words.csv --cldr DIR --stamps DIR --out names.csv

- *Words*: about a thousand everyday words for what pictures show, written for this project (russian_words.csv).
- *CLDR* (Unicode; Debian's ``unicode-cldr-core``): the names of emoji, from ``en.xml`` and ``ru.xml`` of the folder
  ``common/annotations``.
- *Stamps* (Debian's ``tuxpaint-stamps-default``): a text file beside each picture has its name in many languages.

OUT has the columns english and russian; a pair that several sources have is there once.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

from training.config import parse_recipe

SIGNS = re.compile(
    r"arrow|mark|sign|bracket|symbol|letter|face|skin tone|button|hand|o.clock|-thirty|circle|square|slash|quotation"
    r"|comma|semicolon|dash|hyphen|dot|bullet|gesture|hieroglyph|click|keycap|tally|clef|operator|equal|greater|less"
    r"|angle|union|integral|plus|minus|divi|percent|superscript|prime|diaeres|grave|accent|tilde|macron|ligature",
    re.IGNORECASE,
)
"""Of names of signs, which no photo shows."""
LONGEST = 50
"""Letters of a name; longer ones are remarks."""
_CYRILLIC = re.compile("[а-яё]")

Pair = tuple[str, str]


@dataclass(frozen=True)
class RussianNamesRecipe:
    """The options of the command line."""

    words: Annotated[Path, "CSV with the columns english, russian"]
    out: Annotated[Path, "the CSV to write"]
    cldr: Annotated[Path | None, "CLDR's folder common/annotations"] = None
    stamps: Annotated[Path | None, "Tux Paint's folder stamps"] = None


def read_pairs(file: Path) -> list[Pair]:
    """Read pairs of names from a CSV with the columns english and russian."""
    with file.open(encoding="utf-8", newline="") as opened:
        return [(row["english"], row["russian"]) for row in csv.DictReader(opened)]


def cldr_pairs(folder: Path) -> Iterator[Pair]:
    """Yield the names of emoji, without those of signs."""
    names = [
        {entry.get("cp"): entry.text or "" for entry in ElementTree.parse(folder / file).iter("annotation")
         if entry.get("type") == "tts"}
        for file in ("en.xml", "ru.xml")
    ]  # fmt: skip
    for sign, english in names[0].items():
        russian = names[1].get(sign, "").lower()
        if not SIGNS.search(english) and _CYRILLIC.search(russian):
            yield english, russian


def stamp_pairs(folder: Path) -> Iterator[Pair]:
    """Yield the names of stamps: English in the first line, Russian in one that begins with ``ru.utf8=``."""
    for file in sorted(folder.rglob("*.txt")):
        if "symbols" in file.relative_to(folder).parts:
            continue
        english, *others = file.read_text("utf-8", errors="replace").splitlines() or [""]
        russian = next((line.removeprefix("ru.utf8=") for line in others if line.startswith("ru.utf8=")), "")
        english, russian = (name.strip().rstrip(".!").strip() for name in (english, russian))
        english = re.sub(r"^(an?|the) ", "", english, flags=re.IGNORECASE)
        if 0 < len(english) < LONGEST and _CYRILLIC.search(russian):
            yield english[0].lower() + english[1:], russian[0].lower() + russian[1:]


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(RussianNamesRecipe, __doc__, argv)
    pairs = read_pairs(recipe.words)
    pairs += cldr_pairs(recipe.cldr) if recipe.cldr else []
    pairs += stamp_pairs(recipe.stamps) if recipe.stamps else []
    distinct = {(english.lower(), russian.lower().replace("ё", "е")): (english, russian) for english, russian in pairs}
    with recipe.out.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerows([("english", "russian"), *distinct.values()])
    print(f"{len(distinct)} pairs in {recipe.out}")


if __name__ == "__main__":
    main()
