"""Queue edits as jobs, and return the results of finished jobs. Everything here blocks."""

import io
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from PIL import Image

from framesense.edits.series import plan_series
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.jobs.payloads import EditPayload, EditSource
from framesense.schemas.edits import MAX_SEED, EditedImage, EditParameters, EditResult, SeriesParameters
from framesense.schemas.jobs import Job, JobKind
from framesense.storage.edits import EditStore, PictureKind
from gateway.dependencies import Dependencies
from gateway.edits.sources import Sources
from gateway.http.zips import stream_zip
from gateway.jobs.lookups import find_job, payload_of, require_success
from gateway.jobs.submission import create_job, enqueue_job, withdrawn_on_failure

EDITS = (JobKind.EDIT, JobKind.EDIT_SERIES)
NAME_LENGTH = 80
"""Letters of a prompt that name a job without a photo."""


def submit_edit(dependencies: Dependencies, sources: Sources, parameters: EditParameters) -> Job:
    """Queue an edit and return its job. Raises ProblemError 503 when the queue cannot be reached."""
    return _submit(dependencies, JobKind.EDIT, sources, _seeded(parameters), parameters.prompt)


def submit_series(dependencies: Dependencies, sources: Sources, series: SeriesParameters) -> Job:
    """Queue a series of edits and return its job.

    Raises ProblemError: 422 as :func:`framesense.edits.series.plan_series`, 413 for too many pictures, 503 as
    :func:`submit_edit`.
    """
    limit = dependencies.settings.edit_max_series_images
    pictures = len(plan_series(series, [photo.filename for photo in sources.photos]).cells)
    if pictures > limit:
        detail = f"The series makes {pictures:,} pictures; at most {limit} are made at once. Send several series."
        raise ProblemError(413, "series-too-long", "Series too long", detail)
    seeded = series.model_copy(update={"base": _seeded(series.base)})
    return _submit(dependencies, JobKind.EDIT_SERIES, sources, seeded, series.base.prompt)


def sources_of(dependencies: Dependencies, job_id: str) -> Sources:
    """Return the photos and the mask of an earlier edit, to use them again.

    Raises ProblemError: 404 unknown, 422 no edit, 410 gone.
    """
    job = find_job(dependencies, job_id)
    if job.kind not in EDITS:
        detail = f"Job {job_id} is a {job.kind} job, not an edit: it has no photo to edit again."
        raise ProblemError(422, "not-an-edit", "Not an edit", detail)
    store, source = EditStore(dependencies.storage), payload_of(dependencies, job, EditPayload).edit
    try:
        photos = [Upload(store.photo(job_id, index), name, None) for index, name in enumerate(source.photos)]
        mask = Upload(store.mask(job_id), "mask", None) if source.mask else None
    except FileNotFoundError:
        detail = f"The photo of job {job_id} is no longer stored. Send it again."
        raise ProblemError(410, "photo-gone", "Photo gone", detail) from None
    return Sources(photos, mask)


def edit_result(dependencies: Dependencies, job: Job) -> EditResult:
    """Return the result.

    Raises ProblemError: 409 while the job is not finished, 410 for a cancelled one, and a failed one's own.
    """
    require_success(job)
    store = EditStore(dependencies.storage)
    result = store.load(job.id)
    if result is None:
        detail = f"The result of job {job.id} is no longer in the store. Send the photo again."
        raise ProblemError(410, "result-gone", "Result gone", detail)
    names = payload_of(dependencies, job, EditPayload).edit.photos
    sheet = f"/jobs/{job.id}/contact-sheet.png" if job.kind is JobKind.EDIT_SERIES else None
    images = [_addressed(store, job, image, len(names)) for image in result.images]
    return result.model_copy(update={"images": images, "contact_sheet_url": sheet})


def edit_archive(dependencies: Dependencies, job: Job) -> Iterator[bytes]:
    """Stream a zip of all pictures, the contact sheet and the result.

    Raises ProblemError like :func:`edit_result`, before the first bytes.
    """
    result, store = edit_result(dependencies, job), EditStore(dependencies.storage)
    files: list[tuple[str, Callable[[], bytes]]] = []
    for picture in PictureKind:
        files += [
            (f"{picture}-{image.index:03d}.png", partial(store.png, job.id, picture, image.index))
            for image in result.images
            if store.has(job.id, picture, image.index)
        ]
    if result.contact_sheet_url is not None:
        files.append(("contact-sheet.png", partial(store.contact_sheet, job.id)))
    files.append(("result.json", result.model_dump_json(indent=2).encode))
    return stream_zip(files, at=job.finished_at or job.created_at)


