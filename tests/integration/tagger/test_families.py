"""Every family of taggers, tiny and of random weights, behind a running tagger and a gateway: switched to by its
folder, then asked which labels fit real photos."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import skimage

from framesense.schemas.arrays import to_numpy
from framesense.schemas.classifiers import Classifier, ClassifyResponse
from framesense.schemas.models import ModelPhase, ModelServers
from framesense.schemas.tags import SimilarityResponse, TagsResponse, ThresholdOn
from tagger.models.transformers_dual import FAMILIES
from tests.support import tiny_models as tiny
from tests.support.gateway_process import problem
from tests.support.switching import behind_gateway, save_all, state_of, use

PHOTOS = Path(skimage.__file__).parent / "data"
LABELS = ["a cat", "a cup of coffee", "a rocket"]
MODELS: dict[str, tuple[Callable[[Path], Path], str, int]] = {
    **tiny.DUALS,
    "open-clip": (tiny.open_clip, "open-clip", 16),
    "open-clip-siglip": (lambda folder: tiny.open_clip(folder, init_logit_bias=-10.0), "open-clip", 16),
}
"""What saves it, its family, its dimensions."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_all({name: save for name, (save, *_) in MODELS.items()}, tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module")
def http(redis_process: str, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A gateway whose tagger is a process of its own."""
    with behind_gateway("tagger", folder, redis_process, tmp_path_factory.mktemp("tagger")) as http:
        yield http


def photos(*names: str) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("images", (name, (PHOTOS / name).read_bytes(), "image/png")) for name in names]


def test_every_family_is_tried() -> None:
    assert {family for _, family, _ in MODELS.values()} == {*FAMILIES, "open-clip"}


@pytest.mark.parametrize("name", MODELS)
def test_through_the_gateway(http: httpx.Client, folder: Path, name: str) -> None:
    """The same photos and labels each time: what the model before remembered of them would be of other dimensions."""
    _, family, dimensions = MODELS[name]
    model = f"path:{folder / name}"
    use(http, "tagger", model)
    listed = ModelServers.model_validate(http.get("/models").json())
    (info,) = [info for info in listed.models if info.service == "tagger"]
    assert (info.name, info.family, info.device, info.dtype) == (model, family, "cpu", "float32")
    assert info.parameters > 10_000
    state = state_of(http, "tagger")
    assert (state.model, state.state, state.device, state.switching_to) == (model, ModelPhase.READY, "cpu", None)

    files, labels = photos("chelsea.png", "coffee.png"), {"labels": LABELS}
    answer = http.post("/tags", files=files, data={**labels, "return": "embeddings,all"})
    assert answer.status_code == 200, answer.text
    tagged = TagsResponse.model_validate_json(answer.content)
    assert tagged.model == info
    assert (tagged.threshold_on, tagged.threshold) == (ThresholdOn.COSINE, 0.25)
    assert [image.image for image in tagged.images] == ["chelsea.png", "coffee.png"]
    assert tagged.embeddings is not None
    embeddings = to_numpy(tagged.embeddings)
    assert embeddings.shape == (2, dimensions)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-4)
    assert not np.allclose(embeddings[0], embeddings[1], atol=1e-3)
    for image in tagged.images:
        scores = image.scores or []
        assert [tag.label for tag in scores] == LABELS
        assert all(0 <= tag.probability <= 1 and -1 <= tag.cosine <= 1 for tag in scores)
        over = {tag.label for tag in scores if tag.cosine >= tagged.threshold}
        assert len(over) == image.over_threshold
        assert {tag.label for tag in image.tags} == over or (len(image.tags) == 1 and not over)
        ranked = [tag.probability for tag in image.tags]
        assert ranked == sorted(ranked, reverse=True)

    answer = http.post("/similarity", files=files, data={"texts": LABELS, "template": "a photo of a {label}"})
    assert answer.status_code == 200, answer.text
    similar = SimilarityResponse.model_validate_json(answer.content)
    for mine, told in ((similar.cosine, "cosine"), (similar.probability, "probability")):
        theirs = [[getattr(tag, told) for tag in image.scores or []] for image in tagged.images]
        assert to_numpy(mine) == pytest.approx(np.array(theirs), abs=2e-4)


def test_a_classifier_belongs_to_the_model_that_made_it(http: httpx.Client, folder: Path) -> None:
    use(http, "tagger", f"path:{folder / 'siglip'}")
    made = http.post("/classifiers", json={"name": "things", "labels": LABELS})
    assert made.status_code == 201, made.text
    for name in MODELS:
        use(http, "tagger", f"path:{folder / name}")
        own = name == "siglip"
        assert Classifier.model_validate(http.get("/classifiers/things").json()).usable is own
        answer = http.post("/classifiers/things/classify", files=photos("chelsea.png"))
        if own:
            (ranked,) = ClassifyResponse.model_validate_json(answer.content).images
            assert sum(label.probability for label in ranked.ranking) == pytest.approx(1, abs=1e-3)
        else:
            assert "siglip" in problem(answer, 409).detail
