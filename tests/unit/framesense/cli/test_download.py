"""What ``framesense download`` reads and chooses."""

from collections import Counter
from pathlib import Path

import pytest

from framesense.cli.__main__ import main
from framesense.cli.download import read_table, sample


def test_the_sample_is_the_same_for_a_seed_and_paths_stay_inside(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    lines = ["image_id,hotel_id,image_url"] + [f"{n},{n % 7},http://x/{n}" for n in range(70)]
    table.write_text("\n".join([*lines, "../../etc/x,../..,http://x/1", "1,,http://x", "7,0,http://other"]))
    listed = list(read_table(table))
    assert len(listed) == 72
    assert listed[70].path == Path("_") / "_.._etc_x.jpg"
    first = sample(listed, 3, seed=1)
    assert first == sample(listed, 3, seed=1)
    assert {one.hotel_id for one in first} != {one.hotel_id for one in sample(listed, 3, seed=2)}
    assert len({one.hotel_id for one in first}) == 3
    assert max(Counter(one.hotel_id for one in sample(listed, 99, 0, images_per_hotel=2)).values()) == 2
    assert len({one.path for one in sample(listed, 99, 0)}) == 71


@pytest.mark.parametrize("content", [b"", b"a,b,c\n1,2,3\n", b"\xff\xfe"])
def test_tables_that_cannot_be_used(content: bytes, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes(content)
    assert main(["download", str(table), str(tmp_path / "out"), "--hotels", "1"]) == 2
