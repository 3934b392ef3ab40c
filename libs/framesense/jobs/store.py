"""Jobs in Redis: their state, their events, and the lease that says which worker has one.

A job is a hash; every change of it also appends a snapshot to the job's event stream, whose ids let a listener resume.
State changes run inside Redis (a script) and only from the states they name, so that a cancel and a finish that meet
leave one of the two, never a mixture.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import uuid4

from redis import Redis

from framesense.jobs import scripts
from framesense.jobs.payloads import Payload, UnknownPayloadError, read_payload
from framesense.schemas.jobs import Job, JobKind, JobList, JobState, Progress
from framesense.schemas.problems import Problem

AnyPayload = TypeVar("AnyPayload", bound=Payload)

INDEX = "framesense:jobs"
ACTIVE = "framesense:jobs:active"
INDEXED = "framesense:jobs:indexed"
"""Says that every job is in the index by content, which releases before had not."""
_CURSOR = re.compile(r"\d{1,12}(?:\.\d{1,9})?-[0-9a-f]{32}")
EVENTS_KEPT = 512
COUNTED_AT_ONCE = 5000
PREVIEW_SECONDS = 300
QUEUED_AT_MOST = timedelta(minutes=1)
"""After which a queued job's message may be lost: the gateway may have died between writing the job and sending it."""


def events_key(job_id: str) -> str:
    """Return the key of a job's event stream in Redis; each entry's field ``job`` is read by :func:`read_event`."""
    return f"framesense:job:{job_id}:events"


def _job_key(job_id: str) -> str:
    return f"framesense:job:{job_id}"


def _content_key(sha256: str) -> str:
    return f"framesense:content:{sha256}:jobs"


def _kind_key(kind: JobKind, client: str | None = None) -> str:
    """Return the key of the index of a kind's jobs: of one client, or of all."""
    return f"{INDEX}:{kind}" if client is None else f"{INDEX}:of:{client}:{kind}"


def _cursor(job: Job) -> str:
    return f"{job.created_at.timestamp()!r}-{job.id}"


def _read_cursor(cursor: str) -> tuple[str, str]:
    """Return the score and the id that a page ended with. Raises ValueError."""
    score, dash, job_id = cursor.partition("-")
    if not dash or not _CURSOR.fullmatch(cursor):
        raise ValueError(f"{cursor[:64]!r} is no cursor of a page before")
    return score, job_id


def _lease_key(job_id: str) -> str:
    return f"framesense:job:{job_id}:lease"


def _claim_key(work: str) -> str:
    return f"framesense:work:{work}"


def _preview_key(job_id: str) -> str:
    return f"framesense:job:{job_id}:preview"


def read_event(snapshot: str) -> Job:
    """Read the job as it was at an event."""
    return _read(json.loads(snapshot))


def _read(fields: dict[str, str]) -> Job:
    decoded = {name: json.loads(value) for name, value in fields.items() if name not in ("state", "payload")}
    return Job.model_validate({**decoded, "state": fields["state"]})


def _now() -> str:
    return json.dumps(datetime.now(UTC).isoformat())


def _is_overdue(job: Job) -> bool:
    waited = datetime.now(UTC) - job.created_at
    return job.state is JobState.RUNNING or (job.state is JobState.QUEUED and waited > QUEUED_AT_MOST)


class UnknownJobError(KeyError):
    """A job that never was, or was deleted."""


@dataclass(frozen=True)
class Lease:
    """Represent one worker's hold on a job. It lapses unless renewed; ``renew`` returns False once it is lost."""

    renew: Callable[[], bool]
    release: Callable[[], bool]


