"""Photo-set jobs whole: real Redis, real Celery processes, real zips. Only the tagger is a stand-in, which knows
colours, waits when it is told to, and counts what it is asked."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet
import pytest
from redis import Redis

from framesense.jobs.payloads import PhotoSetPayload, StoredFile
from framesense.jobs.queue import create_celery, enqueue
from framesense.jobs.store import JobStore, events_key, read_event
from framesense.schemas.jobs import Job, JobKind, JobState, Progress
from framesense.schemas.photo_sets import ClusterMethod, PhotoSetResult
from framesense.schemas.tags import LabelSet
from framesense.settings import JobSettings
from framesense.storage.blobs import Storage
from framesense.storage.photo_sets import PhotoSetStore, Table, photo_set_key
from tests.support.colour_tagger import MODEL, ColourTagger
from tests.support.gateway_process import served
from tests.support.photos import grouped_photos, photo, zipped

WAIT = 90.0
"""Seconds after which something that should have happened has not; far more than any of it takes."""
LABELS = ["red", "green", "blue"]


@pytest.fixture
def tagger() -> ColourTagger:
    return ColourTagger()


class Workplace:
    """One blob store, one Redis and one tagger, with as many worker processes as a test starts."""

    def __init__(self, redis_url: str, folder: Path, tagger_url: str) -> None:
        self._folder = folder
        self.environment = {
            "REDIS_URL": redis_url,
            "STORAGE_URL": str(folder / "blobs"),
            "TAGGER_URL": tagger_url,
            "JOB_LEASE": "1.5",
            "WORKER_PHOTO_BATCH": "2",
            "WORKER_REQUESTS": "1",
            "WORKER_HEARTBEAT_FILE": str(folder / "heartbeat"),
        }
        self.redis = Redis.from_url(redis_url, decode_responses=True)
        self.jobs = JobStore(self.redis, lease_seconds=1.5, retention_seconds=3600)
        self.storage = Storage(str(folder / "blobs"))
        self.store = PhotoSetStore(self.storage)
        self._celery = create_celery(JobSettings(redis_url=redis_url))
        self._workers: list[subprocess.Popen[bytes]] = []

    def start_worker(self, **environment: str) -> "subprocess.Popen[bytes]":
        with (self._folder / f"worker-{len(self._workers)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker"],
                env={**os.environ, **self.environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._workers.append(process)
        return process

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("worker-*.log")))

    def submit(self, content: bytes, **parameters: object) -> Job:
        sha256 = hashlib.sha256(content).hexdigest()
        self.storage.write(photo_set_key(sha256), content)
        payload = PhotoSetPayload(photos=StoredFile(sha256=sha256, name="set.zip", bytes=len(content)))
        job = self.jobs.create(JobKind.PHOTO_SET, name="set.zip", parameters=parameters, payload=payload)
        enqueue(self._celery, JobKind.PHOTO_SET, job.id)
        return job

    def get(self, job: Job) -> Job:
        current = self.jobs.get(job.id)
        assert current is not None
        return current

    def finished(self, job: Job) -> Job:
        self.until(lambda: self.get(job).state.finished)
        return self.get(job)

    def until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT
        while not happened():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)

    def events(self, job: Job) -> list[Job]:
        """The job as it was after every change."""
        return [read_event(fields["job"]) for _, fields in self.redis.xrange(events_key(job.id))]

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

    def close(self) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        self.redis.close()


@pytest.fixture
def workplace(redis_url: str, tmp_path: Path, tagger: ColourTagger) -> Iterator[Workplace]:
    with served(tagger.app()) as (url, _):
        place = Workplace(redis_url, tmp_path, url)
        yield place
        place.close()


def _problem(job: Job) -> tuple[int, str]:
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "Traceback" not in job.error.detail
    return job.error.status, job.error.type.removeprefix("urn:framesense:problem:")


def test_photos_become_a_report_and_tables_and_bad_sets_a_problem(workplace: Workplace, tagger: ColourTagger) -> None:
    workplace.start_worker(WORKER_TAGGER_PATIENCE="0.5")
    files = grouped_photos({"sunset": ["red"] * 5, "meadow": ["green"] * 4 + ["red"], "sea": ["blue"] * 5})
    files |= {"photos/broken.jpg": b"no image", "photos/notes.txt": b"hello", "photos/copy.jpg": photo("red", seed=0)}
    job = workplace.submit(zipped(files), labels=LABELS)
    finished = workplace.finished(job)
    assert finished.state is JobState.SUCCEEDED, workplace.logs()
    assert finished.progress.done == finished.progress.total == 17
    assert tagger.pictures == 16

    result = workplace.result(job)
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
    table = pyarrow.parquet.read_table(io.BytesIO(workplace.store.table(workplace.key(job), Table.PARQUET)))
    assert table.num_rows == 16
    assert workplace.store.thumbnail(workplace.key(job), 15).startswith(b"\xff\xd8")

    again = workplace.finished(workplace.submit(zipped(files), labels=LABELS))
    assert again.state is JobState.SUCCEEDED
    assert tagger.pictures == 16, "the same question is answered from what is stored"

    tagger.label_sets["colours"] = LabelSet(
        name="colours", labels=["white"], templates=["{label} thing"], created_at=datetime.now(UTC)
    )
    by_set = workplace.finished(workplace.submit(zipped(files), label_set="colours"))
    assert workplace.result(by_set).report.labels == ["white"]
    assert workplace.result(by_set).parameters.templates == ["{label} thing"]

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
        assert _problem(workplace.finished(workplace.submit(content, **parameters))) == expected

    tagger.ill = True
    assert _problem(workplace.finished(workplace.submit(zipped(one), labels=["blue"]))) == (503, "tagger-unavailable")


def test_a_killed_workers_job_is_finished_by_another_without_tagging_twice(
    workplace: Workplace, tagger: ColourTagger
) -> None:
    tagger.go = threading.Semaphore(2)
    first = workplace.start_worker()
    files = {f"{n:02}.jpg": photo("red", n) for n in range(10)} | {"03.jpg": b"no image"}
    job = workplace.submit(zipped(files), labels=LABELS)
    workplace.until(lambda: workplace.entries_stored(job) >= 5)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert workplace.get(job).state is JobState.RUNNING
    kept = workplace.store.checkpoint(workplace.key(job))
    assert kept is not None
    assert (len(kept), kept.entries) == (4, 5)
    tagger.go, tagger.pictures = None, 0
    workplace.start_worker()
    assert workplace.finished(job).state is JobState.SUCCEEDED, workplace.logs()
    # The five that were missing, and perhaps a batch of two that the dead worker had on its way; never what was stored.
    assert 5 <= tagger.pictures <= 7
    found = workplace.result(job)
    assert [photo.path for photo in found.photos] == [f"{n:02}.jpg" for n in range(10) if n != 3]
    assert [file.path for file in found.report.skipped] == ["03.jpg"]


def test_cancelling_stops_the_work(workplace: Workplace, tagger: ColourTagger) -> None:
    tagger.go = threading.Semaphore(1)
    workplace.start_worker()
    job = workplace.submit(zipped({f"{n}.jpg": photo("red", n) for n in range(9)}), labels=LABELS)
    workplace.until(lambda: workplace.entries_stored(job) >= 2)
    workplace.jobs.cancel(job.id)
    workplace.until(lambda: f"job {job.id}: stopped: cancelled" in workplace.logs())
    tagger.go.release(100)
    following = workplace.finished(workplace.submit(zipped({"a.jpg": photo("blue")}), labels=LABELS))
    assert following.state is JobState.SUCCEEDED
    assert workplace.get(job).state is JobState.CANCELLED


def test_a_set_is_tagged_again_when_the_tagger_changes_its_model(workplace: Workplace, tagger: ColourTagger) -> None:
    tagger.go = threading.Semaphore(2)
    workplace.start_worker(WORKER_MAX_ATTEMPTS="1")
    content = zipped({f"{n}.jpg": photo("red", n) for n in range(9)})
    job = workplace.submit(content, labels=LABELS)
    workplace.until(lambda: workplace.entries_stored(job) >= 4)
    former = workplace.key(job)
    tagger.revision, tagger.pictures = "2", 0
    tagger.go.release(100)
    assert workplace.finished(job).state is JobState.SUCCEEDED, workplace.logs()
    found = workplace.result(job)
    assert found.report.models == [tagger.model]
    assert [photo.path for photo in found.photos] == [f"{n}.jpg" for n in range(9)]
    assert 9 + 2 <= tagger.pictures <= 9 + 4, "all again, and a batch or two that told of the new model"
    told = [event.progress for event in workplace.events(job)]
    assert Progress(message="the tagger changed its model: starting again with colours") in told
    assert workplace.jobs.payload(job.id, PhotoSetPayload).earlier == (former,)

    tagger.revision, tagger.pictures = "1", 0
    again = workplace.submit(content, labels=LABELS)
    assert workplace.finished(again).state is JobState.SUCCEEDED, workplace.logs()
    assert workplace.key(again) == former
    assert tagger.pictures == 5, "the former model goes on where it was left"

    tagger.fickle = True
    failed = workplace.finished(workplace.submit(zipped({"a.jpg": photo("blue")}), labels=LABELS))
    assert _problem(failed) == (503, "model-changed")
    assert failed.error is not None and "tagger" in failed.error.detail
