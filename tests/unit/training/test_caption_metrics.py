"""Metrics of captions against values found by hand."""

from __future__ import annotations

import math

import pytest

from training import caption_metrics

words = str.split


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
