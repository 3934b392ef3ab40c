"""Write files that are for the account that runs this alone."""

import os
from pathlib import Path


def write_private(file: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file in one step, in place of what it held: whoever reads it finds the old text or the new one, whole.

    ``mode``: the file's permissions, which hold from the start. The folder is made if need be, with 0700. Raises
    OSError where it cannot be written; what was there is left as it was.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as written:
            written.write(text)
            written.flush()
            os.fsync(written.fileno())
        part.chmod(mode)  # whatever the umask has taken from it
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
