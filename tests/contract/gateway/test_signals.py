"""Signals that look at the picture: auto, visual, patch; references and heat maps."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import Response
from PIL import Image

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import VideoPayload
from framesense.novelty.curve import rolling_novelty
from framesense.novelty.mixing import robust_rolling_novelty
from framesense.novelty.normal_footage import NormalFootage
from framesense.novelty.patches import PackedGrids
from framesense.novelty.scores import auto_evidence
from framesense.novelty.signals import auto_embeddings
from framesense.schemas.jobs import Job
from framesense.schemas.models import ModelInfo
from framesense.schemas.novelty import Metric, NoveltyCurve, SearchResult, VideoInfo, VideoResult
from framesense.schemas.tags import TextEmbeddings
from framesense.storage.analyses import Frames, Summary, VideoModels, analysis_key
from tests.support.gateway_process import MODEL, MP4, TAGGER_MODEL, Gateway, problem, running_gateway

COUNT, ODD, FAST = 24, 17, 12
ROWS, COLUMNS = 4, 6
ALIGNED = np.eye(3, dtype=np.float32)[[int(index in (ODD, ODD + 1)) for index in range(COUNT)]]
CONFIDENCES = np.linspace(0, 1, COUNT, dtype=np.float32)


@pytest.fixture
def gateway(redis_url: str, tmp_path: Path) -> Iterator[Gateway]:
    with running_gateway(redis_url, tmp_path) as running:
        yield running


def frames_and_patches() -> tuple[Frames, np.ndarray]:
    """A camera that stands still; at ODD something is in the third row, last column."""
    rng = np.random.default_rng(0)
    visual = np.tile(rng.normal(size=8), (COUNT, 1)) + rng.normal(0, 0.02, (COUNT, 8))
    visual[ODD] = rng.normal(size=8)
    words = rng.normal(size=(COUNT, 5)).astype(np.float32)
    grids = np.tile(rng.normal(size=(ROWS, COLUMNS, 3)), (COUNT, 1, 1, 1)) + rng.normal(0, 0.02, (COUNT, 1, 1, 1))
    grids[ODD, 2, 5] += 4
    frames = Frames(np.arange(COUNT) * 10.0, [f"caption {n}" for n in range(COUNT)], words, words, visual.astype("f4"))
    return frames, grids.astype(np.float32)


def thumbnail() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), (0, 0, 255)).save(buffer, "JPEG")
    return buffer.getvalue()


def motion() -> np.ndarray:
    """Everything moves a little; at FAST one thing in the second row is ten times as fast."""
    moves = np.random.default_rng(1).normal(0.02, 0.001, (COUNT, ROWS, COLUMNS, 2))
    moves[FAST, 1, 3:5] *= 10
    return moves


def analyse(
    gateway: Gateway,
    *,
    patches: bool = True,
    searchable: bool = True,
    moving: bool = False,
    calibrated: bool = False,
    still: bool = False,
    video: bytes = MP4,
) -> Job:
    """A finished job, in two chunks. In the tagger's space ODD and the frame after it point the second way, all others
    the first."""
    job = gateway.submit(video)
    payload = gateway.jobs.payload(job.id, VideoPayload)
    asked = payload.model_dump(include={"every_n_second", "beams", "max_tokens"})
    key = analysis_key(sha256=payload.video.sha256, models=VideoModels(MODEL, TAGGER_MODEL), **asked)
    gateway.jobs.save_payload(job.id, payload.with_work(key))
    assert gateway.jobs.start(job.id)
    frames, grids = frames_and_patches()
    if still and frames.visual is not None:
        frames.visual[:], grids[:] = frames.visual[0], grids[0]
    for part in (slice(0, 9), slice(9, COUNT)):
        some = Frames(
            frames.times[part],
            frames.captions[part],
            frames.words[part],
            frames.sentences[part],
            frames.visual[part] if patches and frames.visual is not None else None,
            ALIGNED[part] if searchable else None,
            CONFIDENCES[part] if calibrated else None,
        )
        packed = PackedGrids.pack(grids[part], motion()[part] if moving else None) if patches else None
        gateway.analyses.append(key, part.start, some, [thumbnail()] * len(some), packed)
    info = VideoInfo(**payload.video.model_dump(), duration=COUNT * 10.0, width=60, height=40, fps=25, codec="h264")
    gateway.analyses.finish(key, Summary(video=info, models=[MODEL, TAGGER_MODEL]))
    assert gateway.jobs.succeed(job.id, f"/jobs/{job.id}/result")
    return job


def curve(gateway: Gateway, job: Job, **query: str | int) -> NoveltyCurve:
    answer = gateway.http.get(f"/jobs/{job.id}/novelty", params=query)
    assert answer.status_code == 200, answer.text
    return NoveltyCurve.model_validate(answer.json())


def test_captions_carry_how_likely_they_are_right(gateway: Gateway) -> None:
    job = analyse(gateway, calibrated=True)
    result = VideoResult.model_validate(gateway.http.get(f"/jobs/{job.id}/result").json())
    assert [frame.confidence for frame in result.frames] == pytest.approx(CONFIDENCES.tolist(), abs=0.001)
    assert result.moments
    for moment in result.moments:
        assert moment.confidence == result.frames[moment.peak_index].confidence
    subtitles = gateway.http.get(f"/jobs/{job.id}/export.vtt").text
    assert "\nperhaps: caption 0\n" in subtitles and f"\ncaption {COUNT - 1}\n" in subtitles
    table = gateway.http.get(f"/jobs/{job.id}/export.csv").text.lstrip("\ufeff").splitlines()
    assert table[0].endswith(",confidence") and table[1].endswith(",0.000") and table[-1].endswith(",1.000")


def test_an_analysis_of_an_earlier_release_has_no_confidences(gateway: Gateway) -> None:
    job = analyse(gateway)
    result = gateway.http.get(f"/jobs/{job.id}/result").json()
    assert {frame["confidence"] for frame in result["frames"]} == {None}
    assert "perhaps" not in gateway.http.get(f"/jobs/{job.id}/export.vtt").text


def test_a_video_of_one_picture_is_told_so(gateway: Gateway) -> None:
    result = VideoResult.model_validate(gateway.http.get(f"/jobs/{analyse(gateway, still=True).id}/result").json())
    assert [warning for warning in result.video.warnings if "the same picture" in warning]
    assert not result.moments and not result.stands_out
    other = VideoResult.model_validate(gateway.http.get(f"/jobs/{analyse(gateway, video=MP4 + b'2').id}/result").json())
    assert not [warning for warning in other.video.warnings if "the same picture" in warning]


def test_auto_is_the_default_and_finds_what_words_do_not(gateway: Gateway) -> None:
    job = analyse(gateway)
    result = VideoResult.model_validate(gateway.http.get(f"/jobs/{job.id}/result").json())
    assert result.parameters.signal == "auto"
    frames, grids = frames_and_patches()
    assert frames.visual is not None
    expected = auto_evidence(frames.visual, lambda indices: grids[indices], window=3, every=10).scores
    assert [frame.novelty for frame in result.frames] == pytest.approx(expected, abs=0.02), "patches are stored as int8"
    assert curve(gateway, job, metric="cosine").novelty == [frame.novelty for frame in result.frames]
    assert [(moment.peak_index, moment.strength) for moment in result.moments] == [(ODD, "strong")]
    assert result.diversity is not None and 1 < result.diversity < 2, "one scene, and a frame of another"


def test_visual_compares_pictures(gateway: Gateway) -> None:
    job = analyse(gateway)
    visual = frames_and_patches()[0].visual
    assert visual is not None
    found = curve(gateway, job, signal="visual", metric="cosine", rolling_window_size=5)
    assert found.novelty == pytest.approx(rolling_novelty(visual, window=5, metric=Metric.COSINE), abs=1e-3)


def test_patch_finds_when_and_where(gateway: Gateway) -> None:
    job = analyse(gateway)
    found = curve(gateway, job, signal="patch")
    assert int(np.argmax(found.novelty)) == ODD
    assert found.novelty[0] == 0, "nothing before the first frame"
    assert curve(gateway, job, signal="patch").novelty == found.novelty, "read back from where it was stored"
    answer = gateway.http.get(f"/jobs/{job.id}/frames/{ODD}/heatmap.png", params={"overlay": False})
    assert answer.headers["content-type"] == "image/png"
    layer = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert layer.shape == (40, 60, 4)
    y, x = np.unravel_index(layer[..., 3].argmax(), layer.shape[:2])
    assert 20 <= y < 30 and x >= 50, "third row of four, last column of six"
    over = np.asarray(Image.open(io.BytesIO(gateway.http.get(f"/jobs/{job.id}/frames/{ODD}/heatmap.png").content)))
    assert over[5, 5, 2] > 240, "the thumbnail shows where nothing is odd"
    assert over[y, x, 0] > 120


def test_what_a_reference_calls_normal_is_not_odd(gateway: Gateway) -> None:
    job = analyse(gateway)
    odd_time = ODD * 10
    asked = {"name": "calm", "job": job.id, "ranges": [{"start": 0, "end": 50}]}
    answer = gateway.http.post("/references", json=asked)
    assert answer.status_code == 201, answer.text
    assert answer.json()["frames"] == 6
    assert answer.headers["location"] == "/references/calm"
    assert [one["name"] for one in gateway.http.get("/references").json()["references"]] == ["calm"]

    calm = curve(gateway, job, reference="calm")
    assert calm.parameters.signal == "patch"
    assert int(np.argmax(calm.novelty)) == ODD and calm.novelty[ODD] > 1
    assert calm.novelty[0] == pytest.approx(0, abs=0.05), "a frame of the reference itself"
    assert [(moment.peak_index, moment.strength) for moment in calm.moments] == [(ODD, "strong")]
    told = gateway.http.get("/references").json()["references"][0]
    assert 0 <= told["usual_distance"] <= told["farthest_distance"] < 0.2

    gateway.http.post(
        "/references", json={**asked, "ranges": [{"start": 0, "end": 50}, {"start": odd_time, "end": 999}]}
    )
    assert curve(gateway, job, reference="calm").novelty[ODD] < 0.2, "made anew, with what was odd in it"
    heat = gateway.http.get(f"/jobs/{job.id}/frames/{ODD}/heatmap.png", params={"reference": "calm"})
    assert heat.status_code == 200
    assert gateway.http.delete("/references/calm").status_code == 204
    assert "POST /references" in problem(gateway.http.get("/references/calm"), 404).detail
    problem(gateway.http.get(f"/jobs/{job.id}/novelty", params={"reference": "calm"}), 404)


def test_a_reference_that_is_replaced_leaves_no_patches_behind(gateway: Gateway) -> None:
    job = analyse(gateway)
    for _ in range(2):
        assert gateway.http.post("/references", json={"name": "normal", "job": job.id}).status_code in (200, 201)
    assert len([key for key in gateway.storage.list("references") if key.endswith((".npz", ".npy"))]) == 1


def test_a_reference_of_the_release_before_is_read_and_deleted(gateway: Gateway) -> None:
    job = analyse(gateway)
    asked = {"name": "calm", "job": job.id, "ranges": [{"start": 0, "end": 50}]}
    assert gateway.http.post("/references", json=asked).status_code == 201
    (stored,) = [key for key in gateway.storage.list("references") if key.endswith(".npz")]
    footage, former = NormalFootage.from_bytes(gateway.storage.read(stored)), io.BytesIO()
    np.save(former, footage.looks.patches)
    gateway.storage.write(stored.replace(".npz", ".npy"), former.getvalue())
    gateway.storage.delete(stored)
    assert int(np.argmax(curve(gateway, job, reference="calm").novelty)) == ODD
    assert gateway.http.delete("/references/calm").status_code == 204
    assert gateway.storage.list("references") == []


def test_what_moves_as_nothing_normal_did_is_odd(gateway: Gateway) -> None:
    job = analyse(gateway, moving=True)
    asked = {"name": "calm", "job": job.id, "ranges": [{"start": 0, "end": (FAST - 1) * 10}]}
    assert gateway.http.post("/references", json=asked).status_code == 201
    found = np.array(curve(gateway, job, reference="calm").novelty)
    found[ODD] = 0
    assert int(np.argmax(found)) == FAST
    assert found[FAST] > 2 * np.median(found)


def test_another_signal_leaves_the_jobs_reference_behind(gateway: Gateway) -> None:
    job = analyse(gateway)
    gateway.http.post("/references", json={"name": "all", "job": job.id})
    asked = {"every_n_second": 10, "signal": "patch", "reference": "all"}
    again = gateway.http.post("/video_captions", files={"video": ("a.mp4", MP4)}, params=asked)
    assert again.status_code == 202, again.text
    other = Job.model_validate(again.json())
    assert curve(gateway, other).parameters.reference == "all"
    assert curve(gateway, other, signal="words").parameters.reference is None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "../etc"}, 422),
        ({"name": ""}, 422),
        ({"ranges": []}, 422),
        ({"ranges": [{"start": 9, "end": 3}]}, 422),
        ({"ranges": [{"start": 5000, "end": 6000}]}, 422),
        ({"job": "nobody"}, 404),
    ],
)
def test_a_wrong_reference_is_refused(gateway: Gateway, change: dict[str, object], status: int) -> None:
    job = analyse(gateway)
    problem(gateway.http.post("/references", json={"name": "calm", "job": job.id, **change}), status)
    assert gateway.http.get("/references").json() == {"references": []}


def test_a_reference_is_for_patches(gateway: Gateway) -> None:
    job = analyse(gateway)
    told = problem(gateway.http.get(f"/jobs/{job.id}/novelty", params={"signal": "words", "reference": "x"}), 422)
    assert "patch" in told.detail
    answer = gateway.http.post("/video_captions", files={"video": ("a.mp4", MP4)}, params={"reference": "x"})
    assert "patch" in problem(answer, 422).detail


def test_a_captioner_that_sees_no_pictures_is_told_of(gateway: Gateway) -> None:
    job = analyse(gateway, patches=False)
    for signal in ("visual", "patch"):
        told = problem(gateway.http.get(f"/jobs/{job.id}/novelty", params={"signal": signal}), 409)
        assert signal in told.detail and "words" in told.detail
    problem(gateway.http.get(f"/jobs/{job.id}/frames/3/heatmap.png"), 409)
    problem(gateway.http.post("/references", json={"name": "calm", "job": job.id}), 409)
    stored = gateway.analyses.load(gateway.jobs.payload(job.id, VideoPayload).work)
    assert stored is not None
    mixed = robust_rolling_novelty(auto_embeddings(stored[1]), window=3, metric=Metric.COSINE)
    found = curve(gateway, job, metric="cosine").novelty
    assert found == pytest.approx(mixed, abs=1e-6), "auto does with what there is"


def test_a_frame_that_is_not_there_has_no_heat_map(gateway: Gateway) -> None:
    job = analyse(gateway)
    problem(gateway.http.get(f"/jobs/{job.id}/frames/{COUNT}/heatmap.png"), 404)


def knows(gateway: Gateway, *embedding: float, model: ModelInfo = TAGGER_MODEL) -> None:
    """What the tagger answers to any words."""
    told = TextEmbeddings(texts=["x"], embeddings=[list(embedding)], warnings=["careful"], model=model)
    gateway.tagger.answer = Response(told.model_dump_json(), media_type="application/json")


def test_a_video_is_searched_in_words(gateway: Gateway) -> None:
    job = analyse(gateway)
    knows(gateway, 0.6, 0.8, 0)
    answer = gateway.http.get(f"/jobs/{job.id}/search", params={"q": "a red car"})
    assert answer.status_code == 200, answer.text
    found = SearchResult.model_validate(answer.json())
    assert found.similarity == pytest.approx(
        [0.8 if index in (ODD, ODD + 1) else 0.6 for index in range(COUNT)], abs=1e-3
    )
    (moment,) = found.moments
    assert (moment.peak_index, moment.start, moment.end) == (ODD, ODD * 10, ODD * 10 + 10)
    assert moment.caption == f"caption {ODD}"
    assert found.warnings == ["careful"]
    (asked,) = gateway.tagger.requests
    assert (asked.path, json.loads(asked.body)["texts"]) == ("/embed/texts", ["a red car"])
    assert gateway.captioner.calls == 0, "no picture is looked at again"


@pytest.mark.parametrize(
    ("background", "moments", "warning"),
    [((0.2, 0.3), 1, None), ((0.5, 0.25), 1, "Nothing in this video clearly fits 'x'"), ((0.7, 0.2), 0, "fits 'x'")],
)
def test_what_is_not_there_is_not_found(
    gateway: Gateway, background: tuple[float, float], moments: int, warning: str | None
) -> None:
    """The nearest frame's cosine is 0.8: two deviations above the background, 1.2, half of one."""
    job, (mean, deviation) = analyse(gateway), background
    told = TextEmbeddings(
        texts=["x"],
        embeddings=[[0.6, 0.8, 0]],
        background_mean=[mean],
        background_deviation=[deviation],
        model=TAGGER_MODEL,
    )
    gateway.tagger.answer = Response(told.model_dump_json(), media_type="application/json")
    found = SearchResult.model_validate(gateway.http.get(f"/jobs/{job.id}/search?q=x").json())
    assert len(found.moments) == moments
    assert [warning in one for one in found.warnings if warning] == ([True] if warning else [])
    assert bool(found.warnings) == bool(warning)


