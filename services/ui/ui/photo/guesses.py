"""What to say of a photo whose caption is likelier wrong than right: its colours, and the words that fit it best."""

from collections.abc import Sequence
from dataclasses import dataclass

from framesense.media.colour_words import colour_words
from framesense.schemas.captions import CaptionResponse, is_guess
from framesense.schemas.tags import DEFAULT_TEMPLATE, EVERYDAY_WORDS, ImageTags, Tag
from ui.api import GatewayApi, GatewayError, Photo
from ui.photo.attention import preview

MOST_TAGS = 4
LIKELY = 0.5
"""Least probability of a tag that is said."""
FAR_BEHIND = 100
"""How many times smaller the odds of a tag are than the best one's where it is not said beside it."""


@dataclass(frozen=True)
class Guess:
    """Hold what is said in place of a caption that is a guess."""

    words: str
    """About the picture, in plain words: "mostly green: tree, grass"."""
    note: str
    """What to know about the captioner; empty where there is nothing."""


def find_guesses(
    api: GatewayApi, photos: Sequence[Photo], response: CaptionResponse, guess_below: float
) -> list[Guess | None]:
    """Return what to say first about each photo; None where its caption is no guess."""
    guesses = [is_guess(caption.confidence, guess_below) for caption in response.captions]
    doubtful = [photo for photo, guess in zip(photos, guesses, strict=True) if guess]
    tagged = iter(_tags(api, doubtful) if doubtful else [])
    return [
        Guess(_describe(photo, next(tagged)), response.model.note or "") if guess else None
        for photo, guess in zip(photos, guesses, strict=True)
    ]


def _tags(api: GatewayApi, photos: Sequence[Photo]) -> Sequence[ImageTags | None]:
    """Return the tags of each photo; None for all while no tagger answers, as colours can be told without."""
    try:
        return api.tags(photos, EVERYDAY_WORDS, [DEFAULT_TEMPLATE]).images
    except GatewayError:
        return [None] * len(photos)


def _likely(tags: Sequence[Tag]) -> list[str]:
    """Return the words that fit a picture, the best first: likely ones, and none that is far behind the best.

    ``tags``: the best first.
    """
    likely = [tag for tag in tags if tag.probability >= LIKELY][:MOST_TAGS]
    return [tag.label for tag in likely if _odds(tag) * FAR_BEHIND >= _odds(likely[0])]


def _odds(tag: Tag) -> float:
    return tag.probability / max(1 - tag.probability, 1e-9)


def _describe(photo: Photo, tagged: ImageTags | None) -> str:
    tags = _likely(tagged.tags) if tagged else []
    picture = preview(photo.data)
    seen = colour_words(picture) if picture else ""
    said = ": ".join(part for part in (seen, ", ".join(tags)) if part) or "no words fit this picture well"
    return said[0].upper() + said[1:]
