"""Is a word English, as far as a model that learnt English only is concerned?

A word is known that MiniLM's vocabulary (BERT's 30,000 word pieces) holds whole, or that is one of the nouns of WordNet
(those of ImageNet-21k, which timm carries), or a regular form of either. The rest is spelt out of pieces, from which
the model can make little; of emoji it makes nothing. So "Küche", "Katze", "猫" and "🐱" are unknown; foreign words that
English texts use a lot ("casa", "cuisine") pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from framesense.models.torch_compat import prepare_torchvision

_WORD = re.compile(r"[^\W\d_]+")
_SYMBOLS = re.compile(r"[^\w\s\x00-\x7f]+")
_UNKNOWN_PIECE = "[UNK]"
_ENDINGS = ("s", "es", "ed", "d", "ing", "er", "r", "ly", "y", "less", "like")


class EnglishWords:
    """The words that are known to be English.

    Args:
        spell: a text → its word pieces, one for a word that the vocabulary holds whole.
    """

    def __init__(self, spell: Callable[[str], Sequence[str]]) -> None:
        prepare_torchvision()
        from timm.data.imagenet_info import ImageNetInfo

        self._spell = spell
        lemmas = ImageNetInfo("imagenet22k").label_descriptions()
        self._nouns = frozenset(word for lemma in lemmas for word in _WORD.findall(lemma.casefold()))

    def unknown(self, text: str) -> list[str]:
        """Return the words of a text that are not known, and its unknown symbols, in order; all of a text that has
        neither a word nor a number.
        """
        if not any(letter.isalnum() for letter in text):
            return [text]
        return [word for word in _WORD.findall(text) if not self._knows(word.casefold())] + self.unknown_symbols(text)

    def unknown_symbols(self, text: str) -> list[str]:
        """Return the signs, such as emoji, that the vocabulary does not hold."""
        return [sign for sign in _SYMBOLS.findall(text) if _UNKNOWN_PIECE in self._spell(sign)]

    def _knows(self, word: str) -> bool:
        if not word.isascii():
            return False
        stems = [word, *(word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))]
        stems += [stem + "e" for stem in stems[1:]] + [stem[:-1] + "y" for stem in stems if stem.endswith("i")]
        return any(len(stem) > 1 and (stem in self._nouns or len(self._spell(stem)) == 1) for stem in stems) or (
            len(word) == 1
        )
