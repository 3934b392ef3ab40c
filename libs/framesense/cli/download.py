"""A Hotels-50K style CSV → the photos of some hotels, in a folder a hotel: what a photo-set job takes once zipped.

(Hotels-50K: Stylianou et al., 2019, arXiv:1901.11397.) Runs again where it stopped; the same seed samples the same
hotels.
"""

import csv
import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import httpx

from framesense.cli.addresses import ForbiddenAddress, Resolver, is_public, public_client, resolve
from framesense.cli.manifest import Outcome, write_manifest, write_whole
from framesense.http.problems import ProblemError
from framesense.media.images import FORMATS, ImageLimits, decode_image

log = logging.getLogger(__name__)

COLUMNS = ("image_id", "hotel_id", "image_url")
_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class DownloadLimits:
    """Limits of a download.

    ``max_bytes`` and ``max_pixels`` of one photo; ``timeout``: seconds of silence, ``max_seconds`` of one photo in all;
    ``retries`` of what may pass, after ``pause`` seconds, doubled each time.
    """

    max_bytes: int = 32 * 1024**2
    max_pixels: int = 64_000_000
    timeout: float = 30.0
    max_seconds: float = 300.0
    retries: int = 3
    pause: float = 1.0


@dataclass(frozen=True)
class Listed:
    """A line of the CSV."""

    image_id: str
    hotel_id: str
    image_url: str

    @property
    def path(self) -> Path:
        """Under the output folder, whatever the ids hold."""
        return Path(_safe(self.hotel_id)) / f"{_safe(self.image_id)}.jpg"


@dataclass(frozen=True)
class Row:
    """A line of the manifest."""

    image_id: str
    hotel_id: str
    image_url: str
    path: str
    bytes: int
    error: str


def download(
    table: Path,
    out: Path,
    *,
    hotels: int,
    seed: int = 0,
    images_per_hotel: int | None = None,
    workers: int = 8,
    limits: DownloadLimits | None = None,
    resolver: Resolver = resolve,
    allowed: Callable[[str], bool] = is_public,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Download the photos of some hotels that are not there yet. ``allowed``: which IP addresses may be connected to.

    Raises ValueError for a table that cannot be used, OSError when nothing can be read or written.
    """
    limits = limits or DownloadLimits()
    wanted = sample(list(read_table(table)), hotels, seed, images_per_hotel)
    out.mkdir(parents=True, exist_ok=True)
    missing = [listed for listed in wanted if not (out / listed.path).is_file()]
    with (
        public_client(timeout=limits.timeout, resolver=resolver, allowed=allowed) as client,
        ThreadPoolExecutor(workers) as pool,
    ):
        said = pool.map(lambda listed: _fetch_to(out, listed, client, limits, sleep), missing)
        errors = dict(zip((listed.path for listed in missing), said, strict=True))
    rows = [_row(out, listed, errors.get(listed.path, "")) for listed in wanted]
    manifest = write_manifest(out, [field.name for field in fields(Row)], (asdict(row) for row in rows))
    failed = sum(bool(row.error) for row in rows)
    return Outcome(len(missing) - failed, len(wanted) - len(missing), failed, manifest)


def read_table(table: Path) -> Iterator[Listed]:
    """Read the lines of the CSV.

    Raises ValueError for a CSV without the columns image_id, hotel_id and image_url, and OSError.
    """
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if absent := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
            raise ValueError(f"{table} has no column {', '.join(absent)}: its first line names {', '.join(COLUMNS)}")
        try:
            for row in rows:
                listed = Listed(*((row[name] or "").strip() for name in COLUMNS))
                if all((listed.image_id, listed.hotel_id, listed.image_url)):
                    yield listed
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{table} is not a CSV in UTF-8: {error}") from error


def sample(listed: list[Listed], hotels: int, seed: int, images_per_hotel: int | None = None) -> list[Listed]:
    """Sample the photos of ``hotels`` hotels (all, where there are fewer), each path once.

    The same seed gives the same photos.
    """
    every = sorted({one.hotel_id for one in listed})
    chance = random.Random(seed)
    chosen = set(chance.sample(every, min(hotels, len(every))))
    found: dict[Path, Listed] = {}
    taken: dict[str, int] = {}
    for one in listed:
        if one.hotel_id in chosen and one.path not in found:
            taken[one.hotel_id] = taken.get(one.hotel_id, 0) + 1
            if images_per_hotel is None or taken[one.hotel_id] <= images_per_hotel:
                found[one.path] = one
    return list(found.values())


class _Refused(Exception):  # noqa: N818 - trying again would not help
    pass


_HOPELESS = (_Refused, ForbiddenAddress, httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects)


def _fetch_to(
    out: Path, listed: Listed, client: httpx.Client, limits: DownloadLimits, sleep: Callable[[float], None]
) -> str:
    """Fetch a photo; return what went wrong, in words, or an empty text when nothing did."""
    pause = limits.pause
    for attempt in range(limits.retries + 1):
        try:
            write_whole(out / listed.path, _fetch(listed, client, limits))
            return ""
        except _HOPELESS as error:
            return str(error)
        except (httpx.HTTPError, OSError) as error:
            said = f"{type(error).__name__}: {error}"
        if attempt < limits.retries:
            sleep(pause)
            pause *= 2
    return f"{said} (after {limits.retries + 1} attempts)"


def _fetch(listed: Listed, client: httpx.Client, limits: DownloadLimits) -> bytes:
    if httpx.URL(listed.image_url).scheme not in ("http", "https"):
        raise _Refused(f"{listed.image_url[:100]} is not an http or https address")
    content, started = bytearray(), time.monotonic()
    with client.stream("GET", listed.image_url) as answer:
        if answer.status_code in (408, 429) or answer.status_code >= 500:
            raise httpx.HTTPStatusError(f"status {answer.status_code}", request=answer.request, response=answer)
        if answer.status_code != 200:
            raise _Refused(f"status {answer.status_code}")
        for chunk in answer.iter_bytes():
            content += chunk
            if len(content) > limits.max_bytes:
                raise _Refused(f"more than {limits.max_bytes:,} bytes")
            if time.monotonic() - started > limits.max_seconds:
                raise _Refused(f"took longer than {limits.max_seconds:g} s")
    _require_image(bytes(content), listed, limits)
    return bytes(content)


def _require_image(content: bytes, listed: Listed, limits: DownloadLimits) -> None:
    try:
        decode_image(content, ImageLimits(limits.max_bytes, limits.max_pixels), name=listed.image_id, least_side=64)
    except ProblemError as error:
        raise _Refused(f"no image that can be read ({', '.join(FORMATS)}): {error.detail}") from error


def _row(out: Path, listed: Listed, error: str) -> Row:
    size = 0
    with suppress(FileNotFoundError):
        size = (out / listed.path).stat().st_size
    return Row(listed.image_id, listed.hotel_id, listed.image_url, listed.path.as_posix(), size, error)


def _safe(name: str) -> str:
    """Turn a name into one path component that is neither hidden nor leads anywhere."""
    return _NAME.sub("_", name).strip(".")[:100] or "_"
