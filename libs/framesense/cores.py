"""How many cores this process may keep busy: what it may run on, within what its control groups grant.

A container with ``--cpus=2`` on a host of 64 cores sees all 64, and is stopped for a while whenever it has used up the
time of two; threads for all 64 then do little but wait for one another.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def available_cores(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return how many cores this process may keep busy, at least 1; a part of a core counts as one.

    Args:
        cgroups: where the control groups' files are, of either version.
        membership: names this process's groups, as ``/proc/self/cgroup`` does.
    """
    cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas(cgroups, membership))]))


def _quotas(cgroups: Path, membership: Path) -> Iterator[float]:
    """Yield the quota, in cores, of every group that this process is in, up to the outermost that is seen here."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            root = cgroups
        elif "cpu" in controllers.split(","):
            root = cgroups / "cpu"
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if quota := _quota(folder):
                yield quota
            if folder == root:
                break


def _quota(folder: Path) -> float | None:
    """Return a group's quota in cores; None for none, or where there is no such group here."""
    try:
        if (limit := folder / "cpu.max").exists():
            granted, period = limit.read_text().split()
        else:
            granted = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return float(granted) / float(period) if float(granted) > 0 else None
    except (OSError, ValueError):  # ValueError: "max", no limit
        return None
