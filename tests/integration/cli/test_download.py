"""``framesense download``: against a real server, by a resolver that says where names lead."""

import csv
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from framesense.cli.__main__ import main
from framesense.cli.download import DownloadLimits, download
from framesense.cli.manifest import NAME, Outcome
from tests.support.photos import photo

PHOTO = photo("red")


LIMITS = DownloadLimits(max_bytes=20_000, timeout=5, retries=2)


class PhotoServer(ThreadingHTTPServer):
    """Answers by path. ``requests``: how many for each."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: Counter[str] = Counter()

    def url(self, path: str, host: str = "photos.test") -> str:
        return f"http://{host}:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: PhotoServer

    def do_GET(self) -> None:
        self.server.requests[self.path] += 1
        if self.path == "/flaky" and self.server.requests[self.path] < 3:
            self._answer(503, b"")
        elif self.path == "/broken":
            self._answer(500, b"")
        elif self.path == "/gone":
            self._answer(404, b"")
        elif self.path == "/huge":
            self._answer(200, b"x" * 30_000)
        elif self.path == "/text":
            self._answer(200, b"<html>not found, but politely</html>")
        elif self.path == "/moved":
            self._answer(302, b"", Location=self.server.url("/1"))
        elif self.path == "/inward":
            self._answer(302, b"", Location=self.server.url("/secret", host="inside.test"))
        elif self.path == "/by-number":
            self._answer(302, b"", Location=self.server.url("/secret", host="10.0.0.1"))
        elif self.path == "/in-circles":
            self._answer(302, b"", Location=self.server.url("/in-circles"))
        elif self.path == "/file":
            self._answer(302, b"", Location="file:///etc/passwd")
        else:
            self._answer(200, PHOTO)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[PhotoServer]:
    with PhotoServer() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def _resolve(host: str, port: int) -> Sequence[str]:
    if host == "nowhere.test":
        raise OSError("no such name")
    return {"photos.test": ["127.0.0.1"], "inside.test": ["192.168.1.1"]}.get(host, [host])


def _is_the_server(address: str) -> bool:
    """In these tests the loopback address stands for a public one."""
    return address == "127.0.0.1"


def _table(path: Path, urls: Sequence[str], hotels: int = 1) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image_id", "hotel_id", "image_url", "image_source"])
        rows.writerows([n, n % hotels, url, "x"] for n, url in enumerate(urls))
    return path


def _download(table: Path, out: Path, **options: object) -> Outcome:
    pauses: list[float] = []
    found = download(
        table,
        out,
        **{"hotels": 1, "workers": 2, "limits": LIMITS, **options},  # type: ignore[arg-type]
        resolver=_resolve,
        allowed=_is_the_server,
        sleep=pauses.append,
    )
    assert all(pause in (1, 2) for pause in pauses)
    return found


def _errors(out: Path) -> dict[str, str]:
    with (out / NAME).open(newline="") as file:
        return {row["image_id"]: row["error"] for row in csv.DictReader(file)}


def test_photos_arrive_by_hotel_and_a_second_run_fetches_what_is_missing(server: PhotoServer, tmp_path: Path) -> None:
    table, out = _table(tmp_path / "t.csv", [server.url(f"/{n}") for n in range(4)], hotels=2), tmp_path / "out"
    done = _download(table, out, hotels=2)
    assert (done.made, done.before, done.failed) == (4, 0, 0)
    assert (out / "1" / "3.jpg").read_bytes() == PHOTO
    (out / "1" / "3.jpg").unlink()
    again = _download(table, out, hotels=2)
    assert (again.made, again.before, again.failed) == (1, 3, 0)
    assert server.requests == {"/0": 1, "/1": 1, "/2": 1, "/3": 2}


def test_what_may_pass_is_tried_again_and_what_does_not_is_told(server: PhotoServer, tmp_path: Path) -> None:
    paths = ["/flaky", "/broken", "/gone", "/huge", "/text", "/moved", "/in-circles"]
    urls = [*map(server.url, paths), "ftp://photos.test/a", "nonsense", "http://nowhere.test/a", "http://[oops/a"]
    done = _download(_table(tmp_path / "t.csv", urls), tmp_path / "out")
    errors = _errors(tmp_path / "out")
    assert {number for number, error in errors.items() if not error} == {"0", "5"}
    assert (done.made, done.failed) == (2, 9)
    assert server.requests["/flaky"] == server.requests["/broken"] == 3
    assert server.requests["/gone"] == server.requests["/huge"] == 1
    assert "500" in errors["1"]
    assert "404" in errors["2"]
    assert "20,000 bytes" in errors["3"]
    assert "no image" in errors["4"]
    assert "http or https" in errors["7"]
    assert "no such name" in errors["9"]
    assert sorted(path.name for path in (tmp_path / "out" / "0").iterdir()) == ["0.jpg", "5.jpg"]


def test_private_addresses_are_never_connected_to(server: PhotoServer, tmp_path: Path) -> None:
    urls = [server.url("/secret", host="inside.test"), *map(server.url, ["/inward", "/by-number", "/file"])]
    assert _download(_table(tmp_path / "t.csv", urls), tmp_path / "out").made == 0
    assert all("not public" in _errors(tmp_path / "out")[number] for number in "012")
    assert server.requests["/secret"] == 0


def test_a_name_that_changes_its_mind_is_asked_once_a_connection(server: PhotoServer, tmp_path: Path) -> None:
    """DNS rebinding: first the address that passes the check, then the private one."""
    answers = iter([["127.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["10.0.0.1"]])
    table = _table(tmp_path / "t.csv", [server.url(f"/{n}") for n in range(3)])
    download(
        table,
        tmp_path / "out",
        hotels=1,
        workers=1,
        limits=LIMITS,
        resolver=lambda host, port: next(answers),
        allowed=_is_the_server,
    )
    errors = _errors(tmp_path / "out")
    assert errors["0"] == ""
    assert "10.0.0.1" in errors["1"]
    assert "10.0.0.1" in errors["2"]
    assert next(answers, None) is None


def test_the_loopback_address_is_refused_by_default(server: PhotoServer, tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv", [server.url("/1", host="127.0.0.1"), server.url("/1", host="localhost")])
    assert main(["download", str(table), str(tmp_path / "out"), "--hotels", "1"]) == 1
    assert server.requests["/1"] == 0
    assert all("not public" in error for error in _errors(tmp_path / "out").values())
