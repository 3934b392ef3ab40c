"""The cores that a process may keep busy, by the files of control groups."""

import os
from pathlib import Path

import pytest

from framesense.cores import available_cores

HERE = len(os.sched_getaffinity(0))


@pytest.fixture
def membership(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000", HERE), ("100000 100000", 1), ("20000 100000", 1), ("150000 100000", min(2, HERE)), ("junk", HERE)],
)
def test_the_second_version(tmp_path: Path, membership: Path, limit: str, cores: int) -> None:
    membership.write_text("0::/\n")
    write(tmp_path / "groups", cpu__max=f"{limit}\n")
    assert available_cores(tmp_path / "groups", membership) == cores


def test_the_narrowest_group_counts(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/system.slice/captioner.service\n")
    root = tmp_path / "groups"
    write(root / "system.slice", cpu__max="100000 100000\n")
    write(root / "system.slice/captioner.service", cpu__max="max 100000\n")
    assert available_cores(root, membership) == 1


def test_the_first_version(tmp_path: Path, membership: Path) -> None:
    membership.write_text("4:memory:/a\n2:cpu,cpuacct:/a\n0::/\n")
    write(tmp_path / "groups/cpu/a", cpu__cfs_quota_us="100000\n", cpu__cfs_period_us="100000\n")
    assert available_cores(tmp_path / "groups", membership) == 1
    write(tmp_path / "groups/cpu/a", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert available_cores(tmp_path / "groups", membership) == HERE


def test_without_control_groups_all_cores_count(tmp_path: Path) -> None:
    assert available_cores(tmp_path, tmp_path / "nothing") == HERE
