"""A full queue, a small memory, a model that cannot be loaded."""

import threading
from pathlib import Path

import torch
from fastapi.testclient import TestClient
from httpx2 import Response

from captioner.app import create_app
from captioner.captioning import Captioner, CaptionOptions, Described
from captioner.settings import CaptionerSettings
from framesense.schemas.models import ModelPhase, ModelsResponse
from tests.support.captioner_api import CHELSEA, COFFEE, captions, post, problem, settings
from tests.support.waiting import wait_until, wait_until_ready, wait_while_loading


class Held(Captioner):
    """A captioner whose calls wait for ``gate``: forces a full queue."""

    gate = threading.Event()
    began = threading.Event()

    def describe(self, options: CaptionOptions, pixels: list[torch.Tensor]) -> list[Described]:
        if options.max_tokens == 29:
            self.began.set()
            assert self.gate.wait(timeout=60)
        return super().describe(options, pixels)


def test_a_full_queue_is_a_503_with_retry_after(models_dir: Path) -> None:
    chosen = settings(models_dir, captioner_max_batch=1)
    answers: list[Response] = []
    with TestClient(create_app(chosen, load=Held.load)) as client:
        wait_until_ready(client)
        threads = [threading.Thread(target=lambda: answers.append(post(client, CHELSEA, max_tokens=29)))]
        threads[0].start()
        assert Held.began.wait(timeout=60)
        threads += [
            threading.Thread(target=lambda: answers.append(post(client, *[CHELSEA] * 4, max_tokens=29))) for _ in "ab"
        ]
        for thread in threads[1:]:
            thread.start()
        wait_until(lambda: "captioner_queue_images 8.0" in client.get("/metrics").text)
        refused = post(client, CHELSEA)
        Held.gate.set()
        for thread in threads:
            thread.join()
        assert problem(refused).status == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert [answer.status_code for answer in answers] == [200] * 3
        assert post(client, CHELSEA).status_code == 200


class SmallMemory(Captioner):
    """A captioner on a device that has room for two pictures at once."""

    def describe(self, options: CaptionOptions, pixels: list[torch.Tensor]) -> list[Described]:
        if len(pixels) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().describe(options, pixels)


def test_what_does_not_fit_is_run_in_halves_and_the_size_is_told(models_dir: Path) -> None:
    waiting = settings(models_dir, captioner_max_wait=10)  # for all four, however long each takes to decode
    with TestClient(create_app(waiting, load=SmallMemory.load)) as client:
        wait_until_ready(client)
        for _ in range(2):
            assert len(captions(post(client, *[CHELSEA, COFFEE] * 2))) == 4
        (state,) = ModelsResponse.model_validate_json(client.get("/models").content).states
        assert state.batch_limit in (1, 2)


def test_while_loading_everything_but_health_is_a_503(models_dir: Path) -> None:
    gate = threading.Event()

    def load(chosen: CaptionerSettings) -> Captioner:
        assert gate.wait(timeout=60)
        raise OSError("the disk is gone")

    chosen = settings(models_dir)
    with TestClient(create_app(chosen, load=load)) as client:
        assert client.get("/health").status_code == 200
        for answer in (client.get("/ready"), client.get("/models?load=true"), post(client, CHELSEA)):
            assert problem(answer).status == 503
            assert "being loaded" in answer.json()["detail"]
            assert "retry-after" in answer.headers
        found = ModelsResponse.model_validate_json(client.get("/models").content)
        assert found.models == []
        assert [state.state for state in found.states] == [ModelPhase.LOADING]
        gate.set()
        assert "the disk is gone" in problem(wait_while_loading(client)).detail
        (state,) = ModelsResponse.model_validate_json(client.get("/models").content).states
        assert state.state is ModelPhase.FAILED
        assert "the disk is gone" in (state.detail or "")


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with TestClient(create_app(settings(tmp_path))) as client:
        assert str(tmp_path) in problem(wait_while_loading(client)).detail
