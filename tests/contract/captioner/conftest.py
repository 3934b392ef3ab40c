"""A captioner in this process, on a random decoder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fastapi.testclient import TestClient

from captioner.app import create_app
from captioner.models.show_attend_tell import SPECIAL_WORDS, Decoder, DecoderSizes, save_decoder
from tests.support.captioner_api import settings
from tests.support.waiting import wait_until_ready


@pytest.fixture(scope="package")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder of random weights, in the format of the trained one."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    words = [*SPECIAL_WORDS, *(f"word{n}" for n in range(60))]
    decoder = Decoder(DecoderSizes(vocabulary=len(words), embedding=12, hidden=16, attention=8))
    save_decoder(folder / "captioner-show-attend-tell", decoder, words, image_size=260, length_penalty=1.0)
    return folder


@pytest.fixture(scope="package")
def client(models_dir: Path) -> Iterator[TestClient]:
    # float32: so that a picture's caption does not depend on what shares its batch
    with TestClient(create_app(settings(models_dir, captioner_dtype="float32"))) as client:
        wait_until_ready(client)
        yield client
