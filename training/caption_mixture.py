"""Training photos of several collections, mixed: how often each is seen, in which view, with which captions."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from captioner.models.show_attend_tell import END
from training.caption_batches import Batch
from training.data import to_ids, tokenise
from training.show_attend_tell import LONGEST

VIEWS = ("plain", "nudged-at-random", "disturbed")
VIEW_ODDS = (0.5, 0.25, 0.25)

Ids = list[list[int]]


@dataclass(frozen=True)
class Collection:
    """Hold captioned photos of one collection: one array of features a view, and the captions as words."""

    features: list[NDArray[np.float16]]
    captions: list[list[list[str]]]


class Mixture:
    """The training photos of several collections; yields batches with a view drawn for each photo."""

    def __init__(self, parts: Sequence[Collection], index: dict[str, int]) -> None:
        self.parts = parts
        self.ids = [
            [[[*to_ids(caption, index), END][:LONGEST] for caption in captions] for captions in part.captions]
            for part in parts
        ]
        lengths = np.cumsum([0, *(len(part.captions) for part in parts)])
        self.first = lengths[:-1].tolist()
        """The number of each collection's first photo, counted over all."""

    def epoch(self, repeats: Sequence[int], size: int, chance: random.Random) -> list[list[tuple[int, int]]]:
        """Return batches of (collection, photo): each photo as often as its collection is repeated.

        A number below 0 draws that many photos of a collection instead. Photos with captions of like length go
        together, within pools: less padding.
        """
        items: list[tuple[int, int]] = []
        for part, times in enumerate(repeats):
            photos = range(len(self.ids[part]))
            drawn = chance.sample(photos, min(-times, len(photos))) if times < 0 else [*photos] * times
            items.extend((part, photo) for photo in drawn)
        chance.shuffle(items)
        pool = 16 * size
        pools = [sorted(items[start : start + pool], key=self._longest) for start in range(0, len(items), pool)]
        ordered = [item for one in pools for item in one]
        batches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
        chance.shuffle(batches)
        return batches

    def batch(self, items: Sequence[tuple[int, int]], captions: int, chance: random.Random) -> Batch:
        """Read a batch: each photo in a view drawn for it, with at most so many of its captions."""
        features = []
        for part, photo in items:
            views = self.parts[part].features
            (view,) = chance.choices(views, VIEW_ODDS[: len(views)])
            features.append(np.asarray(view[photo]))
        texts = [self.ids[part][photo] for part, photo in items]
        drawn = [chance.sample(of_photo, min(captions, len(of_photo))) for of_photo in texts]
        return Batch(self._numbers(items), torch.from_numpy(np.stack(features)).float(), drawn)

    def pairs(self, items: Sequence[tuple[int, int]], chance: random.Random) -> Batch:
        """Read a batch without captions: two views of each photo, in rows 2i and 2i + 1; the same where it has one."""
        features: list[NDArray[np.float16]] = []
        for part, photo in items:
            views = self.parts[part].features
            two = chance.sample(views, 2) if len(views) > 1 else views * 2
            features.extend(np.asarray(view[photo]) for view in two)
        return Batch(self._numbers(items), torch.from_numpy(np.stack(features)).float(), [])

    def _numbers(self, items: Sequence[tuple[int, int]]) -> list[int]:
        return [self.first[part] + photo for part, photo in items]

    def _longest(self, item: tuple[int, int]) -> int:
        part, photo = item
        return max(map(len, self.ids[part][photo]))


def wide_corpus(file: Path, count: int, index: dict[str, int], left_out: set[str], chance: random.Random) -> list[Ids]:
    """Return the captions, as ids with <end>, of ``count`` photos of captions.tsv.gz drawn at random."""
    of_photo: dict[str, Ids] = {}
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            name = row["image"] if "." in row["image"] else f"{int(row['image']):012d}.jpg"
            if name not in left_out:
                of_photo.setdefault(name, []).append([*to_ids(tokenise(row["caption"]), index), END])
    return [of_photo[name] for name in chance.sample(sorted(of_photo), min(count, len(of_photo)))]
