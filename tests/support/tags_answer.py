"""An answer of the tagger about two photos and three labels."""

from framesense.schemas.models import ModelInfo
from framesense.schemas.tags import ImageTags, Tag, TagsResponse, ThresholdOn

SCORES = [
    Tag(label="cat", cosine=0.2, probability=0.6),
    Tag(label="dog", cosine=0.3, probability=0.9),
    Tag(label="=sea", cosine=-0.1, probability=0.1),
]


MODEL = ModelInfo(service="tagger", name="m", family="f", revision="1", device="cpu", dtype="float32", parameters=0)


def tags_answer() -> TagsResponse:
    image = ImageTags(image="+a.jpg", tags=SCORES[1:2], over_threshold=1, scores=SCORES)
    return TagsResponse(
        images=[image, image.model_copy(update={"image": "b.jpg"})],
        labels=[tag.label for tag in SCORES],
        templates=["{label}"],
        threshold=0.5,
        threshold_on=ThresholdOn.PROBABILITY,
        model=MODEL,
    )
