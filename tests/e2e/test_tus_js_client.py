"""The tus-js-client that the pages use, in the real browser, against a gateway that runs: each way that it sends."""

import random
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.gateway_process import MP4, Gateway, running_gateway
from tools.settings import ROOT

pytestmark = pytest.mark.browser

SCRIPT = ROOT / "services/ui/ui/assets/tus-js-client/tus.min.js"
VIDEO = MP4 + random.Random(0).randbytes(150_000)
UPLOAD = """([content, options, plan]) => new Promise((resolve, reject) => {
    const file = new File([Uint8Array.from(atob(content), letter => letter.charCodeAt(0))], "street.mp4");
    const settings = {endpoint: "/uploads", chunkSize: 50000, retryDelays: [0, 50, 50], metadata: {filename: file.name},
        ...options, onError: error => reject(String(error)), onSuccess: () => resolve(upload.url)};
    let upload = new tus.Upload(file, settings);
    if (plan === "cut") {
        settings.onChunkComplete = () => {
            delete settings.onChunkComplete;
            upload.abort().then(() => {
                upload = new tus.Upload(file, settings);
                return upload.findPreviousUploads();
            }).then(([previous]) => {
                upload.resumeFromPreviousUpload(previous);
                upload.start();
            });
        };
        upload = new tus.Upload(file, settings);
    }
    if (plan === "terminate") {
        settings.onChunkComplete = () => upload.abort(true).then(() => resolve(upload.url), reject);
        upload = new tus.Upload(file, settings);
    }
    upload.start();
})"""


@pytest.fixture
def gateway(redis_url: str, tmp_path: Path) -> Iterator[Gateway]:
    with running_gateway(redis_url, tmp_path) as running:
        yield running


@pytest.fixture
def page(browser: Browser, gateway: Gateway) -> Iterator[Page]:
    context = browser.new_context(base_url=str(gateway.http.base_url), bypass_csp=True)
    page = context.new_page()
    page.goto("/get_captions")
    page.add_script_tag(path=SCRIPT)
    yield page
    context.close()


def upload(page: Page, options: dict[str, Any], plan: str = "") -> str:
    """Upload the video; the id of the upload."""
    return str(page.evaluate(UPLOAD, [b64encode(VIDEO).decode(), options, plan])).rsplit("/", 1)[-1]


@pytest.mark.parametrize(
    ("options", "plan"),
    [
        ({}, ""),
        ({"chunkSize": 10**9}, ""),
        ({"overridePatchMethod": True}, ""),
        ({"uploadDataDuringCreation": True}, ""),
        ({"uploadDataDuringCreation": True, "chunkSize": 10**9}, ""),
        ({"addRequestId": True}, ""),
        ({}, "cut"),
    ],
    ids=["chunks", "whole", "post-for-patch", "with-creation", "all-with-creation", "request-ids", "cut"],
)
def test_what_is_sent_arrives(page: Page, gateway: Gateway, options: dict[str, Any], plan: str) -> None:
    upload_id = upload(page, options, plan)
    assert (gateway.settings.upload_folder / f"{upload_id}.data").read_bytes() == VIDEO
    answer = gateway.http.post("/video_captions", data={"upload_id": upload_id, "every_n_second": "10"})
    assert answer.json()["name"] == "street.mp4", answer.text


def test_an_upload_is_given_up(page: Page, gateway: Gateway) -> None:
    upload(page, {}, "terminate")
    assert gateway.left_behind() == []
