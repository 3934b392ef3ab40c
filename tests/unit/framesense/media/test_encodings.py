"""Encodings of short texts, as zip tools and spreadsheets of many countries write them."""

import pytest

from framesense.media.encodings import ANSI_PAGES, OEM_PAGES, decode_text, guess_encoding

RUSSIAN, GERMAN, FRENCH = "кухня\nванная\nНомер с видом №5", "Küche\nBäder", "chambre à coucher\nsalle de bains été"


@pytest.mark.parametrize("pages", [OEM_PAGES, ANSI_PAGES])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "cp866"),
        (RUSSIAN, "cp1251"),
        ("кухня", "cp866"),
        ("ИМГ фото 1", "cp866"),
        (GERMAN, "cp437"),
        (GERMAN, "cp850"),
        (GERMAN, "cp1252"),
        (FRENCH, "cp850"),
        (FRENCH, "cp1252"),
        ("Ξενοδοχείο\nκουζίνα", "cp737"),
        ("キッチン\nお風呂\n台所", "cp932"),
        ("厨房\n浴室\n卧室", "gbk"),
        ("廚房\n浴室\n臥室", "big5"),
        ("부엌\n욕실\n침실", "cp949"),
        (RUSSIAN, "utf-8"),
        (RUSSIAN, "utf-16"),
    ],
)
def test_texts_come_back(text: str, encoding: str, pages: tuple[str, ...]) -> None:
    assert decode_text(text.encode(encoding), pages)[0] == text


def test_any_bytes_are_decoded() -> None:
    for raw in (b"", b"\xff", bytes(range(256)), b"\xff\xfe\x00", b"\x81\x8d\x8f\x90\x9d" * 9):
        text, encoding = decode_text(raw, ANSI_PAGES)
        assert isinstance(text, str)
        assert encoding == guess_encoding(raw, ANSI_PAGES)
