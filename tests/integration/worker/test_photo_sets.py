"""Photo-set jobs whole: real Redis, real Celery processes, real zips. Only the tagger is a stand-in, which knows
colours, waits when it is told to, and counts what it is asked."""

import hashlib
import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet
import pytest

from framesense.jobs.payloads import PhotoSetPayload, StoredFile
from framesense.jobs.queue import create_celery, enqueue
from framesense.schemas.jobs import Job, JobKind, JobState, Progress
from framesense.schemas.photo_sets import ClusterMethod, PhotoSetResult
from framesense.schemas.tags import LabelSet
from framesense.settings import JobSettings
from framesense.storage.photo_sets import PhotoSetStore, Table, photo_set_key
from tests.support.colour_tagger import MODEL, ColourTagger
from tests.support.gateway_process import served
from tests.support.photos import grouped_photos, photo, zipped
from tests.support.workers import WorkerStack

LABELS = ["red", "green", "blue"]


@pytest.fixture
def tagger() -> ColourTagger:
    return ColourTagger()


class PhotoSetStack(WorkerStack):
    """Photo-set jobs on as many workers as a test starts."""

    def __init__(self, redis_url: str, folder: Path, tagger_url: str) -> None:
        super().__init__(redis_url, folder, tagger_url=tagger_url, worker_photo_batch=2, worker_requests=1)
        self.store = PhotoSetStore(self.storage)
        self._celery = create_celery(JobSettings(redis_url=redis_url))

    def submit(self, content: bytes, **parameters: object) -> Job:
        sha256 = hashlib.sha256(content).hexdigest()
        self.storage.write(photo_set_key(sha256), content)
        payload = PhotoSetPayload(photos=StoredFile(sha256=sha256, name="set.zip", bytes=len(content)))
        job = self.jobs.create(JobKind.PHOTO_SET, name="set.zip", parameters=parameters, payload=payload)
        enqueue(self._celery, JobKind.PHOTO_SET, job.id)
        return job

    def key(self, job: Job) -> str:
        return str(self.jobs.payload(job.id, PhotoSetPayload).work)

    def entries_stored(self, job: Job) -> int:
        key = self.jobs.payload(job.id, PhotoSetPayload).work
        stored = self.store.checkpoint(key) if key else None
        return stored.entries if stored else 0

    def result(self, job: Job) -> PhotoSetResult:
        found = self.store.load(self.key(job))
        assert found is not None
        return found


@pytest.fixture
def stack(redis_url: str, tmp_path: Path, tagger: ColourTagger) -> Iterator[PhotoSetStack]:
    with served(tagger.app()) as (url, _):
        running = PhotoSetStack(redis_url, tmp_path, url)
        yield running
        running.close()


def _problem(job: Job) -> tuple[int, str]:
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "Traceback" not in job.error.detail
    return job.error.status, job.error.type.removeprefix("urn:framesense:problem:")


def test_photos_become_a_report_and_tables_and_bad_sets_a_problem(stack: PhotoSetStack, tagger: ColourTagger) -> None:
    stack.start_worker(WORKER_TAGGER_RETRY_SECONDS="0.5")
    files = grouped_photos({"sunset": ["red"] * 5, "meadow": ["green"] * 4 + ["red"], "sea": ["blue"] * 5})
    files |= {"photos/broken.jpg": b"no image", "photos/notes.txt": b"hello", "photos/copy.jpg": photo("red", seed=0)}
    job = stack.submit(zipped(files), labels=LABELS)
    finished = stack.finished(job)
    assert finished.state is JobState.SUCCEEDED, stack.logs
    assert finished.progress.done == finished.progress.total == 17
    assert tagger.pictures == 16

    result = stack.result(job)
    report = result.report
    assert report.photos == 16
    assert sorted(file.path for file in report.skipped) == ["photos/broken.jpg", "photos/notes.txt"]
    assert [(one.label, one.photos) for one in report.tags.labels] == [("red", 7), ("blue", 5), ("green", 4)]
    assert report.groups is not None
    assert [(one.name, one.distinct_tags) for one in report.groups.groups] == [("meadow", 2), ("sea", 1), ("sunset", 1)]
    assert report.groups.ungrouped == 1
    assert report.exact_duplicates == 1
    assert {one.method for one in report.clusterings} == set(ClusterMethod)
    assert report.clusterings[0].clusters == 3
    assert report.clusterings[0].adjusted_rand is not None
    assert report.models == [MODEL]
    assert "knows colours only" in report.warnings
    assert result.parameters.templates == ["a photo of a {label}"]
    table = pyarrow.parquet.read_table(io.BytesIO(stack.store.table(stack.key(job), Table.PARQUET)))
    assert table.num_rows == 16
    assert stack.store.thumbnail(stack.key(job), 15).startswith(b"\xff\xd8")

    again = stack.finished(stack.submit(zipped(files), labels=LABELS))
    assert again.state is JobState.SUCCEEDED
    assert tagger.pictures == 16, "the same question is answered from what is stored"

    tagger.label_sets["colours"] = LabelSet(
        name="colours", labels=["white"], templates=["{label} thing"], created_at=datetime.now(UTC)
    )
    by_set = stack.finished(stack.submit(zipped(files), label_set="colours"))
    assert stack.result(by_set).report.labels == ["white"]
    assert stack.result(by_set).parameters.templates == ["{label} thing"]

    one = {"a.jpg": photo("red")}
    bad: dict[tuple[int, str], tuple[bytes, dict[str, object]]] = {
        (415, "not-a-zip"): (b"nonsense", {"labels": LABELS}),
        (422, "unsafe-path"): (zipped({"../a.jpg": photo("red")}), {"labels": LABELS}),
        (422, "no-readable-images"): (zipped({"a.jpg": b"x", "b.jpg": b""}), {"labels": LABELS}),
        (422, "no-groups-file"): (zipped(one), {"labels": LABELS, "group_column": "hotel"}),
        (422, "unknown-colour"): (zipped(one), {"labels": ["zebra"]}),
        (404, "unknown-label-set"): (zipped(one), {"label_set": "none"}),
    }
    for expected, (content, parameters) in bad.items():
        assert _problem(stack.finished(stack.submit(content, **parameters))) == expected

    tagger.ill = True
    assert _problem(stack.finished(stack.submit(zipped(one), labels=["blue"]))) == (503, "tagger-unavailable")


