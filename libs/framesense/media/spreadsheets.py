"""Text that is safe in a spreadsheet's cell."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """Spreadsheets run a cell that begins like a formula; an apostrophe before it makes it text
    (https://owasp.org/www-community/attacks/CSV_Injection)."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
