"""The settings and lists that A1111's clients ask for, as far as they are true of this server; and what they may not
change, because everybody else's edits depend on it.
"""

import os
from collections.abc import Mapping
from typing import Any

from framesense.http.problems import ProblemError
from framesense.schemas.edits import EditorCapabilities, Task
from framesense.schemas.models import ModelInfo
from gateway.a1111.schemas import Checkpoint, MemoryResponse, Upscaler

EDITOR_UPSCALER = "Framesense"
RESAMPLERS = ("Lanczos", "Nearest")
NOTHING: Mapping[str, Any] = {
    "sd-vae": [],
    "hypernetworks": [],
    "loras": [],
    "face-restorers": [],
    "realesrgan-models": [],
    "latent-upscale-modes": [],
    "prompt-styles": [],
    "embeddings": {"loaded": {}, "skipped": {}},
    "scripts": {"txt2img": [], "img2img": []},
    "script-info": [],
    "extensions": [],
}
"""What that server lists and this one has none of, each in its empty shape."""
_EQUIVALENT_VALUES = {"sd_vae": ("Automatic", "None"), "samples_format": ("png",), "CLIP_stop_at_last_layers": (0, 1)}
"""Other values that mean what is the case anyway."""


def checkpoint(model: ModelInfo) -> Checkpoint:
    """Describe the loaded model under the names that clients choose models by."""
    short = model.revision[:10]
    return Checkpoint(title=f"{model.name} [{short}]", model_name=model.name, hash=short, filename=model.name)


def options(capabilities: EditorCapabilities) -> dict[str, Any]:
    loaded = checkpoint(capabilities.model)
    return {
        "sd_model_checkpoint": loaded.title,
        "sd_checkpoint_hash": loaded.sha256,
        "sd_vae": "None",
        "samples_format": "png",
        "samples_save": True,
        "grid_save": False,
        "return_grid": False,
        "save_images_add_number": True,
        "CLIP_stop_at_last_layers": 1,
        "img2img_fix_steps": False,
        "live_previews_enable": True,
        "live_previews_image_format": "jpeg",
        "show_progress_every_n_steps": 1,
    }


def refuse_changes(changes: Mapping[str, Any], capabilities: EditorCapabilities, *, where: str) -> None:
    """Raise ProblemError for an option that differs from the present one: 404 for another model, else 422."""
    present = options(capabilities)
    for name, value in changes.items():
        if name == "sd_model_checkpoint":
            _check_model(value, capabilities.model)
        elif value != present.get(name, None) and value not in _EQUIVALENT_VALUES.get(name, ()):
            detail = (
                f"{name[:100]} in {where} cannot be {str(value)[:100]!r}: the server's settings are everybody's, and "
                "are changed where it is started (docs/settings.md). Leave it out."
            )
            raise ProblemError(422, "fixed-option", "Fixed option", detail)


def _check_model(name: Any, model: ModelInfo) -> None:
    loaded = checkpoint(model)
    if name and not loaded.is_called(str(name)):
        detail = (
            f"Model not found: {str(name)[:100]!r}. {loaded.title!r} is loaded; another one is chosen by EDITOR_MODEL "
            "where the editor is started."
        )
        raise ProblemError(404, "unknown-model", "Model not found", detail)


def upscalers(capabilities: EditorCapabilities) -> list[Upscaler]:
    """List the upscalers that ``/sdapi/v1/extra-single-image`` takes."""
    found = [Upscaler(name="None"), *(Upscaler(name=name) for name in RESAMPLERS)]
    if Task.UPSCALE_X4 in capabilities.tasks:
        found.append(Upscaler(name=EDITOR_UPSCALER, model_name=capabilities.model.name))
    return found


def memory() -> MemoryResponse:
    """Return the memory of the gateway's own machine; the model may be on another."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page
    # Only Linux tells how much of it is free.
    free = os.sysconf("SC_AVPHYS_PAGES") * page if "SC_AVPHYS_PAGES" in os.sysconf_names else total
    cuda = {"error": "unavailable: the model is in a service of its own, whose /metrics tell"}
    return MemoryResponse(ram={"free": free, "used": total - free, "total": total}, cuda=cuda)


def flags() -> dict[str, Any]:
    """Return the command line flags that clients look for."""
    return {"api": True, "nowebui": True, "listen": True, "api_auth": None, "ckpt": None, "cors_allow_origins": None}
