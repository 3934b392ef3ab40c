"""Settings that all model servers share."""

from pathlib import Path

import pytest

from framesense.serving.settings import ModelServerSettings, find_models_dir


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODELS_DIR", "MODEL_FOLDERS", "MODEL_SWITCH", "FRAMESENSE_TIER"):
        monkeypatch.delenv(name, raising=False)


def test_a_checkout_finds_its_embedded_weights() -> None:
    assert (find_models_dir() / "captioner-show-attend-tell" / "config.json").is_file()
    assert ModelServerSettings().models_dir == find_models_dir()


def test_the_policy_allows_the_weights_folder_and_those_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODEL_FOLDERS", f"{tmp_path / 'a'} , {tmp_path / 'b'},")
    policy = ModelServerSettings(models_dir=tmp_path / "weights").policy("first-use", 0)
    assert policy.folders == (tmp_path / "a", tmp_path / "b", tmp_path / "weights")
    assert policy.unload_after is None and policy.load == "first-use"
