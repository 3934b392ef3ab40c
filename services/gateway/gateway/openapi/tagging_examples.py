"""Examples of tags, similarities and classifiers for the API's documentation, made from the contracts themselves."""

from datetime import UTC, datetime

from framesense.schemas.classifiers import (
    ClassAccuracy,
    Classification,
    Classifier,
    ClassifierList,
    ClassifyResponse,
    EvaluationResponse,
    FewShotGain,
    Mistake,
    NewClassifier,
    RankedLabel,
)
from framesense.schemas.models import ModelInfo
from framesense.schemas.tags import (
    DEFAULT_TEMPLATE,
    ImageTags,
    LabelSet,
    LabelSetContent,
    LabelSetList,
    LabelSetSummary,
    NewLabelSet,
    SimilarityResponse,
    Tag,
    TagsResponse,
    ThresholdOn,
)

_CREATED = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
_ROOMS = ["kitchen", "bathroom", "bedroom"]

MODEL = ModelInfo(
    service="tagger",
    name="embedded",
    family="dual-encoder",
    revision="7c0d4e21ab93",
    device="cpu",
    dtype="bfloat16",
    parameters=33_000_000,
)
TAGS = TagsResponse(
    images=[ImageTags(image="room.jpg", tags=[Tag(label="kitchen", cosine=0.41, probability=0.93)], over_threshold=1)],
    labels=_ROOMS,
    templates=[DEFAULT_TEMPLATE],
    threshold=0.5,
    threshold_on=ThresholdOn.PROBABILITY,
    model=MODEL,
)
SIMILARITY = SimilarityResponse(
    images=["room.jpg"],
    texts=["a kitchen", "a red car"],
    cosine=[[0.39, 0.04]],
    probability=[[0.91, 0.02]],
    model=MODEL,
)
LABEL_SET_CONTENT = LabelSetContent(labels=_ROOMS)
NEW_LABEL_SET = NewLabelSet(name="rooms", labels=_ROOMS)
LABEL_SET = LabelSet(name="rooms", labels=_ROOMS, created_at=_CREATED)
LABEL_SETS = LabelSetList(label_sets=[LabelSetSummary(name="rooms", labels=3, created_at=_CREATED)])
NEW_CLASSIFIER = NewClassifier(name="rooms", labels=_ROOMS, templates=["a photo of a {label} in a hotel"])
CLASSIFIER = Classifier(
    name="rooms",
    labels=_ROOMS,
    templates=["a photo of a {label} in a hotel"],
    kind="words",
    dimensions=384,
    model_name=MODEL.name,
    model_revision=MODEL.revision,
    created_at=_CREATED,
    usable=True,
)
CLASSIFIERS = ClassifierList(classifiers=[CLASSIFIER])
IMPROVED = CLASSIFIER.model_copy(
    update={
        "kind": "few-shot",
        "few_shot": FewShotGain(
            photos=30,
            photos_by_label=dict.fromkeys(_ROOMS, 10),
            folds=5,
            accuracy_before=0.8,
            accuracy_after=0.9,
            gain=0.1,
            margin=0.08,
            strength=3.0,
            kept=True,
        ),
    }
)
CLASSIFICATION = ClassifyResponse(
    classifier="rooms",
    images=[
        Classification(
            image="room.jpg",
            ranking=[
                RankedLabel(label="kitchen", probability=0.92, cosine=0.41),
                RankedLabel(label="bathroom", probability=0.06, cosine=0.22),
                RankedLabel(label="bedroom", probability=0.02, cosine=0.13),
            ],
        )
    ],
    model=MODEL,
)
EVALUATION = EvaluationResponse(
    classifier="rooms",
    photos=5,
    accuracy=0.8,
    labels=_ROOMS,
    confusion=[[2, 0, 0], [1, 1, 0], [0, 0, 1]],
    per_class=[
        ClassAccuracy(label="kitchen", photos=2, accuracy=1.0, precision=0.667),
        ClassAccuracy(label="bathroom", photos=2, accuracy=0.5, precision=1.0),
        ClassAccuracy(label="bedroom", photos=1, accuracy=1.0, precision=1.0),
    ],
    mistakes=[Mistake(image="bathroom/3.jpg", label="bathroom", predicted="kitchen", probability=0.61)],
    model=MODEL,
)
