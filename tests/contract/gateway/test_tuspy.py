"""The tus project's own Python client against a gateway that runs: what it sends is what arrives."""

import io
import random
from pathlib import Path

import pytest
import requests
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError
from tusclient.storage.filestorage import FileStorage

from tests.support.gateway_process import MP4, Gateway

VIDEO = MP4 + random.Random(0).randbytes(150_000)


@pytest.fixture
def client(gateway: Gateway) -> TusClient:
    return TusClient(f"{gateway.http.base_url}/uploads")


def arrived(gateway: Gateway, url: str) -> bytes:
    return (gateway.settings.upload_folder / f"{url.rsplit('/', 1)[-1]}.data").read_bytes()


@pytest.mark.parametrize("chunk", [7_000, 60_000, len(VIDEO), 10**9])
def test_an_upload_in_chunks_becomes_a_job(gateway: Gateway, client: TusClient, chunk: int) -> None:
    metadata = {"filename": "Süd straße.mp4", "filetype": "video/mp4"}
    uploader = client.uploader(file_stream=io.BytesIO(VIDEO), chunk_size=chunk, metadata=metadata)
    uploader.upload()
    assert arrived(gateway, uploader.url) == VIDEO
    answer = gateway.http.post("/video_captions", data={"upload_id": uploader.url.rsplit("/", 1)[-1]})
    assert answer.json()["name"] == "Süd straße.mp4"


def test_another_client_resumes_what_was_cut(gateway: Gateway, client: TusClient, tmp_path: Path) -> None:
    storage = FileStorage(str(tmp_path / "uploads.json"))
    file = tmp_path / "street.mp4"
    file.write_bytes(VIDEO)
    options = {"chunk_size": 50_000, "store_url": True, "url_storage": storage}
    first = client.uploader(str(file), **options)
    first.upload_chunk()
    resumed = client.uploader(str(file), **options)
    assert (resumed.url, resumed.offset) == (first.url, 50_000)
    resumed.upload()
    assert arrived(gateway, first.url) == VIDEO
    storage.close()


def test_a_lost_answer_is_tried_again(gateway: Gateway, client: TusClient) -> None:
    uploader = client.uploader(file_stream=io.BytesIO(VIDEO), chunk_size=50_000, retries=2, retry_delay=0)
    uploader.upload_chunk()
    uploader.offset = 0  # as if the answer had not come back: what the server has is asked for again
    uploader.upload()
    assert arrived(gateway, uploader.url) == VIDEO


def test_what_is_refused_is_told(gateway: Gateway, client: TusClient) -> None:
    uploader = client.uploader(file_stream=io.BytesIO(b"plain text " * 1000), chunk_size=5_000)
    with pytest.raises(TusCommunicationError) as refused:
        uploader.upload()
    assert refused.value.status_code == 415
    assert gateway.left_behind() == []
    with pytest.raises(TusCommunicationError) as too_large:
        client.uploader(file_stream=io.BytesIO(bytes(300_000)), chunk_size=5_000).upload()
    assert too_large.value.status_code == 413


def test_the_first_bytes_may_come_with_the_creation(gateway: Gateway, client: TusClient) -> None:
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(len(VIDEO)),
        "Content-Type": "application/offset+octet-stream",
    }
    created = requests.post(client.url, data=VIDEO[:40_000], headers=headers, timeout=60)
    assert (created.status_code, created.headers["upload-offset"]) == (201, "40000")
    url = str(gateway.http.base_url.join(created.headers["location"]))
    client.uploader(file_stream=io.BytesIO(VIDEO), url=url, chunk_size=60_000).upload()
    assert arrived(gateway, url) == VIDEO
    deferred = {"Tus-Resumable": "1.0.0", "Upload-Defer-Length": "1"}
    refused = requests.post(client.url, headers=deferred, timeout=60)
    assert refused.status_code == 400 and "Upload-Length: N" in refused.json()["detail"], "is not offered"
    for body, status in ((b"plain text " * 1000, 415), (VIDEO + b"more", 413)):
        assert requests.post(client.url, data=body, headers=headers, timeout=60).status_code == status
