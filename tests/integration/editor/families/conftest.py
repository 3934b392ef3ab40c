"""Tiny pipelines of every family, saved and loaded once for all tests of this folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from editor.models.base import LoadedModel
from tests.support.tiny_diffusion import FAMILIES, save_pipeline
from tests.support.tiny_edits import load


@pytest.fixture(scope="package")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("pipelines")

    def folder(name: str) -> Path:
        return root / name if (root / name).exists() else FAMILIES[name](root / name)

    return folder


@pytest.fixture(scope="package")
def models(folders: Callable[[str], Path]) -> Callable[[str], LoadedModel]:
    loaded: dict[str, LoadedModel] = {}

    def model(name: str) -> LoadedModel:
        if name not in loaded:
            loaded[name] = load(folders(name))
        return loaded[name]

    return model


@pytest.fixture
def copy(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    """A Stable Diffusion folder to spoil."""
    return Path(shutil.copytree(folders("stable-diffusion"), tmp_path / "copy"))


@pytest.fixture(scope="package")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(save_pipeline(tmp_path_factory.mktemp("upscalers") / "tiny", channels=7))
