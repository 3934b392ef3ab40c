"""Files, names and addresses that are made to do harm, sent to a gateway that runs as a process of its own."""

import json
import re
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.hostile_files import PICTURES, jpeg, png
from tests.support.processes import ServerProcess, running_server
from tests.support.workers import NOBODY

ROOM = 500_000_000
"""Bytes by which the gateway's memory may grow at its highest, whatever is sent: none of these files deserves more."""
OUTSIDE = [
    "../../secret",
    "..%2f..%2fsecret",
    "%2e%2e/%2e%2e/secret",
    "..\\..\\secret",
    "/etc/passwd",
    "%2fetc%2fpasswd",
]


@pytest.fixture(scope="module")
def server(redis_process: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "secret").write_text("nobody reads this")
    own = {"storage_url": folder / "data" / "blobs", "upload_folder": folder / "data" / "incoming"}
    others = {"captioner_url": NOBODY, "tagger_url": NOBODY, "editor_url": NOBODY}
    with running_server("gateway", folder, ready=False, redis_url=redis_process, **own, **others) as running:
        running.wait_until_healthy()
        yield running


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client
        assert client.get("/health").status_code == 200


def _peak(server: ServerProcess) -> int:
    """The most memory that the process has held, in bytes."""
    assert server.process
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s*(\d+)", status)
    assert found
    return 1024 * int(found[1])


def _edit(http: httpx.Client, content: bytes, name: str = "photo.png") -> httpx.Response:
    return http.post("/edits", files={"image": (name, content)}, data={"parameters": json.dumps({"prompt": "snow"})})


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures(server: ServerProcess, http: httpx.Client, kind: str) -> None:
    content, statuses = PICTURES[kind]
    before = _peak(server)
    answer = _edit(http, content)
    assert answer.status_code in statuses, answer.text
    told = http.post("/sdapi/v1/png-info", json={"image": b64encode(content).decode()})
    assert told.status_code < 500, told.text
    assert _peak(server) - before < ROOM


@pytest.mark.parametrize("content", [b"<svg onload='alert(1)'/>", b"<!doctype html><script>alert(1)</script>", png()])
def test_what_is_no_video_is_none(http: httpx.Client, content: bytes) -> None:
    answer = http.post("/video_captions", files={"video": ("clip.mp4", content, "video/mp4")})
    assert answer.status_code == 415
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n"
    assert http.post("/video_captions", files={"video": ("clip.mp4", playlist)}).status_code == 415


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_path_leads_out(server: ServerProcess, http: httpx.Client, name: str) -> None:
    paths = ("/uploads/{}", "/jobs/{}", "/jobs/{}/video", "/jobs/{}/frames/0.jpg", "/static-offline-docs/{}", "/{}")
    for path in paths:
        target = path.format(name).encode()
        answer = http.get(httpx.URL(server.url).copy_with(raw_path=target))
        assert 400 <= answer.status_code < 500, (target, answer.status_code)
        assert "nobody reads this" not in answer.text and "root:" not in answer.text
    metadata = f"filename {b64encode(name.encode()).decode()}"
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "4", "Upload-Metadata": metadata}
    assert http.post("/uploads", headers=headers).status_code < 500
    assert _edit(http, jpeg(), name).status_code == 202
    written = [path for path in server.folder.rglob("*secret*") if server.folder / "data" not in path.parents]
    assert written == [server.folder / "secret"]


def test_no_address_of_a_client_is_fetched(http: httpx.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        visits: list[object] = []
        threading.Thread(target=lambda: visits.append(listener.accept()), daemon=True).start()
        port = listener.getsockname()[1]
        for address in (f"http://127.0.0.1:{port}/a.png", f"HTTPS://127.0.0.1:{port}/", f"//127.0.0.1:{port}/a.png"):
            for path, body in {
                "/sdapi/v1/img2img": {"init_images": [address], "prompt": "snow"},
                "/sdapi/v1/png-info": {"image": address},
                "/sdapi/v1/interrogate": {"image": address, "model": "clip"},
                "/sdapi/v1/extra-single-image": {"image": address, "upscaler_1": "Lanczos"},
            }.items():
                answer = http.post(path, json=body)
                assert answer.status_code in (422, 503), (path, answer.text)
        for address in ("file:///etc/passwd", "ftp://127.0.0.1/a.png", "data:text/html,<b>"):
            body = {"image": address, "upscaler_1": "Lanczos"}
            assert http.post("/sdapi/v1/extra-single-image", json=body).status_code == 422
        answer = http.post("/edits", data={"parameters": "{}", "image": f"http://127.0.0.1:{port}/"})
        assert answer.status_code in (415, 422)
        assert not visits


def test_floods_of_fields_and_files(server: ServerProcess, http: httpx.Client) -> None:
    before = _peak(server)
    many = {f"field{number}": "x" for number in range(20_000)}
    assert http.post("/edits", files={"image": ("a.jpg", jpeg())}, data=many).status_code in (400, 413, 422)
    files = [("images", (f"{number}.jpg", b"x")) for number in range(5000)]
    for path in ("/get_captions", "/edits/series"):
        assert http.post(path, files=files).status_code in (400, 413, 422), path
    names = "; ".join(f'x{number}="y"' for number in range(100_000))
    odd = f"--b\r\nContent-Disposition: form-data; {names}\r\n\r\nx\r\n--b--\r\n".encode()
    answer = http.post("/edits", content=odd, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert 400 <= answer.status_code < 500
    deep = b"[" * 200_000 + b"]" * 200_000
    for path in ("/references", "/sdapi/v1/txt2img", "/label-sets"):
        answer = http.post(path, content=deep, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500 or answer.status_code == 503, (path, answer.text)
    assert _peak(server) - before < ROOM
