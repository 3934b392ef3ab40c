"""The cache of an encoder-decoder's beam search.

All beams of a picture look at the same picture, and beams change places only with others of their picture. So the keys
and values of the picture never move; transformers' own cache copies them for every word.

Imports transformers: only from within a function, after ``prepare_torchvision``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import LongTensor, Tensor
from transformers import DynamicCache, EncoderDecoderCache

KeysValues = tuple[Tensor, Tensor]
"""Of one layer: B × heads × places × D each."""


class PictureCache(EncoderDecoderCache):  # type: ignore[misc, unused-ignore]
    """For ``generate(past_key_values=…)``.

    Args:
        known: keys and values of each layer, a row a picture; where absent, the model makes them with the first word.
        beams: how many rows each picture takes.
    """

    def __init__(self, known: Iterable[KeysValues] = (), beams: int = 1) -> None:
        super().__init__(DynamicCache(), DynamicCache(list(_repeated(known, beams))))

    def reorder_cache(self, beam_idx: LongTensor) -> None:
        self.self_attention_cache.reorder_cache(beam_idx)


def _repeated(known: Iterable[KeysValues], beams: int) -> Iterator[KeysValues]:
    for keys, values in known:
        yield keys.repeat_interleave(beams, dim=0), values.repeat_interleave(beams, dim=0)
