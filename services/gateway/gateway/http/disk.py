"""Room on the disk: what would not fit is refused before it arrives, and a reserve stays for the work under way."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from framesense.http.problems import ProblemError, storage_full


class DiskSpace:
    """Know how much room there is where uploads arrive and where they stay.

    ``folders``: those that lie on disks of this machine. ``reserve``: bytes that uploads leave free.
    """

    def __init__(self, folders: Sequence[Path], *, reserve: int) -> None:
        self._folders, self._reserve = folders, reserve

    def free(self) -> int | None:
        """Return the bytes that uploads may still fill, of the fullest disk; None where no disk is ours."""
        rooms = [shutil.disk_usage(folder).free - self._reserve for folder in self._folders if folder.is_dir()]
        return max(0, min(rooms)) if rooms else None

    def problem(self, size: int = 1) -> ProblemError | None:
        """Return the 507 problem of something of ``size`` bytes that does not fit, or None where it does."""
        free = self.free()
        if free is None or size <= free:
            return None
        if free:
            detail = f"The server has room for {free:,} bytes, and this has {size:,}."
        else:
            detail = "The server's disk is full: it takes no more files."
        return storage_full(detail)

    def require(self, size: int) -> None:
        """Raise a 507 problem where something of ``size`` bytes does not fit."""
        if problem := self.problem(size):
            raise problem
