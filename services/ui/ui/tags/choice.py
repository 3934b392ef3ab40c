"""Which of the scores are tags."""

from collections.abc import Sequence

from framesense.schemas.tags import Tag, ThresholdOn


def chosen_tags(scores: Sequence[Tag], threshold: float, on: ThresholdOn, most: int) -> list[Tag]:
    """Choose the tags from the threshold on, the most probable first, at most ``most``: none where no word fits."""
    ranked = sorted(scores, key=lambda tag: tag.probability, reverse=True)
    return [tag for tag in ranked if is_over(tag, threshold, on)][:most]


def is_over(tag: Tag, threshold: float, on: ThresholdOn) -> bool:
    return (tag.cosine if on is ThresholdOn.COSINE else tag.probability) >= threshold