def edit_thumbnail(dependencies: Dependencies, job: Job, index: int) -> bytes:
    """Return a small copy as JPEG. Raises a 404 problem for one that there is not, or not yet."""
    try:
        return EditStore(dependencies.storage).thumbnail(_edit(job).id, index)
    except FileNotFoundError:
        raise _unknown_picture(job, PictureKind.IMAGE, index) from None


def edit_picture(dependencies: Dependencies, job: Job, picture: PictureKind, index: int) -> bytes:
    """Return a picture as PNG. Raises a 404 problem for one that there is not, or not yet."""
    try:
        return EditStore(dependencies.storage).png(_edit(job).id, picture, index)
    except FileNotFoundError:
        raise _unknown_picture(job, picture, index) from None


def contact_sheet(dependencies: Dependencies, job: Job) -> bytes:
    """Return the contact sheet as PNG. Raises a 404 problem for a job that has none, or not yet."""
    try:
        return EditStore(dependencies.storage).contact_sheet(_edit(job).id)
    except FileNotFoundError:
        detail = f"Job {job.id} has no contact sheet, or not yet: a series has one once it is finished."
        raise ProblemError(404, "no-contact-sheet", "No contact sheet", detail) from None


def source_photo(dependencies: Dependencies, job: Job, index: int) -> tuple[bytes, str]:
    """Return a photo as it was uploaded, and its media type. Raises a 404 problem."""
    try:
        content = EditStore(dependencies.storage).photo(_edit(job).id, index)
    except FileNotFoundError:
        detail = f"Job {job.id} has no photo {index}."
        raise ProblemError(404, "unknown-photo", "Unknown photo", detail) from None
    with Image.open(io.BytesIO(content)) as image:
        return content, Image.MIME.get(image.format or "", "application/octet-stream")


_NAMES = {
    PictureKind.IMAGE: "image",
    PictureKind.CHANGE: "change map of an image",
    PictureKind.MASK: "mask of an image",
}


def _unknown_picture(job: Job, picture: PictureKind, index: int) -> ProblemError:
    detail = f"Job {job.id} has no {_NAMES[picture]} {index}, or not yet."
    return ProblemError(404, "unknown-picture", "Unknown picture", detail)


def _submit(
    dependencies: Dependencies,
    kind: JobKind,
    sources: Sources,
    parameters: EditParameters | SeriesParameters,
    prompt: str,
) -> Job:
    names = [photo.filename for photo in sources.photos]
    files = [*sources.photos, *([sources.mask] if sources.mask else [])]
    job = create_job(
        dependencies,
        kind,
        name=_job_name(names, prompt),
        parameters=parameters.model_dump(mode="json", exclude_none=True),
        payload=EditPayload(
            edit=EditSource(photos=names, mask=sources.mask is not None),
            size=sum(len(file.content) for file in files),
        ),
    )
    store = EditStore(dependencies.storage)
    with withdrawn_on_failure(dependencies, job):
        for index, photo in enumerate(sources.photos):
            store.add_photo(job.id, index, photo.content)
        if sources.mask:
            store.add_mask(job.id, sources.mask.content)
        enqueue_job(dependencies, job)
    return dependencies.jobs.get(job.id) or job


def _seeded(parameters: EditParameters) -> EditParameters:
    """Draw the seed now, so that a worker that takes over goes on with the same one."""
    if parameters.seed is not None:
        return parameters
    return parameters.model_copy(update={"seed": secrets.randbelow(MAX_SEED + 1)})


def _job_name(photos: Sequence[str], prompt: str) -> str:
    if not photos:
        return prompt[:NAME_LENGTH]
    return photos[0] if len(photos) == 1 else f"{photos[0]} and {len(photos) - 1} more"


def _addressed(store: EditStore, job: Job, image: EditedImage, photos: int) -> EditedImage:
    """Add the URLs of its pictures."""
    at, index = f"/jobs/{job.id}", image.index
    changes = {"image_url": f"{at}/images/{index}.png"}
    if store.has(job.id, PictureKind.CHANGE, index):
        changes["change_map_url"] = f"{at}/changes/{index}.png"
    if store.has(job.id, PictureKind.MASK, index):
        changes["mask_url"] = f"{at}/masks/{index}.png"
    if image.photo_index is not None:
        changes["photo_url"] = f"{at}/sources/{image.photo_index}"
    return image.model_copy(update=changes)


def _edit(job: Job) -> Job:
    """Return an edit job. Raises a 404 problem for a job of another kind."""
    if job.kind not in EDITS:
        detail = f"Job {job.id} is a {job.kind} job: it has a result, but no edited pictures."
        raise ProblemError(404, "not-an-edit-job", "Not an edit job", detail)
    return job
