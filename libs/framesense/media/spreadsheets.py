"""Make tables that a spreadsheet opens right, and text that is safe in its cells."""

BYTE_ORDER_MARK = "\ufeff"
"""Begins every CSV that people download: without it Excel reads UTF-8 as the system's code page."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(text: str) -> str:
    """Return the text with an apostrophe before it where a spreadsheet would run it as a formula.

    See https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
