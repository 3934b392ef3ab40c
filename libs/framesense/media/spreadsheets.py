"""Make text safe for the cells of a spreadsheet."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """Return the text with an apostrophe before it where a spreadsheet would run it as a formula
    (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