def test_a_killed_workers_job_is_finished_by_another_without_tagging_twice(
    stack: PhotoSetStack, tagger: ColourTagger
) -> None:
    tagger.go = threading.Semaphore(2)
    first = stack.start_worker()
    files = {f"{n:02}.jpg": photo("red", n) for n in range(10)} | {"03.jpg": b"no image"}
    job = stack.submit(zipped(files), labels=LABELS)
    stack.wait_until(lambda: stack.entries_stored(job) >= 5)
    stack.kill(first)
    assert stack.get(job).state is JobState.RUNNING
    kept = stack.store.checkpoint(stack.key(job))
    assert kept is not None
    assert (len(kept), kept.entries) == (4, 5)
    tagger.go, tagger.pictures = None, 0
    stack.start_worker()
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    # The five that were missing, and perhaps a batch of two that the dead worker had on its way; never what was stored.
    assert 5 <= tagger.pictures <= 7
    found = stack.result(job)
    assert [photo.path for photo in found.photos] == [f"{n:02}.jpg" for n in range(10) if n != 3]
    assert [file.path for file in found.report.skipped] == ["03.jpg"]


def test_cancelling_stops_the_work(stack: PhotoSetStack, tagger: ColourTagger) -> None:
    tagger.go = threading.Semaphore(1)
    stack.start_worker()
    job = stack.submit(zipped({f"{n}.jpg": photo("red", n) for n in range(9)}), labels=LABELS)
    stack.wait_until(lambda: stack.entries_stored(job) >= 2)
    stack.jobs.cancel(job.id)
    stack.wait_until(lambda: f"job {job.id}: stopped: cancelled" in stack.logs)
    tagger.go.release(100)
    following = stack.finished(stack.submit(zipped({"a.jpg": photo("blue")}), labels=LABELS))
    assert following.state is JobState.SUCCEEDED
    assert stack.get(job).state is JobState.CANCELLED


def test_a_set_is_tagged_again_when_the_tagger_changes_its_model(stack: PhotoSetStack, tagger: ColourTagger) -> None:
    tagger.go = threading.Semaphore(2)
    stack.start_worker(WORKER_MAX_ATTEMPTS="1")
    content = zipped({f"{n}.jpg": photo("red", n) for n in range(9)})
    job = stack.submit(content, labels=LABELS)
    stack.wait_until(lambda: stack.entries_stored(job) >= 4)
    former = stack.key(job)
    tagger.revision, tagger.pictures = "2", 0
    tagger.go.release(100)
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    found = stack.result(job)
    assert found.report.models == [tagger.model]
    assert [photo.path for photo in found.photos] == [f"{n}.jpg" for n in range(9)]
    assert 9 + 2 <= tagger.pictures <= 9 + 4, "all again, and a batch or two that told of the new model"
    told = [event.progress for event in stack.events(job)]
    assert Progress(message="the tagger changed its model: starting again with colours") in told
    assert stack.jobs.payload(job.id, PhotoSetPayload).earlier == (former,)

    tagger.revision, tagger.pictures = "1", 0
    again = stack.submit(content, labels=LABELS)
    assert stack.finished(again).state is JobState.SUCCEEDED, stack.logs
    assert stack.key(again) == former
    assert tagger.pictures == 5, "the former model goes on where it was left"

    tagger.fickle = True
    failed = stack.finished(stack.submit(zipped({"a.jpg": photo("blue")}), labels=LABELS))
    assert _problem(failed) == (503, "model-changed")
    assert failed.error is not None and "tagger" in failed.error.detail
