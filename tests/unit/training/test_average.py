"""The average of several decoders' weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from captioner.models.show_attend_tell import (
    SPECIAL_WORDS,
    Decoder,
    load_decoder,
    save_decoder,
)
from tests.support.tiny_decoder import SIZES
from training import average


def test_the_average_of_two_decoders_is_their_mean(tmp_path: Path) -> None:
    words = [*SPECIAL_WORDS, *(f"w{number}" for number in range(SIZES.vocabulary - 4))]
    for seed in (1, 2):
        torch.manual_seed(seed)
        save_decoder(tmp_path / str(seed), Decoder(SIZES), words, image_size=260, length_penalty=0.9)
    average.main(["--out", str(tmp_path / "mean"), "--folders", str(tmp_path / "1"), str(tmp_path / "2")])
    one, two, mean = (load_decoder(tmp_path / name)[0].state_dict() for name in ("1", "2", "mean"))
    for name, value in mean.items():
        torch.testing.assert_close(value, (one[name] + two[name]) / 2, atol=1e-3, rtol=1e-2)
    average.average([tmp_path / "1", tmp_path / "2"], tmp_path / "mean", [3, 1])
    mean = load_decoder(tmp_path / "mean")[0].state_dict()
    for name, value in mean.items():
        torch.testing.assert_close(value, (3 * one[name] + two[name]) / 4, atol=1e-3, rtol=1e-2)
    with pytest.raises(ValueError, match="as many shares"):
        average.average([tmp_path / "1", tmp_path / "2"], tmp_path / "mean", [1])
    save_decoder(tmp_path / "2", Decoder(SIZES), [*words[:-1], "other"], image_size=260, length_penalty=0.9)
    with pytest.raises(ValueError, match="differ in vocabulary"):
        average.average([tmp_path / "1", tmp_path / "2"], tmp_path / "mean")