class JobStore:
    """Keep jobs in Redis. ``redis`` must decode responses to str (``Redis.from_url(url, decode_responses=True)``)."""

    def __init__(self, redis: Redis, *, lease_seconds: float, retention_seconds: float) -> None:
        self._redis = redis
        self._lease_ms = int(lease_seconds * 1000)
        self._retention = int(retention_seconds)
        self._change_script = redis.register_script(scripts.CHANGE)
        self._lease_script = redis.register_script(scripts.KEEP_LEASE)
        self._claim_script = redis.register_script(scripts.CLAIM)
        self._page_script = redis.register_script(scripts.PAGE)
        self._states_script = redis.register_script(scripts.STATES)
        self._unfinished_script = redis.register_script(scripts.UNFINISHED)
        self._stored_script = redis.register_script(scripts.STORED)
        self._payload_script = redis.register_script(scripts.SAVE_PAYLOAD)

    def check(self) -> None:
        """Check that Redis answers. Raises redis.RedisError."""
        self._redis.ping()

    def create(
        self,
        kind: JobKind,
        *,
        name: str,
        parameters: dict[str, Any],
        payload: Payload,
        progress: Progress | None = None,
    ) -> Job:
        """Store a new job as queued.

        ``payload`` is what the worker needs and the user does not see, ``progress`` what can be told beforehand.
        """
        job = Job(
            id=uuid4().hex,
            kind=kind,
            name=name,
            state=JobState.QUEUED,
            progress=progress or Progress(),
            parameters=parameters,
            created_at=datetime.now(UTC),
        )
        document = job.model_dump(mode="json", exclude={"state", "queue_position", "warning"})
        fields = {field: json.dumps(value) for field, value in document.items()}
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(_job_key(job.id), "state", JobState.QUEUED)
            pipe.hset(_job_key(job.id), "payload", payload.model_dump_json(exclude_none=True))
            pipe.hset(_job_key(job.id), "client", json.dumps(payload.client))
            for field, value in fields.items():
                pipe.hset(_job_key(job.id), field, value)
            pipe.zadd(INDEX, {job.id: job.created_at.timestamp()})
            pipe.hset(_job_key(job.id), "size", payload.size)
            for index in (_kind_key(kind), _kind_key(kind, payload.client)):
                pipe.zadd(index, {job.id: job.created_at.timestamp()})
            pipe.sadd(ACTIVE, job.id)
            if payload.content:
                pipe.sadd(_content_key(payload.content), job.id)
            pipe.execute()
        self._change(job.id, (), {})
        return job

    def get(self, job_id: str) -> Job | None:
        """Return a job, or None for one that is unknown or was deleted."""
        fields = cast(dict[str, str], self._redis.hgetall(_job_key(job_id)))
        return _read(fields) if fields else None

    def client(self, job_id: str) -> str | None:
        """Return who made a job, or None for one that is unknown or was deleted."""
        client = cast(str | None, self._redis.hget(_job_key(job_id), "client"))
        return str(json.loads(client)) if client else None

    def payload(self, job_id: str, of: type[AnyPayload]) -> AnyPayload:
        """Return a job's payload, of the type that its kind has.

        Raises UnknownJobError for a job that is unknown or was deleted, UnknownPayloadError for a payload that is not
        of that type or cannot be read.
        """
        kind, text = cast(list[str | None], self._redis.hmget(_job_key(job_id), "kind", "payload"))
        if kind is None or text is None:
            raise UnknownJobError(job_id)
        payload = read_payload(JobKind(json.loads(kind)), text)
        if not isinstance(payload, of):
            raise UnknownPayloadError(f"job {job_id} has a {type(payload).__name__}, not a {of.__name__}")
        return payload

    def save_payload(self, job_id: str, payload: Payload) -> None:
        """Replace a job's payload; only the holder of the job's lease, or its maker, does. Raises UnknownJobError."""
        text = payload.model_dump_json(exclude_none=True)
        if not self._payload_script(keys=[_job_key(job_id)], args=[text]):
            raise UnknownJobError(job_id)

    def save_parameters(self, job_id: str, parameters: dict[str, Any]) -> bool:
        """Replace what an unfinished job was asked for by what came of it; return False where it is finished."""
        return self._change(job_id, (JobState.QUEUED, JobState.RUNNING), {"parameters": json.dumps(parameters)})

    def page(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        cursor: str | None = None,
        kinds: Collection[JobKind] = (),
        client: str | None = None,
    ) -> JobList:
        """Return up to ``limit`` jobs, the newest first: of some kinds, or of all where ``kinds`` is empty; of one
        client, or of all.

        ``cursor`` is the ``next_cursor`` of the page before; jobs made or deleted meanwhile neither repeat nor hide
        any. ``offset`` passes over that many more. One round trip, however many jobs there are. Raises ValueError for a
        cursor that no page gave.
        """
        score, job_id = _read_cursor(cursor) if cursor else ("+inf", "")
        keys = [_kind_key(kind, client) for kind in (kinds or JobKind)]
        total, more, *found = self._page_script(keys=keys, args=[limit, offset, score, job_id, _job_key("")])
        jobs = [_read(dict(zip(flat[::2], flat[1::2], strict=True))) for flat in found]
        return JobList(jobs=jobs, total=total, next_cursor=_cursor(jobs[-1]) if more and jobs else None)

    def unfinished(self, client: str) -> int:
        """Return how many jobs of a client wait or run."""
        return int(self._unfinished_script(keys=[ACTIVE], args=[_job_key(""), json.dumps(client)]))

    def stored(self, client: str) -> int:
        """Return the bytes of the files that came with a client's jobs; a file of several counts for each."""
        keys = [_kind_key(kind, client) for kind in JobKind]
        return int(self._stored_script(keys=keys, args=[_job_key("")]))

    def sharing(self, content: str) -> list[str]:
        """Return the ids of the jobs about the file with this SHA-256."""
        return sorted(cast(Iterable[str], self._redis.smembers(_content_key(content))))

    def index(self) -> None:
        """Enter jobs of releases that kept fewer indexes into those by kind and by content.

        Costs one call where there are none.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            for key in (INDEX, *map(_kind_key, JobKind)):
                pipe.zcard(key)
            pipe.get(INDEXED)
            known, *indexed, complete = pipe.execute()
        if known == sum(indexed) and complete:
            return
        scores = cast(list[tuple[str, float]], self._redis.zrange(INDEX, 0, -1, withscores=True))
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id, _ in scores:
                pipe.hmget(_job_key(job_id), "kind", "payload")
            found = pipe.execute()
            for (job_id, score), (kind, payload) in zip(scores, found, strict=True):
                if kind is None:
                    pipe.zrem(INDEX, job_id)
                    continue
                pipe.zadd(_kind_key(JobKind(json.loads(kind))), {job_id: score})
                with suppress(UnknownPayloadError):
                    if content := read_payload(JobKind(json.loads(kind)), payload or "").content:
                        pipe.sadd(_content_key(content), job_id)
            pipe.set(INDEXED, 1)
            pipe.execute()

    def delete(self, job_id: str) -> None:
        """Delete a job, its events and its lease; its blobs are the caller's to delete."""
        with suppress(UnknownJobError, UnknownPayloadError):
            if content := self.payload(job_id, Payload).content:
                self._redis.srem(_content_key(content), job_id)
        client = self.client(job_id)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(_job_key(job_id), events_key(job_id), _lease_key(job_id), _preview_key(job_id))
            for index in (INDEX, *(_kind_key(kind, whose) for kind in JobKind for whose in (None, client))):
                pipe.zrem(index, job_id)
            pipe.srem(ACTIVE, job_id)
            pipe.execute()

    def start(self, job_id: str) -> bool:
        """Mark a queued job as running, or a running one whose worker died; return False where it is finished."""
        fields: dict[str, str] = {"state": JobState.RUNNING}
        if (job := self.get(job_id)) and job.started_at is None:
            fields["started_at"] = _now()
        return self._change(job_id, (JobState.QUEUED, JobState.RUNNING), fields)

    def restart(self, job_id: str, progress: Progress) -> bool:
        """Reset the progress and the start of a running job, as its work begins again; return False where it no longer
        runs.
        """
        fields = {"progress": progress.model_dump_json(), "started_at": _now()}
        return self._change(job_id, (JobState.RUNNING,), fields)

    def requeue(self, job_id: str) -> bool:
        """Mark a running job as queued, to go on when its turn comes again; return False where it no longer runs."""
        return self._change(job_id, (JobState.RUNNING,), {"state": JobState.QUEUED})

    def show(self, job_id: str, preview: str) -> None:
        """Keep a preview of a job, a JPEG in base64, for :data:`PREVIEW_SECONDS`."""
        self._redis.set(_preview_key(job_id), preview, ex=PREVIEW_SECONDS)

    def preview(self, job_id: str) -> bytes | None:
        """Return the JPEG last shown, or None."""
        shown = cast(str | None, self._redis.get(_preview_key(job_id)))
        return base64.b64decode(shown) if shown else None

    def progress(self, job_id: str, progress: Progress) -> bool:
        """Record a running job's progress; return False once it was finished or cancelled by someone else."""
        return self._change(job_id, (JobState.RUNNING,), {"progress": progress.model_dump_json()})

    def succeed(self, job_id: str, result_url: str) -> bool:
        """Mark a job as succeeded; return False where it is finished already."""
        fields = {"state": JobState.SUCCEEDED, "result_url": json.dumps(result_url), "finished_at": _now()}
        return self._change(job_id, (JobState.QUEUED, JobState.RUNNING), fields)

    def fail(self, job_id: str, problem: Problem) -> bool:
        """Mark a job as failed; return False where it is finished already."""
        fields = {"state": JobState.FAILED, "error": problem.model_dump_json(), "finished_at": _now()}
        return self._change(job_id, (JobState.QUEUED, JobState.RUNNING), fields)

    def cancel(self, job_id: str) -> bool:
        """Cancel a queued or running job; return False where it is finished already.

        Its worker sees it at its next ``progress`` or ``is_running``.
        """
        fields = {"state": JobState.CANCELLED, "finished_at": _now()}
        return self._change(job_id, (JobState.QUEUED, JobState.RUNNING), fields)

    def is_running(self, job_id: str) -> bool:
        """Return whether a job is running."""
        return self._redis.hget(_job_key(job_id), "state") == JobState.RUNNING

    def lease(self, job_id: str) -> Lease | None:
        """Take a job for this caller alone; return None while another's lease lives."""
        owner, key = uuid4().hex, _lease_key(job_id)
        if not self._redis.set(key, owner, nx=True, px=self._lease_ms):
            return None
        return Lease(
            renew=lambda: bool(self._lease_script(keys=[key], args=[owner, self._lease_ms])),
            release=lambda: bool(self._lease_script(keys=[key], args=[owner, 0])),
        )

    def claim(self, work: str, job_id: str) -> str:
        """Claim ``work`` (a key) for a job; return the id of the job that does it: this one, or one whose worker lives.

        A claim needs no renewing, and no giving back at the end: it holds as long as its job's lease.
        """
        before, after = _lease_key("\0").split("\0")
        claimed = self._claim_script(keys=[_claim_key(work)], args=[job_id, self._retention, before, after])
        return str(claimed)

    def release_claim(self, work: str, job_id: str) -> None:
        """Give up a job's claim on ``work``, as it does other work from now on.

        Kept, the claim would let other jobs wait for it, or two for each other for ever.
        """
        self._lease_script(keys=[_claim_key(work)], args=[job_id, 0])

    def orphans(self) -> list[Job]:
        """Return the jobs that somebody should queue again.

        They are running ones whose worker's lease has lapsed, and ones queued for a minute or more: unless their
        message waits, it was lost. A message too many does no harm: leases see to that.
        """
        active = list(cast(Iterable[str], self._redis.smembers(ACTIVE)))
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in active:
                pipe.exists(_lease_key(job_id))
                pipe.hgetall(_job_key(job_id))
            answers = pipe.execute()
        jobs = [_read(fields) for held, fields in zip(answers[::2], answers[1::2], strict=True) if fields and not held]
        return [job for job in jobs if _is_overdue(job)]

    def expired(self) -> list[Job]:
        """Return the finished jobs older than the retention. Whoever deletes them deletes their blobs too."""
        oldest = datetime.now(UTC).timestamp() - self._retention
        jobs = (self.get(job_id) for job_id in cast(list[str], self._redis.zrangebyscore(INDEX, 0, oldest)))
        return [job for job in jobs if job and job.state.finished]

    def still_queued(self, job_ids: Iterable[str]) -> list[str]:
        """Return those of the jobs that are queued, in the same order: cancelled ones' messages still wait."""
        listed = list(job_ids)
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in listed:
                pipe.hget(_job_key(job_id), "state")
            return [job_id for job_id, state in zip(listed, pipe.execute(), strict=True) if state == JobState.QUEUED]

    def states(self) -> Counter[JobState]:
        """Count the jobs kept by their state; a few thousand at a time, so that Redis answers others meanwhile."""
        counts: Counter[JobState] = Counter()
        for first in range(0, self._redis.zcard(INDEX), COUNTED_AT_ONCE):
            flat = self._states_script(keys=[INDEX], args=[_job_key(""), first, first + COUNTED_AT_ONCE - 1])
            for state, count in zip(flat[::2], flat[1::2], strict=True):
                counts[JobState(state)] += count
        return counts

    def _change(self, job_id: str, allowed: tuple[JobState, ...], fields: dict[str, str]) -> bool:
        keys = [_job_key(job_id), events_key(job_id), ACTIVE]
        # cjson writes an empty table as an object, which ipairs and pairs walk alike.
        return bool(self._change_script(keys=keys, args=[json.dumps(allowed), json.dumps(fields), EVENTS_KEPT, job_id]))
