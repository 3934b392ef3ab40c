"""How captions are measured: corpus BLEU-1..4, METEOR, ROUGE-L, CIDEr-D, diversity.

All take captions as lists of words, tokenised the same way on both sides (``training.data.tokenise``: lower case,
punctuation dropped). ``references[i]`` are the human captions of photo i, ``candidates[i]`` is the model's.
"""

from __future__ import annotations

import atexit
import collections
import math
import shutil
import statistics
import tempfile
import warnings
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import nltk.data
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.data import FileSystemPathPointer
from nltk.translate.bleu_score import corpus_bleu
from nltk.translate.meteor_score import meteor_score

Words = Sequence[str]


def bleu(references: Sequence[Sequence[Words]], candidates: Sequence[Words]) -> list[float]:
    """Compute corpus BLEU-1..4 (Papineni et al., 2002) by nltk's ``corpus_bleu``, unsmoothed, in percent."""
    weights = [tuple(1 / n for _ in range(n)) for n in (1, 2, 3, 4)]
    scores: list[float] = corpus_bleu(references, candidates, weights=weights)
    return [100 * float(score) for score in scores]


# ------------------------------------------------------------------------------------------------------------ ROUGE-L


def rouge_l(references: Sequence[Sequence[Words]], candidates: Sequence[Words], beta: float = 1.2) -> float:
    """Compute the mean ROUGE-L (Lin, 2004) in percent, as the COCO caption evaluation does.

    For each photo P and R are the best precision and recall of the longest common subsequence over the references, and
    F = (1 + β²) P R / (R + β² P).
    """
    total = 0.0
    for texts, candidate in zip(references, candidates, strict=True):
        common = [longest_common_subsequence(text, candidate) for text in texts]
        precision = max(common, default=0) / max(1, len(candidate))
        recall = max((length / max(1, len(text)) for length, text in zip(common, texts, strict=True)), default=0.0)
        if precision and recall:
            total += (1 + beta**2) * precision * recall / (recall + beta**2 * precision)
    return 100 * total / max(1, len(candidates))


