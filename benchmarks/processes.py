"""A server as a process: until it is ready, inside a ``with``, and stopped for sure."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.processes import ProcessFolder, Program

START_SECONDS, STOP_SECONDS = 900, 20


@contextmanager
def running(program: Program, folder: Path) -> Iterator[None]:
    """Run a program, ready inside the block; afterwards it is stopped with all that it started.

    ``folder`` keeps what it prints, as ``logs/NAME.log``. Raises RuntimeError, with the end of that, when it ends by
    itself or is not ready within :data:`START_SECONDS`.
    """
    processes = ProcessFolder(folder, [program.name], os.environ, grace=STOP_SECONDS)
    processes.supervise()
    try:
        processes.start(program)
        deadline = time.monotonic() + START_SECONDS
        while (reason := program.check()) is not None:
            if not processes.supervised()[program.name].is_up or time.monotonic() > deadline:
                raise RuntimeError(f"{program.name} did not start ({reason}):\n{processes.tail(program.name)}")
            time.sleep(0.5)
        yield
    finally:
        processes.stop(program.name)
        processes.release()
