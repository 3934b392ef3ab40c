"""``python -m worker.health``: exit status 0 while the worker of this machine or container is well.

Well means that its event loop turns and reaches Redis: it then touches the heartbeat file every two seconds.
"""

import sys
import time

from worker.settings import WorkerSettings


def main() -> int:
    settings = WorkerSettings()
    try:
        age = time.time() - settings.worker_heartbeat_file.stat().st_mtime
    except FileNotFoundError:
        sys.stderr.write(f"no heartbeat yet: {settings.worker_heartbeat_file} is not there\n")
        return 1
    if age > settings.worker_heartbeat_max_age:
        sys.stderr.write(f"the last heartbeat was {age:.0f} s ago\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
