"""Submit a video: the file into the store, a job into Redis, a task onto the queue.

Where the same question was answered before, the job has succeeded at once.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from fastapi.concurrency import contextmanager_in_threadpool

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import StoredFile, VideoPayload
from framesense.media.stream_choice import unknown_stream
from framesense.schemas.jobs import Job, JobKind, Progress
from framesense.schemas.novelty import Interval, VideoParameters, VideoPlan
from framesense.schemas.videos import VideoProbe
from framesense.storage.analyses import VideoModels, analysis_key, video_key
from gateway.dependencies import Dependencies
from gateway.http.multipart import FormLimits, ReceivedForm
from gateway.jobs.lookups import find_job, payload_of, require_video
from gateway.jobs.submission import create_job, enqueue_job, sha256_of, withdrawn_on_failure
from gateway.models.available import video_models
from gateway.uploads.sniffing import HEAD_BYTES, refuse_non_video
from gateway.videos.plan import FROM_STORE, plan_analysis, planned_progress

BEAMS, MAX_TOKENS = 4, 24
"""How a video's frames are captioned."""


def form_limits(dependencies: Dependencies) -> FormLimits:
    """Return the limits within which a form with a video is received."""
    settings, room = dependencies.settings, dependencies.disk.require
    return FormLimits(
        "video", settings.max_video_bytes, settings.upload_idle_timeout, refuse_non_video, require_room=room
    )


async def submit_form(
    dependencies: Dependencies,
    form: ReceivedForm,
    parameters: VideoParameters,
    *,
    upload_id: str | None = None,
    job_id: str | None = None,
) -> Job:
    """Start a job for a form's video, or for that of the upload or the earlier job that it names.

    Raises ProblemError: 422 unless there is one of the three, 404 for an unknown upload or job, and as
    :func:`submit_video` and :func:`resubmit_video`.
    """
    if [form.file, upload_id, job_id].count(None) != 2:
        detail = (
            "Send either a file in the field 'video' (curl -F video=@FILE), an 'upload_id' or a 'job_id', one of the "
            "three."
        )
        raise ProblemError(422, "no-video", "No video", detail)
    models = await video_models(dependencies.captioner, dependencies.tagger)
    if job_id:
        earlier = await asyncio.to_thread(find_job, dependencies, job_id)
        probe = await _probe_earlier(dependencies, earlier, parameters.video_stream)
        return await asyncio.to_thread(resubmit_video, dependencies, earlier, probe, parameters, models)
    if form.file:
        file, name = form.file.path, form.file.name
    else:
        assert upload_id is not None
        upload, file = await asyncio.to_thread(dependencies.uploads.take, upload_id)
        await asyncio.to_thread(_refuse_archive, upload.name, file)
        name = upload.name
    probe = await _probe(dependencies, file, parameters.video_stream)
    job = await asyncio.to_thread(submit_video, dependencies, file, name, probe, parameters, models)
    if upload_id is None:
        return job
    await asyncio.to_thread(dependencies.uploads.delete, upload_id)
    return job


async def plan_video(
    dependencies: Dependencies,
    interval: Interval,
    video_stream: int | None,
    *,
    upload_id: str | None,
    job_id: str | None,
) -> VideoPlan:
    """Tell what the analysis of an upload, or of an earlier job's video, will look at.

    Raises ProblemError: 422 unless there is one of the two, and for a stream that is no video's, 404 for an unknown
    upload or job, 409 for an upload that is not complete.
    """
    if [upload_id, job_id].count(None) != 1:
        raise ProblemError(422, "no-video", "No video", "Send either an 'upload_id' or a 'job_id', one of the two.")
    if upload_id:
        _, file = await asyncio.to_thread(dependencies.uploads.take, upload_id)
        probe = await _probe(dependencies, file, video_stream)
    else:
        assert job_id is not None
        earlier = await asyncio.to_thread(find_job, dependencies, job_id)
        require_video(earlier)
        probe = await _probe_earlier(dependencies, earlier, video_stream)
    return await asyncio.to_thread(_plan, dependencies, probe, interval)


def submit_video(
    dependencies: Dependencies,
    file: Path,
    name: str,
    probe: VideoProbe,
    parameters: VideoParameters,
    models: VideoModels | None,
) -> Job:
    """Move a file into the store and start a job for it.

    ``probe``: what the file says of itself. ``models`` are those that would answer now, if known.

    Raises ProblemError 422 for an empty file, 503 when the queue cannot be reached. Blocking.
    """
    sha256 = sha256_of(file, name)

    def store() -> None:
        dependencies.storage.take(file, video_key(sha256))

    source = StoredFile(sha256=sha256, name=name, bytes=file.stat().st_size)
    return _submit(dependencies, source, store, probe, parameters, models)


