"""How likely a caption is right, as the captioner tells it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from captioner.app import create_app
from captioner.models.show_attend_tell import ConfidenceModel
from captioner.models.show_attend_tell.files import revision_of
from tests.support.captioner_api import CHELSEA, COFFEE, captions, post, settings
from tests.support.waiting import wait_until_ready


def test_without_a_calibration_there_is_no_confidence_and_the_model_says_why(client: TestClient) -> None:
    answer = post(client, CHELSEA)
    assert "confidence" not in answer.json()["captions"][0]
    assert "no calibration" in answer.json()["model"]["no_confidence"]


def test_a_calibrated_captioner_says_how_likely_it_is_right(models_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "captioner-show-attend-tell"
    shutil.copytree(models_dir / folder.name, folder)
    chance = np.random.default_rng(0)
    ConfidenceModel(
        chance.normal(size=(1280, 8)).astype(np.float32),
        np.zeros(8, np.float32),
        chance.normal(size=(64, 8)).astype(np.float32),
        np.array([3, 0.1, 0], np.float32),
        0.4,
        revision_of(folder),
    ).save(folder)
    with TestClient(create_app(settings(tmp_path, captioner_dtype="float32"))) as client:
        wait_until_ready(client)
        answer = post(client, CHELSEA, COFFEE)
        chelsea, coffee = captions(answer)
        assert chelsea.confidence is not None and coffee.confidence is not None
        assert 0 < chelsea.confidence < 1 and chelsea.confidence != coffee.confidence
        assert "no_confidence" not in answer.json()["model"]
        (with_more,) = captions(post(client, CHELSEA, extras="embeddings,visual", encoding_format="base64"))
        assert with_more.confidence == pytest.approx(chelsea.confidence, abs=0.01)
