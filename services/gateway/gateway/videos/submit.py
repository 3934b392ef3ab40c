"""Submit a video: the file into the store, a job into Redis, a task onto the queue.

Where the same question was answered before, the job has succeeded at once.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import StoredFile, VideoPayload
from framesense.jobs.queue import enqueue
from framesense.schemas.jobs import Job, JobKind, JobState, Progress
from framesense.schemas.novelty import Interval, VideoParameters, VideoPlan
from framesense.storage.analyses import VideoModels, analysis_key, video_key
from gateway.dependencies import Dependencies
from gateway.http.multipart import FormLimits, ReceivedForm
from gateway.jobs.lookups import analysis_of, find_job, payload_of, require_video
from gateway.jobs.submission import sha256_of, withdrawn_on_failure
from gateway.models.available import video_models
from gateway.settings import GatewaySettings
from gateway.uploads.sniffing import HEAD_BYTES, refuse_non_video
from gateway.videos.plan import FROM_STORE, plan_analysis, planned_progress

BEAMS, MAX_TOKENS = 4, 24
"""How a video's frames are captioned."""


def form_limits(settings: GatewaySettings) -> FormLimits:
    """Return the limits within which a form with a video is received."""
    return FormLimits("video", settings.max_video_bytes, settings.upload_idle_timeout, refuse_non_video)


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
        return await asyncio.to_thread(resubmit_video, dependencies, earlier, parameters, models)
    if form.file:
        file, name = form.file.path, form.file.name
    else:
        assert upload_id is not None
        upload, file = await asyncio.to_thread(dependencies.uploads.take, upload_id)
        await asyncio.to_thread(_refuse_archive, upload.name, file)
        name = upload.name
    duration = await dependencies.media.probe_duration(file)
    job = await asyncio.to_thread(submit_video, dependencies, file, name, duration, parameters, models)
    if upload_id is None:
        return job
    await asyncio.to_thread(dependencies.uploads.delete, upload_id)
    return job


async def plan_video(
    dependencies: Dependencies, interval: Interval, *, upload_id: str | None, job_id: str | None
) -> VideoPlan:
    """Tell what the analysis of an upload, or of an earlier job's video, will look at.

    Raises ProblemError: 422 unless there is one of the two, 404 for an unknown upload or job, 409 for an upload that is
    not complete.
    """
    if [upload_id, job_id].count(None) != 1:
        raise ProblemError(422, "no-video", "No video", "Send either an 'upload_id' or a 'job_id', one of the two.")
    if upload_id:
        _, file = await asyncio.to_thread(dependencies.uploads.take, upload_id)
        duration = await dependencies.media.probe_duration(file)
    else:
        assert job_id is not None
        duration = await asyncio.to_thread(_known_duration, dependencies, job_id)
    return await asyncio.to_thread(plan_analysis, dependencies.jobs, duration, interval)


def submit_video(
    dependencies: Dependencies,
    file: Path,
    name: str,
    duration: float | None,
    parameters: VideoParameters,
    models: VideoModels | None,
) -> Job:
    """Move a file into the store and start a job for it.

    ``duration``: seconds that the file says it lasts, if it does. ``models`` are those that would answer now, if known.

    Raises ProblemError 422 for an empty file, 503 when the queue cannot be reached. Blocking.
    """
    sha256 = sha256_of(file, name)

    def store() -> None:
        dependencies.storage.take(file, video_key(sha256))

    source = StoredFile(sha256=sha256, name=name, bytes=file.stat().st_size)
    return _submit(dependencies, source, store, duration, parameters, models)


def resubmit_video(
    dependencies: Dependencies, earlier: Job, parameters: VideoParameters, models: VideoModels | None
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
    duration = _analysed_duration(dependencies, earlier)

    def require_stored() -> None:
        if not dependencies.storage.exists(video_key(source.sha256)):
            raise ProblemError(410, "video-gone", "Video gone", "The video is no longer stored. Send it again.")

    return _submit(dependencies, source, require_stored, duration, parameters, models)


def _submit(
    dependencies: Dependencies,
    source: StoredFile,
    store: Callable[[], None],
    duration: float | None,
    parameters: VideoParameters,
    models: VideoModels | None,
) -> Job:
    payload = VideoPayload(video=source, every_n_second=parameters.every_n_second, beams=BEAMS, max_tokens=MAX_TOKENS)
    plan = plan_analysis(dependencies.jobs, duration, parameters.every_n_second)
    job = dependencies.jobs.create(
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
            enqueue(dependencies.celery, JobKind.VIDEO, job.id)
    return dependencies.jobs.get(job.id) or job


def _known_duration(dependencies: Dependencies, job_id: str) -> float | None:
    earlier = find_job(dependencies, job_id)
    require_video(earlier)
    return _analysed_duration(dependencies, earlier)


def _analysed_duration(dependencies: Dependencies, job: Job) -> float | None:
    """Return the seconds of a job's video, where its analysis is there to tell."""
    key = analysis_of(dependencies, job)
    found = dependencies.analysis_cache.load(key) if key and job.state is JobState.SUCCEEDED else None
    return found[0].video.duration if found else None


def _answer_from_store(dependencies: Dependencies, job: Job, every_n_second: float, models: VideoModels) -> bool:
    """Finish the job at once if its analysis is whole; return whether it was."""
    payload = dependencies.jobs.payload(job.id, VideoPayload)
    key = analysis_key(
        sha256=payload.video.sha256,
        every_n_second=every_n_second,
        beams=payload.beams,
        max_tokens=payload.max_tokens,
        models=models,
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
