"""Batches of captioned photos for training: cached features in several views, and captions as ids."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TRAIN_VIEWS = ("plain", "mirrored", "disturbed", "mirrored-disturbed")
VIEW_ODDS = (0.4, 0.2, 0.2, 0.2)


@dataclass
class Batch:
    """Photos of one step: which, their features, and captions as ids with <end>."""

    photos: list[int]
    features: Tensor  # B×81×1280
    captions: list[list[list[int]]]


class Photos:
    """The training photos in all views; yields batches with a view drawn for each photo."""

    def __init__(self, views: list[NDArray[np.float16]], captions: list[list[list[list[int]]]]) -> None:
        self.views, self.captions = views, captions  # captions[view is mirrored][photo] -> ids

    def batches(self, size: int, device: torch.device, seed: int) -> Iterator[Batch]:
        """Yield one epoch in random order; the next batch is read from disk while this one is used."""
        chance = random.Random(seed)
        order = list(range(len(self.captions[0])))
        chance.shuffle(order)
        pool = 16 * size  # photos with captions of like length go together, within pools: less padding
        longest = [max(map(len, texts)) for texts in self.captions[0]]
        order = [
            photo
            for start in range(0, len(order), pool)
            for photo in sorted(order[start : start + pool], key=longest.__getitem__)
        ]
        chunks = [order[start : start + size] for start in range(0, len(order), size)]
        chance.shuffle(chunks)
        views = [chance.choices(range(len(self.views)), VIEW_ODDS[: len(self.views)], k=len(chunk)) for chunk in chunks]

        def read(chunk: list[int], drawn: list[int]) -> Batch:
            features = torch.from_numpy(np.stack([self.views[v][p] for p, v in zip(chunk, drawn, strict=True)]))
            captions = [self.captions[v % 2][p] for p, v in zip(chunk, drawn, strict=True)]
            return Batch(chunk, features, captions)

        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(read, chunks[0], views[0])
            for position in range(len(chunks)):
                batch = coming.result()
                if position + 1 < len(chunks):
                    coming = reader.submit(read, chunks[position + 1], views[position + 1])
                batch.features = batch.features.to(device).float()
                yield batch
