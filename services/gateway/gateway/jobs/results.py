"""Read what a finished job answers: the one place that knows the result and the files of each kind of job."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from framesense.http.problems import ProblemError
from framesense.schemas.edits import EditResult
from framesense.schemas.jobs import Job, JobKind
from framesense.schemas.novelty import VideoResult
from framesense.schemas.photo_sets import PhotoSetResult
from framesense.storage.photo_sets import Table
from gateway.dependencies import Dependencies
from gateway.edits.jobs import edit_archive, edit_result
from gateway.jobs.lookups import load_analysis
from gateway.photo_sets.results import photo_set_result, photo_set_table
from gateway.videos.exports import EXPORTS, ExportFormat

Result = VideoResult | PhotoSetResult | EditResult
Changes = Mapping[str, object]
"""Parameters that take the place of a job's own."""


@dataclass(frozen=True)
class ExportedFile:
    content: bytes | str | Iterator[bytes]
    """Whole, or as it is read."""
    media_type: str


@dataclass(frozen=True)
class KindResults:
    """Read the result of jobs of one kind, and write it as files, with parameters that may be changed afterwards.

    Both raise ProblemError: 409 while the job is not finished, 410 for a cancelled one, and a failed one's own.
    """

    result: Callable[[Dependencies, Job, Changes], Result]
    formats: Mapping[ExportFormat, Callable[[Dependencies, Job, Changes], ExportedFile]]


def result_of(dependencies: Dependencies, job: Job, changes: Changes) -> Result:
    """Return a job's whole result. Raises ProblemError as :class:`KindResults`."""
    return JOB_RESULTS[job.kind].result(dependencies, job, changes)


def export_of(dependencies: Dependencies, job: Job, export_format: ExportFormat, changes: Changes) -> ExportedFile:
    """Return a job's result as a file. Raises ProblemError 422 for a format that jobs of its kind do not have."""
    formats = JOB_RESULTS[job.kind].formats
    if export_format not in formats:
        detail = f"A {job.kind} job is exported as {', '.join(formats)}, not as {export_format}."
        raise ProblemError(422, "unknown-format", "Unknown format", detail)
    return formats[export_format](dependencies, job, changes)


def _video(dependencies: Dependencies, job: Job, changes: Changes) -> VideoResult:
    analysed = load_analysis(dependencies, job)
    return dependencies.videos.whole(analysed, analysed.parameters(changes))


def _video_as(export_format: ExportFormat) -> Callable[[Dependencies, Job, Changes], ExportedFile]:
    export = EXPORTS[export_format]
    return lambda dependencies, job, changes: ExportedFile(
        export.write(_video(dependencies, job, changes), dependencies.settings.guess_below), export.media_type
    )


def _photos(dependencies: Dependencies, job: Job, changes: Changes) -> PhotoSetResult:
    return photo_set_result(dependencies, job)


def _photos_as(table: Table, media_type: str) -> Callable[[Dependencies, Job, Changes], ExportedFile]:
    return lambda dependencies, job, changes: ExportedFile(photo_set_table(dependencies, job, table), media_type)


def _photos_json(dependencies: Dependencies, job: Job, changes: Changes) -> ExportedFile:
    return ExportedFile(photo_set_result(dependencies, job).model_dump_json(indent=2), "application/json")


def _edit(dependencies: Dependencies, job: Job, changes: Changes) -> EditResult:
    return edit_result(dependencies, job)


def _edit_json(dependencies: Dependencies, job: Job, changes: Changes) -> ExportedFile:
    return ExportedFile(edit_result(dependencies, job).model_dump_json(indent=2), "application/json")


def _edit_zip(dependencies: Dependencies, job: Job, changes: Changes) -> ExportedFile:
    return ExportedFile(edit_archive(dependencies, job), "application/zip")


_EDIT = KindResults(_edit, {ExportFormat.ZIP: _edit_zip, ExportFormat.JSON: _edit_json})

JOB_RESULTS: Mapping[JobKind, KindResults] = {
    JobKind.VIDEO: KindResults(_video, {export_format: _video_as(export_format) for export_format in EXPORTS}),
    JobKind.PHOTO_SET: KindResults(
        _photos,
        {
            ExportFormat.CSV: _photos_as(Table.CSV, "text/csv; charset=utf-8"),
            ExportFormat.PARQUET: _photos_as(Table.PARQUET, "application/vnd.apache.parquet"),
            ExportFormat.JSON: _photos_json,
        },
    ),
    JobKind.EDIT: _EDIT,
    JobKind.EDIT_SERIES: _EDIT,
}
