"""What the Russian text side learns from, and that the closed form finds what is there to be learnt."""

import csv
from pathlib import Path

import torch
from torch.nn import functional as F

from tools.settings import ROOT
from training.russian_names import cldr_pairs, read_pairs, stamp_pairs
from training.russian_texts import Lesson, RussianTextsRecipe, read_russian, solve_head

ANNOTATIONS = """<ldml><annotations>
<annotation cp="🐈">words | others</annotation><annotation cp="🐈" type="tts">{}</annotation>
<annotation cp="←" type="tts">{}</annotation></annotations></ldml>"""


def test_the_words_in_the_project_are_pairs_of_two_scripts() -> None:
    pairs = read_pairs(ROOT / "training" / "russian_words.csv")
    assert len(pairs) > 1000 and ("kitchen", "кухня") in pairs
    assert all(english.isascii() and not russian.isascii() for english, russian in pairs)


def test_names_of_emoji_and_stamps(tmp_path: Path) -> None:
    (tmp_path / "en.xml").write_text(ANNOTATIONS.format("cat", "left arrow"), "utf-8")
    (tmp_path / "ru.xml").write_text(ANNOTATIONS.format("Кошка", "стрелка"), "utf-8")
    assert list(cldr_pairs(tmp_path)) == [("cat", "кошка")]
    (tmp_path / "symbols").mkdir()
    for place, text in (
        ("owl.txt", "An owl.\nfr.utf8=Un hibou.\nru.utf8=Сова.\n"),
        ("symbols/a.txt", "A.\nru.utf8=А."),
    ):
        (tmp_path / place).write_text(text, "utf-8")
    (tmp_path / "elk.txt").write_text("An elk.\nfr.utf8=Un élan.\n", "utf-8")
    assert list(stamp_pairs(tmp_path)) == [("owl", "сова")]


def test_captions_of_a_split_and_no_more_of_a_photo_than_wanted(tmp_path: Path) -> None:
    file = tmp_path / "captions.csv"
    rows = [("a.jpg", "train", "раз"), ("a.jpg", "train", "два"), ("b.jpg", "val", "три"), ("c.jpg", "train", "пять")]
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([("image", "split", "caption"), *rows])
    assert read_russian(file, "train", 1) == [("a.jpg", "раз"), ("c.jpg", "пять")]
    assert len(read_russian(file, "train", 2)) == 3


def test_a_turned_space_is_learnt_from_pairs_and_carries_over_to_new_ones() -> None:
    torch.manual_seed(0)
    directions = torch.randn(12, 384)  # what texts differ in has far fewer dimensions than their vectors
    turn = torch.linalg.qr(torch.randn(384, 384))[0]
    texts = F.normalize(torch.randn(600, 12) @ directions, dim=1)
    targets = texts @ turn
    recipe = RussianTextsRecipe(Path(), Path(), Path(), Path(), hidden_size=32, ridge=1.0)
    head = solve_head(Lesson(texts[:200], targets[:200]), Lesson(texts[200:500], targets[200:500]), recipe)
    assert (head(texts[500:]) * targets[500:]).sum(dim=1).min() > 0.9
