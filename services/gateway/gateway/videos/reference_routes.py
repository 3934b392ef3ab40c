"""Named references: footage that someone marked as normal."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Response

from framesense.http.problems import ProblemError
from framesense.schemas.jobs import JobKind
from framesense.schemas.names import KeptName
from framesense.schemas.references import NewReference, Reference, ReferenceList
from gateway.access.refusals import not_yours
from gateway.access.shared import Shared, SharedOwners, require_own
from gateway.dependencies import InjectedDependencies
from gateway.jobs.lookups import find_job, load_analysis
from gateway.openapi import examples

router = APIRouter(tags=["references"], prefix="/references")

Name = Annotated[KeptName, Path(description="as given when it was made")]


@router.post(
    "",
    status_code=201,
    summary="Mark footage as normal",
    responses=examples.responses(
        {201: examples.json_example("The reference", examples.REFERENCE)}, *(*examples.OF_JOB_RESULTS, 400, 408)
    ),
)
def create_reference(dependencies: InjectedDependencies, new: NewReference, response: Response) -> Reference:
    """Mark the frames of a finished job, or those in some time ranges of it, as normal footage.

    Kept are, at each height of the picture, the few hundred patches that cover it best, and the ways that such patches
    move. Then `/jobs/{id}/novelty?reference=NAME`
    tells how far each frame of that job, or of any other of the same camera, is from normal: what looks like nothing in
    the reference, or moves like nothing in it. One of the same name is replaced.

    ```sh
    curl http://127.0.0.1:8000/references -H 'Content-Type: application/json' \\
         -d '{"name": "quiet-street", "job": "'$ID'", "ranges": [{"start": 0, "end": 60}]}'
    ```
    """
    job = find_job(dependencies, new.job)
    if job.kind is not JobKind.VIDEO:
        raise ProblemError(422, "not-a-video-job", "Not a video job", f"Job {job.id} is no video job.")
    owners, caller = SharedOwners(dependencies.redis), dependencies.caller
    taken = any(reference.name == new.name for reference in dependencies.references.list().references)
    if taken and not owners.allow(caller, Shared.REFERENCE, new.name):
        raise not_yours(f"The reference {new.name!r}")
    response.headers["Location"] = f"/references/{quote(new.name)}"
    reference = dependencies.references.create(new, load_analysis(dependencies, job), dependencies.analyses)
    owners.record(caller, Shared.REFERENCE, new.name)
    return reference


@router.get(
    "",
    summary="List references",
    responses=examples.responses({200: examples.json_example("By name", examples.REFERENCES)}, 503),
)
def list_references(dependencies: InjectedDependencies) -> ReferenceList:
    """List the references by name; they are kept until they are deleted."""
    return dependencies.references.list()


@router.get(
    "/{name}",
    summary="What a reference was made of",
    responses=examples.responses({200: examples.json_example("The reference", examples.REFERENCE)}, 404, 503),
)
def get_reference(dependencies: InjectedDependencies, name: Name) -> Reference:
    """Describe a reference. Its job may be gone: a reference keeps the patches it needs."""
    return dependencies.references.get(name)


@router.delete(
    "/{name}",
    status_code=204,
    summary="Delete a reference",
    dependencies=[Depends(require_own(Shared.REFERENCE))],
    responses=examples.responses({204: {"description": "Deleted"}}, 404, 503),
)
def delete_reference(dependencies: InjectedDependencies, name: Name) -> None:
    """Delete a reference. Jobs that were started with it need another, or `signal=auto`."""
    dependencies.references.delete(name)
