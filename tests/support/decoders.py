"""The decoders that a test has running."""

import psutil

from worker.videos.isolated import MODULE


def decoders() -> list[psutil.Process]:
    """Return this process's decoders, among other children that tests share."""
    return [child for child in psutil.Process().children() if MODULE in child.cmdline()]
