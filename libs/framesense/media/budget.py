"""A bound on what one process decodes at once, however many requests it answers."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class PixelBudget:
    """Let pictures be decoded while they have at most ``pixels`` together; others wait for their turn, in order.

    A picture of more than that is decoded alone. Safe for threads.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels, self._used = pixels, 0
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def reserve(self, pixels: int) -> Iterator[None]:
        """Hold so many pixels for as long as the context lasts; blocks until they are free."""
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            self._changed.wait_for(lambda: self._waiting[0] is turn and self._has_room(pixels))
            self._waiting.popleft()
            self._used += pixels
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._used -= pixels
                self._changed.notify_all()

    def _has_room(self, pixels: int) -> bool:
        return self._used == 0 or self._used + pixels <= self._pixels
