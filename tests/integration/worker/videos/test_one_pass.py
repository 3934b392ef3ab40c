"""A captioner and a tagger with one image encoder: it sees each frame once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage
from numpy.typing import NDArray
from PIL import Image

from framesense.clients.tagger import TaggerClient
from framesense.schemas.jobs import JobState
from framesense.storage.analyses import Frames
from tests.support import tiny_models as tiny
from tests.support.number_captioner import NumberCaptioner
from tests.support.processes import ServerProcess, running_server
from tests.support.video_stack import VideoStack, numbers
from tests.support.videos import numbered_video, render_video
from worker.videos.frames import open_video

PHOTOS = Path(skimage.__file__).parent / "data"


@pytest.mark.parametrize(
    ("captioner_encoder", "tagger_encoder", "form"),
    [("e@1", "e@1", "features"), ("e@1", "e@2", "pictures"), ("e@1", None, "pictures"), (None, None, "pictures")],
)
def test_features_cross_where_the_encoder_is_the_same(
    stack: VideoStack,
    captioner: NumberCaptioner,
    tmp_path: Path,
    captioner_encoder: str | None,
    tagger_encoder: str | None,
    form: str,
) -> None:
    captioner.encoder, captioner.tagger_encoder = captioner_encoder, tagger_encoder
    stack.start_worker(TAGGER_URL=f"{captioner.url}/tagger")
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 20))
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    frames = stack.frames(job)
    assert numbers(frames) == list(range(20))
    assert frames.aligned is not None and frames.aligned[:, 0].tolist() == list(range(20))
    assert captioner.embedded == {form: 20}


@pytest.fixture(scope="module")
def real_captioner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server("captioner", tmp_path_factory.mktemp("captioner")) as server:
        yield server


@pytest.fixture(scope="module")
def real_tagger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("tagger")
    with running_server("tagger", folder, storage_url=folder / "blobs") as server:
        yield server


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of three photos, a second each."""
    photos = [Image.open(PHOTOS / name).convert("RGB") for name in ("chelsea.png", "coffee.png", "rocket.jpg")]
    pictures = [np.asarray(photo.resize((320, 240))) for photo in photos for _ in range(2)]
    pictures[1::2] = [picture[:, ::-1] for picture in pictures[1::2]]
    return render_video(tmp_path_factory.mktemp("clip") / "clip.mp4", pictures, fps=1)


def analysed(stack: VideoStack, clip: Path, captioner: ServerProcess, tagger: ServerProcess) -> Frames:
    stack.start_worker(CAPTIONER_URL=captioner.url, TAGGER_URL=tagger.url)
    job = stack.submit(clip, every_n_second=1.0)
    finished = stack.finished(job)
    assert finished.state is JobState.SUCCEEDED, (finished.error, stack.logs)
    return stack.frames(job)


def embedded_as_pictures(clip: Path, tagger: ServerProcess) -> NDArray[np.float32]:
    video = open_video(clip, max_pixels=10**7)
    with TaggerClient(tagger.url) as client:
        return client.embed([frame.picture for frame in video.samples(1.0, longest_side=640)]).embeddings


@pytest.mark.timeout(300)
def test_the_tagger_runs_no_encoder_for_a_video_job(
    stack: VideoStack, clip: Path, real_captioner: ServerProcess, real_tagger: ServerProcess
) -> None:
    frames = analysed(stack, clip, real_captioner, real_tagger)
    assert len(frames) == 6
    assert real_captioner.metric("captioner_batch_images_sum") == 6
    assert real_tagger.metric("tagger_batch_images_sum") == 0, "not one picture went through its encoder"
    assert frames.aligned is not None
    cosines = (frames.aligned * embedded_as_pictures(clip, real_tagger)).sum(axis=1)
    np.testing.assert_allclose(cosines, 1, atol=1e-3)
    assert real_tagger.metric("tagger_batch_images_sum") == 6, "pictures are counted there"


@pytest.mark.timeout(300)
def test_a_tagger_with_another_encoder_is_sent_the_pictures(
    stack: VideoStack, clip: Path, tmp_path: Path, real_captioner: ServerProcess
) -> None:
    model = tiny.open_clip(tmp_path / "tiny")
    with running_server(
        "tagger", tmp_path, storage_url=tmp_path / "tags", tagger_model=f"path:{model}", tagger_dtype="float32"
    ) as tagger:
        frames = analysed(stack, clip, real_captioner, tagger)
        assert tagger.metric("tagger_batch_images_sum") == 6
        assert frames.aligned is not None
        cosines = (frames.aligned * embedded_as_pictures(clip, tagger)).sum(axis=1)
    np.testing.assert_allclose(cosines, 1, atol=1e-3)