def longest_common_subsequence(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Return the length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for item in first:
        diagonal = 0
        for place, other in enumerate(second, start=1):
            above = row[place]
            row[place] = diagonal + 1 if item == other else max(above, row[place - 1])
            diagonal = above
    return row[-1]


# ------------------------------------------------------------------------------------------------------------- CIDEr-D

Vector = tuple[list[dict[tuple[Hashable, ...], float]], list[float], int]  # tf-idf and its norm for n = 1..4, length


class CiderD:
    """CIDEr-D (Vedantam et al., 2015, arXiv:1411.5726, section 5), document frequencies from given references.

    A caption becomes four tf-idf vectors, one for the n-grams of each n = 1..4; a photo is a document. Similarity of
    candidate c and reference r for one n is Σ min(c, r)·r / (‖c‖ ‖r‖) · exp(-(len c - len r)² / 2σ²) with σ = 6; the
    score is its mean over n and over the references, times 10. Agrees with pycocoevalcap's ``Cider``: the
    same to 12 digits on the 895 test photos with shuffled human captions.
    """

    sigma = 6.0
    longest = 4

    def __init__(self, documents: Sequence[Sequence[Sequence[Hashable]]]) -> None:
        frequency: collections.Counter[tuple[Hashable, ...]] = collections.Counter()
        for texts in documents:
            frequency.update({gram for text in texts for grams in self._count(text) for gram in grams})
        self._documents = math.log(max(1, len(documents)))
        self._idf = {gram: self._documents - math.log(count) for gram, count in frequency.items()}

    def _count(self, text: Sequence[Hashable]) -> list[dict[tuple[Hashable, ...], int]]:
        words = tuple(text)
        counts = []
        for n in range(1, self.longest + 1):
            count: dict[tuple[Hashable, ...], int] = {}
            for start in range(len(words) - n + 1):
                gram = words[start : start + n]
                count[gram] = count.get(gram, 0) + 1
            counts.append(count)
        return counts

    def vector(self, text: Sequence[Hashable]) -> Vector:
        """Return what :meth:`similarity` compares; worth keeping for references that are used many times."""
        idf, unseen = self._idf, self._documents
        vectors = [{gram: n * idf.get(gram, unseen) for gram, n in count.items()} for count in self._count(text)]
        norms = [math.sqrt(sum(value * value for value in vector.values())) for vector in vectors]
        return vectors, norms, len(text)

    def similarity(self, candidate: Vector, references: Sequence[Vector]) -> float:
        """Compute the CIDEr-D of one candidate, 0 to 10."""
        total = 0.0
        for vectors, norms, length in references:
            closeness = 0.0
            for ours, theirs, our_norm, their_norm in zip(candidate[0], vectors, candidate[1], norms, strict=True):
                if our_norm and their_norm:
                    dot = sum(min(value, theirs[gram]) * theirs[gram] for gram, value in ours.items() if gram in theirs)
                    closeness += dot / (our_norm * their_norm)
            total += closeness * math.exp(-((candidate[2] - length) ** 2) / (2 * self.sigma**2))
        return 10 * total / (self.longest * max(1, len(references)))

    def score(self, references: Sequence[Sequence[Words]], candidates: Sequence[Words]) -> float:
        """Compute the mean CIDEr-D of a corpus, 0 to 10 (papers print it times 100: a human's is near 1 on COCO)."""
        scores = [
            self.similarity(self.vector(candidate), [self.vector(text) for text in texts])
            for texts, candidate in zip(references, candidates, strict=True)
        ]
        return sum(scores) / max(1, len(scores))


def sentence_bleu4(
    candidate: Sequence[Hashable], references: Sequence[collections.Counter[tuple[Hashable, ...]]], lengths: list[int]
) -> float:
    """Compute the BLEU-4 of one caption, 0 to 1, as a reward.

    Every n-gram count is plus one for n > 1 (Lin and Och, 2004). The brevity penalty is against the references'
    *median* length, not the closest: with the closest, a model that learns from this finds out that short captions pay
    (8 words on average after two epochs; people write 11).

    Args:
        candidate: the caption.
        references: the n-gram counts (n = 1..4 together) of each reference, see :func:`ngram_counts`.
        lengths: the references' lengths.
    """
    if not candidate:
        return 0.0
    matched, possible = [0] * 4, [max(0, len(candidate) - n) for n in range(4)]
    for gram, count in ngram_counts(candidate).items():
        matched[len(gram) - 1] += min(count, max(reference[gram] for reference in references))
    if not matched[0]:
        return 0.0
    log = math.log(matched[0] / possible[0])
    log += sum(math.log((hit + 1) / (all_ + 1)) for hit, all_ in zip(matched[1:], possible[1:], strict=True))
    return math.exp(log / 4 + min(0.0, 1 - statistics.median(lengths) / len(candidate)))


def ngram_counts(text: Sequence[Hashable]) -> collections.Counter[tuple[Hashable, ...]]:
    """Count each n-gram of 1 to 4 words."""
    words = tuple(text)
    return collections.Counter(words[i : i + n] for n in range(1, 5) for i in range(len(words) - n + 1))


# -------------------------------------------------------------------------------------------------------------- METEOR

#: The lexicographer files of WordNet 3.0 (lexnames(5WN)), which Debian's package leaves out and nltk wants to read.
_LEXNAMES = [
    *("adj.all", "adj.pert", "adv.all", "noun.Tops"),
    *(
        f"noun.{name}"
        for name in (
            "act",
            "animal",
            "artifact",
            "attribute",
            "body",
            "cognition",
            "communication",
            "event",
            "feeling",
            "food",
            "group",
            "location",
            "motive",
            "object",
            "person",
            "phenomenon",
            "plant",
            "possession",
            "process",
            "quantity",
            "relation",
            "shape",
            "state",
            "substance",
            "time",
        )
    ),
    *(
        f"verb.{name}"
        for name in (
            "body",
            "change",
            "cognition",
            "communication",
            "competition",
            "consumption",
            "contact",
            "creation",
            "emotion",
            "motion",
            "perception",
            "possession",
            "social",
            "stative",
            "weather",
        )
    ),
    "adj.ppl",
]


def wordnet(folder: Path = Path("/usr/share/wordnet")) -> Any:
    """Open nltk's reader over the WordNet files of Debian's package wordnet-base.

    nltk's own downloader is not needed. Raises FileNotFoundError where WordNet is not installed.
    """
    if not (folder / "data.noun").exists():
        raise FileNotFoundError(f"no WordNet in {folder}: apt-get install wordnet-base")
    root = Path(tempfile.mkdtemp(prefix="wordnet-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    nltk.data.path.append(str(root))  # nltk reads corpora only below its data path
    corpus = root / "corpora" / "wordnet"
    corpus.mkdir(parents=True)
    for file in folder.iterdir():
        if file.is_file():
            shutil.copy(file, corpus)  # nltk follows no link out of its data path
    if not (corpus / "lexnames").exists():
        number = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}
        lines = [f"{i:02d}\t{name}\t{number[name.split('.')[0]]}" for i, name in enumerate(_LEXNAMES)]
        (corpus / "lexnames").write_text("\n".join(lines) + "\n", encoding="ascii")
    (corpus / "index.sense").touch()  # in another Debian package; only the multilingual functions look things up there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that those functions are missing
        return WordNetCorpusReader(FileSystemPathPointer(str(corpus)), None)


def meteor(references: Sequence[Sequence[Words]], candidates: Sequence[Words], reader: Any) -> float:
    """Compute the mean METEOR by nltk, in percent.

    It counts exact, Porter stem and WordNet synonym matches (α 0.9, β 3, γ 0.5). This is not the Java METEOR 1.5 of the
    COCO evaluation, whose figures run lower: compare like with like.
    """
    scores = [
        float(meteor_score([list(text) for text in texts], list(candidate), wordnet=reader))
        for texts, candidate in zip(references, candidates, strict=True)
    ]
    return 100 * sum(scores) / max(1, len(scores))


# ----------------------------------------------------------------------------------------------------------- diversity


def diversity(candidates: Sequence[Words]) -> dict[str, float]:
    """Share of captions that differ from all others, words used, mean length in words."""
    distinct = {tuple(candidate) for candidate in candidates}
    return {
        "distinct_captions": len(distinct) / max(1, len(candidates)),
        "words_used": len({word for candidate in candidates for word in candidate}),
        "mean_words": sum(map(len, candidates)) / max(1, len(candidates)),
    }
