"""Write the parameters of an edited picture into its PNG: once for this program and once as others read them.

Two text chunks. ``framesense`` is JSON: everything that is known of the picture. ``parameters`` is the form of
AUTOMATIC1111's stable-diffusion-webui, which most programs for such pictures read::

    a bedroom at night
    Negative prompt: people
    Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model: embedded, Denoising strength: 0.6
"""

import json
import struct
import zlib
from collections.abc import Mapping

from PIL.PngImagePlugin import PngInfo

from framesense.schemas.edits import EditedImage, Preserve, Task
from framesense.schemas.models import ModelInfo

PARAMETERS, FRAMESENSE = "parameters", "framesense"
"""The names of the chunks."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = len(_SIGNATURE) + 4 + 4 + 13 + 4
"""The signature, then the chunk IHDR: its length, name, 13 bytes and checksum."""


def picture_texts(image: EditedImage, model: ModelInfo) -> dict[str, str]:
    """Return the texts of a picture by the names of their chunks."""
    described = image.model_dump(mode="json", exclude_none=True, exclude={"index", "row", "column"})
    content = {**described, "model": model.model_dump(mode="json", exclude_none=True)}
    return {PARAMETERS: a1111_parameters(image, model), FRAMESENSE: json.dumps(content, ensure_ascii=False)}


def a1111_parameters(image: EditedImage, model: ModelInfo) -> str:
    """Write a picture's parameters as stable-diffusion-webui does (its ``create_infotext``)."""
    parameters = image.parameters
    pairs: dict[str, object] = {
        "Steps": parameters.steps,
        "Sampler": parameters.scheduler.label if parameters.scheduler else None,
        "CFG scale": None if parameters.guidance_scale is None else f"{parameters.guidance_scale:g}",
        "Seed": image.seed,
        "Size": f"{image.width}x{image.height}",
        "Model hash": model.revision or None,
        "Model": model.name,
    }
    if parameters.task is Task.EDIT:
        pairs["Denoising strength"] = f"{parameters.strength:g}"
    if parameters.preserve is Preserve.MASK:
        pairs["Mask blur"] = f"{parameters.mask_blur:g}"
    pairs["Version"] = "Framesense"
    settings = ", ".join(f"{name}: {_quoted(str(value))}" for name, value in pairs.items() if value is not None)
    negative = f"Negative prompt: {parameters.negative_prompt}" if parameters.negative_prompt else ""
    return "\n".join(line for line in (parameters.prompt, negative, settings) if line)


def with_texts(png: bytes, texts: Mapping[str, str]) -> bytes:
    """Add texts to a PNG, whose pixels are not written anew.

    ``tEXt`` where Latin-1 suffices, else ``iTXt`` (UTF-8). Raises ValueError for what is no PNG.
    """
    if not png.startswith(_SIGNATURE) or png[12:16] != b"IHDR" or len(png) < _HEADER_END:
        raise ValueError("not a PNG")
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    chunks = b"".join(_chunk(name, data) for name, data, *_ in info.chunks)
    return png[:_HEADER_END] + chunks + png[_HEADER_END:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _quoted(value: str) -> str:
    """Quote a value as stable-diffusion-webui's ``quote`` does: as a JSON string where a mark in it would end it."""
    return json.dumps(value, ensure_ascii=False) if any(mark in value for mark in ",\n:") else value
