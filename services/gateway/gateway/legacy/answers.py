"""What the older clients get: their metric's spellings, their arithmetic, their page."""

import html
import json
from collections.abc import Sequence
from enum import StrEnum

from framesense.novelty.curve import older_clients_distance
from framesense.schemas.novelty import Metric, VideoParameters
from gateway.videos.analysed import Analysed


class OlderMetric(StrEnum):
    EUCLIDEAN = "euclidean"
    EUCLIDIAN = "euclidian"
    COSINE = "cosine"

    @property
    def metric(self) -> Metric:
        return Metric.COSINE if self is OlderMetric.COSINE else Metric.EUCLIDEAN


def video_answer(analysed: Analysed, parameters: VideoParameters) -> str:
    """Write ``/get_video_captions``' answer, as JSON."""
    frames = analysed.frames
    distance = older_clients_distance(frames.words, window=parameters.rolling_window_size, metric=parameters.metric)
    return json.dumps({"captions": list(frames.captions), "distance_from_previous": distance.tolist()})


def captions_page(*, captions: Sequence[str] = (), error: str = "") -> str:
    """Render the upload page, with what came of the last upload."""
    told = "".join(f"<p>{html.escape(caption)}</p>" for caption in captions)
    answer = f'<section aria-labelledby="answer"><h2 id="answer">Caption</h2>{told}</section>' if told else ""
    alert = f'<p role="alert">{html.escape(error)}</p>' if error else ""
    return _PAGE.format(answer=answer or alert)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Caption an image</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }}
[role=alert] {{ border-left: .3rem solid #b00020; padding-left: 1rem; }}
</style>
</head>
<body>
<main>
<h1>Caption an image</h1>
<div aria-live="polite">{answer}</div>
<form method="post" enctype="multipart/form-data">
<p><label for="image">Image</label> <input id="image" name="image" type="file" accept="image/*" required></p>
<p><button>Caption it</button></p>
</form>
</main>
</body>
</html>
"""
