"""Lists of texts in a form's field: the ways to write them, and any text at all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framesense.http.texts import encodable, read_text_list, split_labels, split_texts


@pytest.mark.parametrize(
    ("sent", "texts"),
    [
        (["cat", "dog"], ["cat", "dog"]),
        (["a cat, asleep", "dog"], ["a cat, asleep", "dog"]),
        (["cat,dog"], ["cat", "dog"]),
        (["a cat, asleep\ndog\n"], ["a cat, asleep", "dog"]),
        (['["a cat, asleep", "dog"]'], ["a cat, asleep", "dog"]),
        (["a {label}, asleep"], ["a {label}, asleep"]),
        (['\ufeff["cat", "dog"]'], ["cat", "dog"]),
        (["\ufeffcat\r\ndog\r\n"], ["cat", "dog"]),
        (["\ufeffcat", "dog"], ["cat", "dog"]),
        (["\ufeff"], []),
        ([], []),
        ([""], []),
        (["  "], []),
    ],
)
def test_ways_to_write_texts(sent: list[str], texts: list[str]) -> None:
    assert split_texts(sent) == texts


@pytest.mark.parametrize(
    ("sent", "labels"),
    [
        (["cat, dog,"], ["cat", " dog"]),
        (["cat,dog, "], ["cat", "dog"]),
        (["cat,,dog"], ["cat", "", "dog"]),
        ([","], [""]),
        (['["salt; pepper", "dog"]'], ["salt; pepper", "dog"]),
        (["salt; pepper", "dog"], ["salt; pepper", "dog"]),
    ],
)
def test_ways_to_write_labels(sent: list[str], labels: list[str]) -> None:
    assert split_labels(sent) == labels


@pytest.mark.parametrize("value", ["cat;dog", "cat|dog", "cat\tdog", "猫、犬", "قط، كلب", "cat,dog;bird", "cat；dog"])
def test_another_separator_is_no_part_of_a_label(value: str) -> None:
    with pytest.raises(ValueError, match="Put commas between labels"):
        split_labels([value])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('["a", 1]', "array of texts alone"),
        ("[1]", "array of texts alone"),
        ('["a"', "is none"),
        ("[" * 100_000, "nested too deeply"),
        ("[" + "1" * 5000 + "]", "is none"),
        (r'["\ud800"]', "half of a UTF-16 pair"),
    ],
)
def test_json_that_is_no_list_of_texts_is_told_why(value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        split_texts([value])


def test_a_document_that_is_no_array_is_refused() -> None:
    for document in ("{}", '"cat"', "null"):
        with pytest.raises(ValueError, match="array of texts alone"):
            read_text_list(document)


JSON_PIECES = st.lists(
    st.sampled_from(
        [
            "[",
            "]",
            '"',
            ",",
            "{",
            "}",
            ":",
            "\\",
            r"\ud83d",
            r"\ude00",
            "1e999",
            "NaN",
            "-",
            "\ufeff",
            "\x00",
            "é",
            "\n",
        ]
    )
).map("".join)


@given(st.one_of(st.text(), JSON_PIECES, JSON_PIECES.map(lambda text: "[" + text)))
def test_any_text_is_a_list_or_a_value_error(value: str) -> None:
    try:
        texts = split_texts([value])
    except ValueError:
        return
    json.dumps(texts, ensure_ascii=False).encode()


@given(st.text(st.characters(codec=None, categories=["Cs", "L"])))
def test_a_text_with_half_pairs_can_be_encoded(text: str) -> None:
    assert len(encodable(text).encode().decode()) == len(text)
