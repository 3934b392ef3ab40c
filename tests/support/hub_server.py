"""A server that speaks as much of the Hugging Face hub's API as its client needs to fetch a model, on real files; and
that can be told to fail as the hub, and the way to it, do."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LARGE = 100_000
"""Files of so many bytes are kept apart (Git LFS), and told with their SHA-256."""


@dataclass
class Hub:
    """``repositories``: ORG/NAME → the folder with its files. ``gated``: whose licence nobody has accepted.

    ``break_once``: the next answer with a file larger than this breaks off after so many bytes. ``stall_after``: such
    answers stop there and the connection stays; ``stalled`` tells. ``damaged`` names files that arrive with a byte
    changed.
    """

    repositories: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    break_once: int | None = None
    stall_after: int | None = None
    stalled: threading.Event = field(default_factory=threading.Event)
    damaged: set[str] = field(default_factory=set)
    url: str = ""
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes of each file."""
    ranges: list[str] = field(default_factory=list)
    """The Range headers that were asked with."""

    def commit(self, repository: str) -> str:
        """Forty hex digits that change with the files, as git's do."""
        names = sorted(self.repositories[repository].iterdir())
        return hashlib.sha1(b"".join(path.name.encode() + path.read_bytes() for path in names)).hexdigest()

    def files(self, repository: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for path in sorted(self.repositories[repository].iterdir()):
            content = path.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, object] = {"rfilename": path.name, "size": len(content), "blobId": blob}
            if len(content) >= LARGE:
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
            found.append(entry)
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0].strip("/")
        if path.startswith("api/models/"):
            repository, _, revision = path.removeprefix("api/models/").partition("/revision/")
            if self._allowed(repository, revision or "main"):
                self._tell_repository(repository)
            return
        repository, _, rest = path.partition("/resolve/")
        revision, _, name = rest.partition("/")
        if self._allowed(repository, revision):
            self._send_file(repository, name, body)

    def _allowed(self, repository: str, revision: str) -> bool:
        if repository not in self.hub.repositories:
            self._refuse(401, "RepoNotFound", "Repository not found")
        elif repository in self.hub.gated:
            self._refuse(403, "GatedRepo", "Access to this model is restricted")
        elif revision not in ("main", self.hub.commit(repository)):
            self._refuse(404, "RevisionNotFound", "Invalid rev id")
        else:
            return True
        return False

    def _refuse(self, status: int, code: str, message: str) -> None:
        content = json.dumps({"error": message}).encode()
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _tell_repository(self, repository: str) -> None:
        commit = self.hub.commit(repository)
        document = {"id": repository, "modelId": repository, "sha": commit, "siblings": self.hub.files(repository)}
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_file(self, repository: str, name: str, body: bool) -> None:
        path = self.hub.repositories[repository] / name
        if not path.is_file():
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        content = path.read_bytes()
        (entry,) = (file for file in self.hub.files(repository) if file["rfilename"] == name)
        lfs = entry.get("lfs")
        etag = lfs["sha256"] if isinstance(lfs, dict) else entry["blobId"]
        start = 0
        if asked := self.headers.get("Range"):
            self.hub.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").split("-")[0])
        if name in self.hub.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        rest = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("X-Repo-Commit", self.hub.commit(repository))
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if not body:
            return
        if self.hub.break_once is not None and len(rest) > self.hub.break_once:
            rest, self.hub.break_once = rest[: self.hub.break_once], None
            self.close_connection = True
        stall = self.hub.stall_after
        if stall is not None and len(rest) > stall:
            rest = rest[:stall]
        self.hub.sent[name] += len(rest)
        self.wfile.write(rest)
        if len(rest) == stall:
            self.wfile.flush()
            self.hub.stalled.set()
            self.rfile.read(1)  # until the client goes
            self.close_connection = True


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
