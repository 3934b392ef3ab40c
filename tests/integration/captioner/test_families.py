"""Every family of captioners, tiny and of random weights, behind a running captioner and a gateway: switched to by its
folder, then asked for captions of real photos."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import skimage
import torch
from skimage import data

from captioner.captioning import Captioner, CaptionOptions
from captioner.models.factory import FAMILIES, OPEN_CLIP_FAMILY, load_model
from captioner.models.generating import pieces
from captioner.settings import CaptionerSettings
from framesense.schemas.arrays import to_numpy
from framesense.schemas.captions import CaptionExtra, CaptionResponse
from framesense.schemas.models import WordEmbeddings
from tests.support import tiny_models as tiny
from tests.support.gateway_process import problem
from tests.support.switching import behind_gateway, save_all, use

PHOTOS = Path(skimage.__file__).parent / "data"
MODELS: dict[str, tuple[Callable[[Path], Path], str, int]] = {
    "blip": (tiny.blip, "blip", 3),
    "blip2-opt": (tiny.blip2, "blip-2", 3),
    "blip2-t5": (lambda folder: tiny.blip2(folder, seq2seq=True), "blip-2", 3),
    "vit-gpt2": (tiny.vit_gpt2, "vision-encoder-decoder", 3),
    "git": (tiny.git, "git", 3),
    "florence2": (tiny.florence2, "florence2", 3),
    "coca": (tiny.coca, "coca", 3),
    "clipcap-mlp": (tiny.clipcap, "clipcap", 3),
    "clipcap-transformer": (lambda folder: tiny.clipcap(folder, "transformer"), "clipcap", 3),
}
"""What saves it, its family, rows and columns of its features."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_all({name: save for name, (save, *_) in MODELS.items()}, tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module")
def http(redis_process: str, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A gateway whose captioner is a process of its own."""
    with behind_gateway("captioner", folder, redis_process, tmp_path_factory.mktemp("captioner")) as http:
        yield http


def caption(http: httpx.Client, *names: str, **query: object) -> httpx.Response:
    files = [("images", (name, (PHOTOS / name).read_bytes(), "image/png")) for name in names]
    query["return"] = query.pop("extras", None)
    return http.post("/caption", files=files, params={k: v for k, v in query.items() if v is not None})  # type: ignore[arg-type]


def test_every_family_is_tried() -> None:
    assert {family for _, family, _ in MODELS.values()} == (FAMILIES.keys() | {OPEN_CLIP_FAMILY}) - {"show-attend-tell"}


@pytest.mark.parametrize("name", MODELS)
def test_through_the_gateway(http: httpx.Client, folder: Path, name: str) -> None:
    _, family, side = MODELS[name]
    use(http, "captioner", f"path:{folder / name}")
    extras = "embeddings,features,visual,patches"
    answer = caption(http, "coffee.png", "chelsea.png", beams=2, max_tokens=6, extras=extras)
    assert answer.status_code == 200, answer.text
    found = CaptionResponse.model_validate_json(answer.content)
    assert (found.model.family, found.model.word_embeddings) == (family, WordEmbeddings.DECODER)
    assert found.model.parameters > 10_000
    for one in found.captions:
        assert one.embeddings and one.features and one.visual and one.patches
        assert 1 <= len(one.tokens) <= 6
        assert max(token.log_probability for token in one.tokens) <= 0
        assert to_numpy(one.embeddings.words).shape == (len(one.tokens), 32)
        assert to_numpy(one.embeddings.sentence).shape == (384,)
        assert to_numpy(one.features).shape[:2] == (side, side)
        assert np.linalg.norm(to_numpy(one.visual)) == pytest.approx(1, abs=1e-4)
        assert to_numpy(one.patches).shape == (side, side, 64)
    refused = problem(caption(http, "coffee.png", extras="attention"), 422)
    assert "many layers and heads" in refused.detail
    assert found.model.encoder is None
    assert "image encoder" in problem(caption(http, "coffee.png", extras="pooled"), 422).detail
    assert caption(http, "coffee.png", beams=1).status_code == 200


def captioner(folder: Path) -> Captioner:
    return Captioner.load(
        CaptionerSettings(captioner_model=f"path:{folder}", captioner_device="cpu", captioner_dtype="float32")
    )


@pytest.mark.parametrize("name", MODELS)
def test_what_is_written_is_what_is_scored(folder: Path, name: str) -> None:
    """Greedy search takes the likeliest token each time: the pass that scores must find the same ones likeliest."""
    settings = CaptionerSettings(captioner_model=f"path:{folder / name}", captioner_device="cpu")
    model = load_model(settings.model_copy(update={"captioner_dtype": "float32"})).model
    pixels = torch.stack([model.preprocess(image) for image in (data.coffee(), data.chelsea(), data.astronaut())])
    with torch.inference_mode():
        encoded = model.encode(pixels)  # type: ignore[attr-defined]
        generated = model.generate(encoded, 1, 5)  # type: ignore[attr-defined]
        logits = model.score(encoded, generated)  # type: ignore[attr-defined]
    assert logits.shape[:2] == generated.shape
    for row, ids in zip(logits, generated, strict=True):
        likeliest = row.topk(2).indices.tolist()
        for position, token in enumerate(ids.tolist()):
            # the first may not be the end (min_new_tokens), the last may have been forced; padding is not scored
            if token in model._stop:  # type: ignore[attr-defined]
                break
            assert token == likeliest[position][0] or (position == 0 and token == likeliest[0][1])


@pytest.mark.parametrize("name", MODELS)
def test_a_caption_depends_on_the_picture_and_not_on_its_batch(folder: Path, name: str) -> None:
    loaded = captioner(folder / name)
    photos = [loaded._loaded.model.preprocess(image) for image in (data.coffee(), data.astronaut())]
    options = CaptionOptions(2, 6, frozenset({CaptionExtra.VISUAL}))
    together = [one.caption for one in loaded.describe(options, photos)]
    alone = [loaded.describe(options, [photo])[0].caption for photo in photos]
    assert [one.text for one in together] == [one.text for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-3)
    assert not np.allclose(together[0].visual, together[1].visual, atol=1e-3)  # type: ignore[arg-type]


def test_clipcap_weights_that_do_not_fit_are_told(folder: Path, tmp_path: Path) -> None:
    made = tiny.clipcap(tmp_path / "model")
    config = made / "config.json"
    config.write_text(config.read_text().replace('"prefix_length": 3', '"prefix_length": 4'))
    with pytest.raises(ValueError, match="does not hold a ClipCap model"):
        captioner(made)


def test_a_word_begins_where_there_is_no_mark() -> None:
    assert pieces(["a", "Ġsun", "flower", "."]) == ["a", "sun", "##flower", "."]
    assert pieces(["a", "sun", "##flower"]) == ["a", "sun", "##flower"]


def test_without_embeddings_of_its_own_the_sentence_encoder_stands_in(folder: Path) -> None:
    loaded = captioner(folder / "git")

    class Without:
        tokens = ("a", "sun", "##flower")
        word_embeddings = None

    words = loaded._words(Without())  # type: ignore[arg-type]
    assert words.shape == (3, 384)
    assert np.allclose(np.linalg.norm(words, axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("name", ["blip", "git", "coca"])
def test_compiled_for_fixed_sizes_it_says_the_same(folder: Path, name: str) -> None:
    loaded = captioner(folder / name)
    photos = [loaded._loaded.model.preprocess(image) for image in (data.coffee(), data.astronaut(), data.chelsea())]
    options = CaptionOptions(1, 5)
    before = [one.caption.text for one in loaded.describe(options, photos)]
    torch._dynamo.reset()
    loaded._loaded.model.compile(2, backend="eager")  # type: ignore[attr-defined]
    assert [one.caption.text for one in loaded.describe(options, photos)] == before


@pytest.mark.parametrize("name", ["embedded", "florence2"])
def test_what_is_not_compiled_is_told(folder: Path, name: str) -> None:
    model = name if name == "embedded" else f"path:{folder / name}"
    with pytest.raises(ValueError, match="CAPTIONER_COMPILE=false"):
        Captioner.load(CaptionerSettings(captioner_model=model, captioner_compile=True))
