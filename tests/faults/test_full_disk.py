"""The disk is full: what would not fit is refused with the reason, nothing stays behind, and room is all it takes."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from framesense.schemas.jobs import JobState
from tests.support.gateway_edits import ROOM
from tests.support.gateway_process import MP4, problem
from tests.support.processes import ServerProcess
from tests.support.waiting import wait_until
from tests.support.workers import NOBODY

MIB = 1024**2
SIZE = 8 * MIB
TUS = {"Tus-Resumable": "1.0.0"}
EDIT = {"prompt": "a red room"}


class SmallDisk:
    """A file system of :data:`SIZE` bytes that only one process has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def wrapper(self) -> list[str]:
        """What a command is put behind to have the file system at the folder."""
        mount = f'mount -t tmpfs -o size={SIZE} none "$0" && exec "$@"'
        return ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(self._folder)]

    def seen_by(self, process: ServerProcess) -> Path:
        """Return where others see the process's folder."""
        assert process.process is not None
        return Path(f"/proc/{process.process.pid}/root{self._folder}")


@pytest.fixture
def disk(tmp_path: Path) -> SmallDisk:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = SmallDisk(folder)
    tried = subprocess.run([*disk.wrapper, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"this machine lets nobody mount a file system of their own: {tried.stderr}")
    return disk


@pytest.fixture
def gateway(redis_url: str, tmp_path: Path, disk: SmallDisk) -> Iterator[ServerProcess]:
    settings = {
        "redis_url": redis_url,
        "storage_url": tmp_path / "disk" / "blobs",
        "upload_folder": tmp_path / "disk" / "incoming",
        "disk_reserve_bytes": MIB,
        **dict.fromkeys(("captioner_url", "tagger_url", "editor_url"), NOBODY),
    }
    server = ServerProcess("gateway", tmp_path, settings, wrapper=disk.wrapper)
    server.start()
    server.wait_until_healthy()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def http(gateway: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=60, trust_env=False) as client:
        yield client


def _files(folder: Path) -> Mapping[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _fill(folder: Path) -> Path:
    """Take all the room there is."""
    ballast = folder / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(64 * 1024))
    return ballast


def _edit(http: httpx.Client) -> httpx.Response:
    return http.post("/edits", files={"image": ("room.png", ROOM)}, data=EDIT)


def _video(http: httpx.Client, size: int) -> httpx.Response:
    return http.post(
        "/video_captions?every_n_second=10", files={"video": ("a.mp4", MP4 + bytes(size - len(MP4)), "video/mp4")}
    )


def _begin_upload(http: httpx.Client, size: int) -> httpx.Response:
    return http.post("/uploads", headers={**TUS, "Upload-Length": str(size)})


def test_what_does_not_fit_beside_the_reserve_is_refused_before_it_arrives(
    http: httpx.Client, gateway: ServerProcess, disk: SmallDisk
) -> None:
    before = _files(disk.seen_by(gateway))
    for refused in (_begin_upload(http, SIZE - MIB + 1), _video(http, SIZE - MIB)):
        told = problem(refused, 507)
        assert told.type.endswith(":storage-full")
        assert "bytes" in told.detail
    assert _files(disk.seen_by(gateway)) == before
    assert _begin_upload(http, 4 * MIB).status_code == 201
    assert problem(_begin_upload(http, 4 * MIB), 507), "what another upload has announced is not free"


def test_a_disk_that_is_full_is_told_loses_nothing_and_needs_only_room(
    http: httpx.Client, gateway: ServerProcess, disk: SmallDisk
) -> None:
    folder = disk.seen_by(gateway)
    before = _files(folder)
    upload = _begin_upload(http, MIB).headers["location"]
    half = MP4 + bytes(MIB // 2 - len(MP4))
    patch = {**TUS, "Content-Type": "application/offset+octet-stream"}
    assert http.patch(upload, content=half, headers={**patch, "Upload-Offset": "0"}).status_code == 204

    ballast = _fill(folder)
    kept = _files(folder)
    for refused in (_edit(http), _video(http, 300_000), _begin_upload(http, 1000)):
        assert problem(refused, 507).type.endswith(":storage-full")
    problem(http.patch(upload, content=bytes(MIB // 2), headers={**patch, "Upload-Offset": str(MIB // 2)}), 507)
    assert http.get("/jobs").json()["jobs"] == []
    assert {name for name in _files(folder) if "incoming/form-" in name or "blobs/" in name} == set()
    assert _files(folder).keys() == kept.keys()
    assert "disk is full" in gateway.log or "no room on the disk" in gateway.log

    ballast.unlink()
    offset = int(http.head(upload, headers=TUS).headers["upload-offset"])
    assert offset >= MIB // 2
    rest = bytes(MIB - offset)
    assert http.patch(upload, content=rest, headers={**patch, "Upload-Offset": str(offset)}).status_code == 204
    video = http.post("/video_captions?every_n_second=10", files={"upload_id": (None, upload.rsplit("/", 1)[1])})
    edit = _edit(http)
    assert (video.status_code, edit.status_code) == (202, 202), (video.text, edit.text)
    for job in http.get("/jobs").json()["jobs"]:
        assert http.delete(f"/jobs/{job['id']}").json()["state"] == JobState.CANCELLED
        assert http.delete(f"/jobs/{job['id']}").status_code == 204
    wait_until(lambda: _files(folder) == before, explain=lambda: str(_files(folder)))
