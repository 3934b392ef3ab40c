"""Names keep what people write; what hides or turns text goes."""

import unicodedata

import pytest

from framesense.media.names import clean_name


@pytest.mark.parametrize(
    "name",
    [
        "👩‍🍳 kitchen.jpg",  # a woman, a joiner and a pan
        "می‌خواهم.jpg",  # Persian with a zero-width non-joiner
        "हिन्दी रसोई.jpg",
        "q̣̇ and s̩.jpg",  # marks that compose with nothing
        "שלום\u200f 1.jpg",  # a right-to-left mark
        "❤️ 1️⃣.png",
        "a\u00a0b\u3000c.jpg",
    ],
)
def test_what_people_write_is_kept(name: str) -> None:
    assert clean_name(name) == unicodedata.normalize("NFC", name)


def test_composed_and_decomposed_are_equal() -> None:
    for name in ("Küche/Ångström.jpg", "한국어.png", "Việt Nam.jpg"):
        composed, decomposed = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
        assert composed != decomposed
        assert clean_name(composed) == clean_name(decomposed) == composed


@pytest.mark.parametrize("hidden", ["\0", "\n", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028", "\ud800"])
def test_controls_and_overrides_go(hidden: str) -> None:
    assert clean_name(f"photo{hidden}gpj.exe") == "photogpj.exe"
