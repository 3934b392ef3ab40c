"""``python -m tools.launch PROGRAM.json RECORD.json``: become the program that a file describes, and note which process
that is.

A file, because supervisord's own configuration has no way to write every environment; and read at each start, so that
a program that is started again finds its settings as they are now.
"""

import json
import os
import sys
from pathlib import Path

import psutil


def main() -> None:
    program, record = map(Path, sys.argv[1:])
    described = json.loads(program.read_text())
    process = psutil.Process()
    written = record.with_name(f".{record.name}")
    written.write_text(json.dumps({"pid": process.pid, "created": process.create_time()}))
    written.replace(record)
    # The number of the process stays the same.
    os.execve(described["command"][0], described["command"], described["environment"])  # noqa: S606


if __name__ == "__main__":
    main()
