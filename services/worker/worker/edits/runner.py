"""Have the editor make the pictures of a job, one after another; store each as soon as it is there.

What was stored before is not made again: a worker that takes over, or the same one after the editor died, asks for the
pictures that are still missing, with their seeds.
"""

import base64
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from framesense.clients.editor import EditInterrupted, EditorClient
from framesense.edits.png_metadata import picture_texts, with_texts
from framesense.edits.series import Cell
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.media.images import RGB, ImageLimits, decode_image
from framesense.schemas.edits import MAX_SEED, EditedImage, ImageEvent, StepEvent
from framesense.storage.edits import EditStore, FinishedPicture
from worker.edits.progress import ProgressReporter
from worker.edits.prompt_similarity import SimilarityMeter, comparable
from worker.jobs.concurrency import Stopped
from worker.jobs.lease_heartbeat import LeaseHeartbeat
from worker.jobs.model_change import is_same_model
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EditPlan:
    """A job's pictures: one a cell, in order. ``photos``: the names of the files it starts from."""

    job_id: str
    cells: Sequence[Cell]
    photos: Sequence[str]
    masked: bool


class EditRunner:
    """Makes the pictures of one job. Where the editor or the tagger changes its model meanwhile, they say so."""

    def __init__(
        self,
        plan: EditPlan,
        editor: EditorClient,
        meter: SimilarityMeter,
        store: EditStore,
        reporter: ProgressReporter,
        settings: WorkerSettings,
        heartbeat: LeaseHeartbeat,
    ) -> None:
        self._plan, self._editor, self._meter, self._store = plan, editor, meter, store
        self._reporter, self._settings, self._heartbeat = reporter, settings, heartbeat
        self._mask = Upload(store.mask(plan.job_id), "mask", None) if plan.masked else None
        self._opened: tuple[int, Upload, RGB] | None = None

    def run(self, between: Callable[[], None]) -> list[EditedImage]:
        """Make all missing pictures; return them with those finished before.

        ``between`` is called after every picture but the last; what it raises, this raises.

        Raises EditorUnavailable, ProblemError for what the editor refuses or when it keeps dying, and Stopped.
        """
        finished = self._store.images(self._plan.job_id)
        self._reporter.picture(len(finished))
        deaths = 0
        while len(finished) < len(self._plan.cells):
            before = len(finished)
            try:
                self._ask(finished)
            except EditInterrupted as error:
                log.warning("job %s: %s; asking again", self._plan.job_id, error)
                deaths = deaths + 1 if len(finished) == before else 1
                if deaths >= self._settings.worker_max_attempts:
                    raise self._crashes_again(len(finished), deaths) from error
            else:
                deaths = 0
            if before < len(finished) < len(self._plan.cells):
                between()
        return finished

    def _ask(self, finished: list[EditedImage]) -> None:
        """Send one request: the next picture, and those after it that differ by nothing but the next seed."""
        cells = self._plan.cells[len(finished) :]
        first = cells[0].parameters
        alike = 1
        while alike < len(cells) and cells[alike] == _seeded(cells[0], alike):
            alike += 1
        photo = self._photo(cells[0].photo) if self._plan.photos else None
        request = first.model_copy(update={"images": alike})
        events = self._editor.edit(request, image=photo[0] if photo else None, mask=self._mask, alive=self._go_on)
        for event in events:
            self._go_on()
            if isinstance(event, StepEvent):
                self._reporter.step(len(finished), event)
            else:
                finished.append(self._stored(event, finished, photo[1] if photo else None))
                self._reporter.picture(len(finished))

    def _go_on(self) -> None:
        if self._heartbeat.stop.is_set():
            raise Stopped

    def _stored(self, event: ImageEvent, before: Sequence[EditedImage], photo: RGB | None) -> EditedImage:
        index, model, png = len(before), event.image.model, base64.b64decode(event.png)
        assert model is not None, "the editor names it"
        cell = self._plan.cells[index]
        limits = ImageLimits(len(png), np.iinfo(np.int64).max)  # our own editor's, as large as it was asked to be
        pixels = decode_image(png, limits, name="the edited picture")
        own = {
            "index": index,
            "row": cell.row,
            "column": cell.column,
            "photo": self._plan.photos[cell.photo] if self._plan.photos else "",
            "photo_index": cell.photo if self._plan.photos else None,
        }
        image = self._with_similarity(event.image.model_copy(update=own), photo, pixels)
        image = image.model_copy(update={"notes": [*image.notes, *_changes(before, image)]})
        finished_picture = FinishedPicture(
            image=image,
            png=with_texts(png, picture_texts(image, model)),
            thumbnail=thumbnail(pixels, self._settings.worker_sheet_cell),
            change_map=base64.b64decode(event.change_map) if event.change_map else None,
            mask=base64.b64decode(event.mask) if event.mask else None,
        )
        self._store.append(self._plan.job_id, finished_picture)
        return image

    def _with_similarity(self, image: EditedImage, photo: RGB | None, pixels: RGB) -> EditedImage:
        """Add the similarity of picture and words, where there are both."""
        notes, agreement = list(image.notes), None
        if photo is not None and image.photo_index is not None and image.parameters.prompt:
            similarity = self._meter.measure(image.photo_index, photo, pixels, image.parameters.prompt)
            if isinstance(similarity, str):
                notes.append(similarity)
            else:
                agreement = similarity
        return image.model_copy(update={"agreement": agreement, "notes": notes})

    def _photo(self, index: int) -> tuple[Upload, RGB]:
        """Return the file as it came, and its pixels; the last one is cached."""
        if self._opened is None or self._opened[0] != index:
            name = self._plan.photos[index]
            try:
                content = self._store.photo(self._plan.job_id, index)
            except FileNotFoundError:
                detail = f"The photo {name} is no longer stored. Send it again."
                raise ProblemError(410, "photo-gone", "Photo gone", detail) from None
            limits = ImageLimits(self._settings.max_image_bytes, self._settings.max_image_pixels)
            pixels = decode_image(content, limits, name=name, least_side=2 * self._settings.worker_photo_side)
            self._opened = (index, Upload(content, name, None), pixels)
        return self._opened[1], self._opened[2]

    def _crashes_again(self, finished: int, deaths: int) -> ProblemError:
        detail = (
            f"The editor broke off {deaths} times at picture {finished + 1} of {len(self._plan.cells)}. Its log has "
            "the reason; it may need more memory than it has. A smaller photo, or fewer pictures at once, may help."
        )
        return ProblemError(500, "editor-died", "Editor died", detail)


def _changes(before: Sequence[EditedImage], image: EditedImage) -> list[str]:
    """Note which models have changed since the first picture."""
    notes, first = [], before[0].model if before else None
    if first and image.model and not is_same_model(image.model, first):
        notes.append(f"not of the model that the first picture is of: the editor changed to {image.model.name}")
    if image.agreement and image.agreement.model and image not in comparable([*before, image]):
        name = image.agreement.model.name
        notes.append(f"its agreement is not to be compared with the first picture's: the tagger changed to {name}")
    return notes


def thumbnail(pixels: RGB, side: int) -> bytes:
    """Encode a small copy as JPEG, its longer side at most ``side`` pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), reducing_gap=2)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def seed_after(seed: int, further: int) -> int:
    """Return the seed so many pictures further on; after the greatest comes 0."""
    return (seed + further) % (MAX_SEED + 1)


def _seeded(cell: Cell, further: int) -> Cell:
    """Return the same picture with a seed so much further on."""
    seed = seed_after(cell.parameters.seed or 0, further)
    parameters = cell.parameters.model_copy(update={"seed": seed})
    return Cell(cell.photo, parameters, cell.row, cell.column)
