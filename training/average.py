"""Average the weights of models that were trained on from the same one (Wortsman et al., 2022, "Model soups").

    python -m training.average --folders runs/a runs/b --shares 2 1 --out models/captioner-show-attend-tell

Runs that go on from the same weights, and differ in data, rate, dropout, reward or seed, err in different ways; their
mean describes new photos better than most of them, at no cost at run time. Captioners and the tagger's heads alike: the
weights are averaged, all other files are the first folder's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import safetensors.torch
import torch

from training.config import parse_recipe

WEIGHTS_FILES = ("decoder.safetensors", "head.safetensors")


@dataclass(frozen=True)
class AverageRecipe:
    """The options of the command line."""

    folders: Annotated[tuple[Path, ...], "folders with a model each"]
    out: Annotated[Path, "where their mean goes"]
    shares: Annotated[tuple[float, ...], "how much each counts (alike, if not said)"] = ()


def average(folders: Sequence[Path], out: Path, shares: Sequence[float] = ()) -> None:
    """Write to ``out`` the mean of the models in ``folders``.

    Raises:
        ValueError: they differ in vocabulary or sizes, or there are not as many shares as folders.
    """
    shares = shares or [1.0] * len(folders)
    if len(shares) != len(folders):
        raise ValueError(f"{len(folders)} folders need as many shares, got {len(shares)}")
    (name,) = (name for name in WEIGHTS_FILES if (folders[0] / name).exists())
    states = [safetensors.torch.load_file(folder / name) for folder in folders]
    shapes = [{key: tensor.shape for key, tensor in state.items()} for state in states]
    words = [_vocabulary(folder) for folder in folders]
    for folder, shape, vocabulary in zip(folders, shapes, words, strict=True):
        if shape != shapes[0] or vocabulary != words[0]:
            raise ValueError(f"{folder} and {folders[0]} differ in vocabulary or sizes")
    total = sum(shares)
    mean = {
        key: torch.stack([state[key].float() * (share / total) for state, share in zip(states, shares, strict=True)])
        .sum(0)
        .half()
        for key in states[0]
    }
    out.mkdir(parents=True, exist_ok=True)
    for file in folders[0].iterdir():
        if file.is_file() and file.name != name and file.resolve() != (out / file.name).resolve():
            shutil.copy(file, out)
    safetensors.torch.save_file(mean, out / name)


def _vocabulary(folder: Path) -> object:
    file = folder / "vocabulary.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else None


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(AverageRecipe, __doc__, argv)
    average(recipe.folders, recipe.out, recipe.shares)
    print(f"the mean of {len(recipe.folders)} models is in {recipe.out}")


if __name__ == "__main__":
    main()
