"""Settings and lists that A1111's clients ask for."""

from pathlib import Path

from tests.support.a1111_studio import VALID, Studio, refused
from tests.support.gateway_process import running_gateway


def test_options_are_what_is_so(studio: Studio) -> None:
    options = studio.get("options")
    assert options["sd_model_checkpoint"] == "paint [0123456789]"
    for name in ("paint [0123456789]", "PAINT", "paint.safetensors", "0123456789"):
        answer = studio.post("options", {"sd_model_checkpoint": name})
        assert answer.status_code == 200, answer.text
    assert studio.post("options", options).status_code == 200, "what was read may be written back"
    assert "paint [0123456789]" in refused(studio.post("options", {"sd_model_checkpoint": "other"}), 404).detail
    assert "everybody's" in refused(studio.post("options", {"samples_format": "jpg"}), 422).detail


def test_lists(studio: Studio) -> None:
    (model,) = studio.get("sd-models")
    assert (model["title"], model["model_name"], model["hash"]) == ("paint [0123456789]", "paint", "0123456789")
    assert [sampler["name"] for sampler in studio.get("samplers")] == ["Euler a", "DPM++ 2M"]
    assert "k_euler_a" in studio.get("samplers")[0]["aliases"]
    assert [schedule["name"] for schedule in studio.get("schedulers")] == ["automatic"]
    assert [upscaler["name"] for upscaler in studio.get("upscalers")] == ["None", "Lanczos", "Nearest", "Framesense"]
    assert studio.get("memory")["ram"]["total"] > 0
    assert studio.get("cmd-flags")["api"] is True
    for kind in ("loras", "hypernetworks", "prompt-styles", "sd-vae", "face-restorers", "realesrgan-models"):
        assert studio.get(kind) == []
    assert studio.get("scripts") == {"txt2img": [], "img2img": []}
    assert studio.get("embeddings") == {"loaded": {}, "skipped": {}}
    refused(studio.gateway.http.get("/sdapi/v1/dreams"), 404)
    assert studio.post("refresh-checkpoints").status_code == 200


def test_an_editor_that_is_gone(redis_url: str, tmp_path: Path) -> None:
    with running_gateway(redis_url, tmp_path, editor_url="http://127.0.0.1:9") as gateway:
        for answer in (
            gateway.http.get("/sdapi/v1/sd-models"),
            gateway.http.post("/sdapi/v1/img2img", json=VALID),
        ):
            assert "editor does not answer" in refused(answer, 503).detail


def test_a_page_of_the_same_host_may_ask(studio: Studio) -> None:
    headers = {"Origin": "http://127.0.0.1:8501", "Access-Control-Request-Method": "POST"}
    answer = studio.gateway.http.options("/sdapi/v1/img2img", headers=headers)
    assert answer.headers["access-control-allow-origin"] == "http://127.0.0.1:8501"
    asked = studio.gateway.http.get("/sdapi/v1/schedulers", headers=headers)
    assert "X-Job-ID" in asked.headers["access-control-expose-headers"]
