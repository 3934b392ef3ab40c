"""A folder of photos → the same folder of smaller ones: upright, aspect kept, never enlarged, in parallel."""

import hashlib
import io
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from functools import partial
from multiprocessing import get_context
from pathlib import Path, PurePosixPath

from PIL import Image

from framesense.cli.manifest import Outcome, read_manifest, write_manifest, write_whole
from framesense.http.problems import ProblemError
from framesense.media.archives import IMAGE_SUFFIXES
from framesense.media.images import HEADER_BYTES, ImageLimits, decode_image, is_image

log = logging.getLogger(__name__)

LIMITS = ImageLimits(max_bytes=256 * 1024**2, max_pixels=400_000_000)
KEPT = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
"""Written in their own format; all others become JPEG, with that suffix after their own."""


@dataclass(frozen=True)
class Row:
    """A line of the manifest. ``made_from``: says of which content, at which size and quality, ``out`` was made."""

    source: str
    out: str = ""
    width: int = 0
    height: int = 0
    bytes: int = 0
    made_from: str = ""
    error: str = ""


@dataclass(frozen=True)
class Result:
    row: Row
    made: bool


def resize(folder: Path, out: Path, *, longest_side: int = 640, quality: int = 90, processes: int = 1) -> Outcome:
    """Resize every image under ``folder`` to the same place under ``out``.

    What is there from the same bytes is left alone.

    Raises ValueError for a folder that is none or holds no image, OSError when nothing can be written.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    sources = list(_images(folder, out))
    if not sources:
        raise ValueError(f"{folder} holds no image")
    out.mkdir(parents=True, exist_ok=True)
    before = {source: _read(row) for source, row in read_manifest(out, "source").items()}
    work = partial(_resize_one, folder, out, longest_side=longest_side, quality=quality)
    known = [before.get(source) for source in sources]
    with ExitStack() as stack:
        results: Iterator[Result] = map(work, sources, known)
        if processes > 1:
            pool = stack.enter_context(ProcessPoolExecutor(processes, mp_context=get_context("spawn")))
            results = pool.map(work, sources, known, chunksize=8)
        counts: Counter[str] = Counter()
        manifest = write_manifest(out, [field.name for field in fields(Row)], _counted(results, counts))
    return Outcome(counts["made"], counts["before"], counts["failed"], manifest)


def _counted(results: Iterable[Result], counts: Counter[str]) -> Iterator[dict[str, object]]:
    for result in results:
        counts["failed" if result.row.error else "made" if result.made else "before"] += 1
        yield asdict(result.row)


def _images(folder: Path, out: Path) -> Iterator[str]:
    """Yield the images' paths relative to the folder, sorted.

    Leaves out ``out`` where that lies inside, and links to elsewhere.
    """
    for path in sorted(folder.rglob("*")):
        inside_out = path.resolve().is_relative_to(out.resolve())
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        plain = path.is_file() and not path.is_symlink()
        if plain and not inside_out and not hidden and _is_image(path):
            yield path.relative_to(folder).as_posix()


def _is_image(path: Path) -> bool:
    """Tell whether a file is an image by its name, or by how it begins."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    with path.open("rb") as file:
        return is_image(file.read(HEADER_BYTES))


def _resize_one(folder: Path, out: Path, source: str, known: Row | None, *, longest_side: int, quality: int) -> Result:
    try:
        content = (folder / source).read_bytes()
        made_from = hashlib.sha256(b"%d %d " % (longest_side, quality) + content).hexdigest()[:16]
        if known and known.made_from == made_from and known.out and (out / known.out).is_file():
            return Result(known, made=False)
        # Decoders of JPEG shrink by 2, 4 or 8 on the way, several times faster; twice the goal loses nothing to see.
        picture = Image.fromarray(decode_image(content, LIMITS, name=source, least_side=2 * longest_side))
        picture.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
        target, encoded = _encode(picture, source, quality)
        write_whole(out / target, encoded)
    except ProblemError as error:
        return Result(Row(source, error=error.detail), made=False)
    except OSError as error:
        return Result(Row(source, error=str(error)), made=False)
    return Result(Row(source, target, *picture.size, len(encoded), made_from), made=True)


def _encode(picture: Image.Image, source: str, quality: int) -> tuple[str, bytes]:
    """Encode a picture; return the name of its file and the content."""
    stream, path = io.BytesIO(), PurePosixPath(source)
    kind = KEPT.get(path.suffix.lower())
    picture.save(stream, kind or "JPEG", quality=quality)
    return str(path if kind else path.with_name(path.name + ".jpg")), stream.getvalue()


def _read(row: dict[str, str]) -> Row:
    """Read a line of an earlier manifest; one that was cut off names no file."""
    return Row(
        source=row["source"],
        out=row.get("out") or "",
        width=int(row.get("width") or 0),
        height=int(row.get("height") or 0),
        bytes=int(row.get("bytes") or 0),
        made_from=row.get("made_from") or "",
    )
