"""Words that services share in what people read."""


def counted(count: float, noun: str, plural: str | None = None) -> str:
    """Write a number of things: ``1 frame``, ``2 frames``, ``2.5 seconds``. ``plural``: where it is not noun + s."""
    number = str(count) if isinstance(count, int) else f"{count:g}"
    return f"{number} {noun if count == 1 else plural or f'{noun}s'}"