def test_what_the_tagger_refuses_is_told_in_its_words(gateway: Gateway) -> None:
    job = analyse(gateway)
    told = ProblemError(422, "too-odd", "Too odd", "These words are too odd.").document()
    gateway.tagger.answer = Response(told.model_dump_json(), 422, media_type="application/problem+json")
    assert "too odd" in problem(gateway.http.get(f"/jobs/{job.id}/search", params={"q": "?"}), 422).detail


@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "x" * 201}, {"q": "x", "limit": 0}])
def test_a_wrong_search_is_refused(gateway: Gateway, query: dict[str, str | int]) -> None:
    job = analyse(gateway)
    problem(gateway.http.get(f"/jobs/{job.id}/search", params=query), 422)
    assert gateway.tagger.requests == []


def test_frames_that_no_tagger_saw_cannot_be_searched(gateway: Gateway) -> None:
    job = analyse(gateway, searchable=False)
    told = problem(gateway.http.get(f"/jobs/{job.id}/search?q=x"), 409).detail
    assert f"POST /video_captions with job_id={job.id}" in told


def test_another_taggers_words_are_not_compared(gateway: Gateway) -> None:
    job = analyse(gateway)
    knows(gateway, 1, 0, 0, model=TAGGER_MODEL.model_copy(update={"revision": "another"}))
    assert "another" in problem(gateway.http.get(f"/jobs/{job.id}/search?q=x"), 409).detail


def test_without_a_tagger_the_search_says_so(gateway: Gateway) -> None:
    job = analyse(gateway)
    gateway.tagger.stop()
    assert "tagger" in problem(gateway.http.get(f"/jobs/{job.id}/search?q=x"), 503).detail
