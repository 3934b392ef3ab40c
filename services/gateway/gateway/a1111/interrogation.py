"""A picture in words: a caption by the captioner, or labels by the tagger where booru tags are asked for."""

from framesense.clients.captioner import AsyncCaptionerClient
from framesense.clients.tagger import AsyncTaggerClient
from framesense.http.uploads import Upload

LABELS = (
    *("bedroom", "kitchen", "bathroom", "living room", "dining room", "office", "hallway", "balcony", "garden"),
    *("swimming pool", "restaurant", "lobby", "bar", "gym", "shop", "street", "building", "bridge", "park", "forest"),
    *("beach", "sea", "river", "lake", "mountain", "field", "desert", "snow", "sky", "sunset", "night", "rain"),
    *("bed", "sofa", "table", "chair", "lamp", "window", "door", "mirror", "bathtub", "toilet", "sink", "stairs"),
    *("television", "computer", "book", "painting", "curtains", "carpet", "fireplace", "plant", "flowers", "tree"),
    *("man", "woman", "child", "baby", "group of people", "crowd", "face", "hat", "sunglasses", "dress"),
    *("dog", "cat", "bird", "horse", "cow", "car", "bus", "truck", "bicycle", "motorcycle", "train", "boat"),
    *("food", "cup of coffee", "bottle", "ball", "guitar", "drawing", "text", "sign"),
)
"""What is looked for where no label set is named."""


async def caption(captioner: AsyncCaptionerClient, picture: bytes, *, request_id: str) -> str:
    """Caption a picture; raises ProblemError: what the captioner refuses, 503 without an answer."""
    answer = await captioner.caption([Upload(picture, "image", None)], request_id=request_id)
    return answer.captions[0].caption


async def tags(tagger: AsyncTaggerClient, picture: bytes, *, label_set: str, request_id: str) -> str:
    """Return the labels over the tagger's own threshold, else the best one, the most probable first; commas between.

    Raises ProblemError: what the tagger refuses (404 for an unknown label set), 503 without an answer.
    """
    fields = {"label_set": [label_set]} if label_set else {"labels": list(LABELS)}
    answer = await tagger.tag(Upload(picture, "image", None), fields, request_id=request_id)
    return ", ".join(tag.label for tag in answer.images[0].tags)