def resubmit_video(
    dependencies: Dependencies,
    earlier: Job,
    probe: VideoProbe,
    parameters: VideoParameters,
    models: VideoModels | None,
) -> Job:
    """Start another job for the video of an earlier one, which need not be sent again.

    Raises ProblemError 422 when that was no video's, 410 when the video is no longer stored, 503 when the queue cannot
    be reached. Blocking.
    """
    if earlier.kind is not JobKind.VIDEO:
        raise ProblemError(
            422, "no-video", "No video", f"Job {earlier.id} is not a video's: it is a {earlier.kind} job."
        )
    source = payload_of(dependencies, earlier, VideoPayload).video

    def require_stored() -> None:
        if not dependencies.storage.exists(video_key(source.sha256)):
            raise ProblemError(410, "video-gone", "Video gone", "The video is no longer stored. Send it again.")

    return _submit(dependencies, source, require_stored, probe, parameters, models)


def _submit(
    dependencies: Dependencies,
    source: StoredFile,
    store: Callable[[], None],
    probe: VideoProbe,
    parameters: VideoParameters,
    models: VideoModels | None,
) -> Job:
    payload = VideoPayload(
        video=source,
        size=source.bytes,
        every_n_second=parameters.every_n_second,
        video_stream=parameters.video_stream,
        beams=BEAMS,
        max_tokens=MAX_TOKENS,
    )
    plan = _plan(dependencies, probe, parameters.every_n_second)
    if plan.refused:
        raise ProblemError(422, "too-many-frames", "Too many frames", plan.refused)
    job = create_job(
        dependencies,
        JobKind.VIDEO,
        name=source.name,
        parameters=parameters.model_dump(mode="json"),
        payload=payload,
        progress=planned_progress(plan),
    )
    with withdrawn_on_failure(dependencies, job):
        # After the job is there: whoever deletes another job of this video now sees that the video is still wanted.
        store()
        if not (models and plan.every_n_second and _answer_from_store(dependencies, job, plan.every_n_second, models)):
            enqueue_job(dependencies, job)
    return dependencies.jobs.get(job.id) or job


def _plan(dependencies: Dependencies, probe: VideoProbe, interval: Interval) -> VideoPlan:
    most = dependencies.settings.max_video_frames
    return plan_analysis(dependencies.jobs, probe, interval, most_frames=most)


async def _probe(dependencies: Dependencies, file: Path, number: int | None) -> VideoProbe:
    """Read what a file says of itself. Raises a 422 problem where no video of it has this number."""
    probe = await dependencies.media.probe(file, number)
    if number is not None and probe.video_stream is None and probe.video_streams:
        raise unknown_stream(number, probe.video_streams)
    return probe


async def _probe_earlier(dependencies: Dependencies, job: Job, number: int | None) -> VideoProbe:
    """Return what is known of a job's video, which may no longer be stored. Raises as :func:`_probe`."""
    if job.kind is not JobKind.VIDEO:
        return VideoProbe()
    key = video_key((await asyncio.to_thread(payload_of, dependencies, job, VideoPayload)).video.sha256)
    if not await asyncio.to_thread(dependencies.storage.exists, key):
        return VideoProbe()
    async with contextmanager_in_threadpool(dependencies.storage.local_file(key)) as file:
        return await _probe(dependencies, file, number)


def _answer_from_store(dependencies: Dependencies, job: Job, every_n_second: float, models: VideoModels) -> bool:
    """Finish the job at once if its analysis is whole; return whether it was."""
    payload = dependencies.jobs.payload(job.id, VideoPayload)
    key = analysis_key(
        sha256=payload.video.sha256,
        every_n_second=every_n_second,
        beams=payload.beams,
        max_tokens=payload.max_tokens,
        models=models,
        video_stream=payload.video_stream,
    )
    # Asked of the store, not of what is kept in memory: the analysis may have been deleted since.
    found = dependencies.analyses.load(key)
    lease = dependencies.jobs.lease(job.id) if found else None
    if found is None or lease is None:
        return False
    _, frames = found
    resolved = payload.model_copy(update={"every_n_second": every_n_second})
    dependencies.jobs.save_payload(job.id, resolved.with_work(key))
    dependencies.jobs.save_parameters(job.id, {**job.parameters, "every_n_second": every_n_second})
    dependencies.jobs.start(job.id)
    done = Progress(done=len(frames), total=len(frames), message=FROM_STORE)
    dependencies.jobs.progress(job.id, done)
    dependencies.jobs.succeed(job.id, f"/jobs/{job.id}/result")
    lease.release()
    return True


def _refuse_archive(name: str, file: Path) -> None:
    """Refuse an upload that is a zip of photos, as uploads may be. Raises a 415 problem."""
    with file.open("rb") as stream:
        refuse_non_video(name, stream.read(HEAD_BYTES))
