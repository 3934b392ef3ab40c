"""What a diffusers folder holds, read from its files before anything heavy is loaded.

A pipeline's folder has a ``model_index.json`` that names its components, each in a folder of its own. Which family it
is of, the files tell: the U-Net's input channels (4: it sees the noisy picture only; 8: and the photo, InstructPix2Pix;
9: and the photo and a mask, inpainting; 7: and a small picture, an upscaler), and the scheduler and the U-Net's extra
inputs, which tell a distilled model. What is missing, cut short or of another kind is told in words, rather than found
out by torch half-way.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

INDEX_FILE = "model_index.json"
WEIGHTS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
HALF = "fp16"
"""The one variant of weights that hub repositories commonly hold beside, or instead of, the plain ones."""
NOT_LOADED = frozenset({"safety_checker", "feature_extractor", "image_encoder", "watermarker"})
"""PipelineComponents that an edit does not need."""

_POINTER = b"version https://git-lfs"
_HASHED, _STRIDE = 2**20, 2**24


class Architecture(StrEnum):
    STABLE_DIFFUSION = "stable-diffusion"
    """1.x and 2.x: one text encoder."""
    STABLE_DIFFUSION_XL = "stable-diffusion-xl"


class Role(StrEnum):
    """What a U-Net is given beside noise and words; by its input channels."""

    PLAIN = ""
    INSTRUCT = "instruct-pix2pix"
    INPAINTING = "inpainting"
    UPSCALER = "upscaler"


class Distillation(StrEnum):
    """How a model was taught to need a few steps only."""

    NONE = ""
    TURBO = "turbo"
    """Adversarial diffusion distillation (Sauer et al., 2023)."""
    LCM = "lcm"
    """Latent consistency models (Luo et al., 2023)."""


_ROLES = {4: Role.PLAIN, 7: Role.UPSCALER, 8: Role.INSTRUCT, 9: Role.INPAINTING}
_ARCHITECTURES = {
    **dict.fromkeys(
        (
            "StableDiffusionPipeline",
            "StableDiffusionImg2ImgPipeline",
            "StableDiffusionInpaintPipeline",
            "StableDiffusionInstructPix2PixPipeline",
            "StableDiffusionUpscalePipeline",
            "LatentConsistencyModelPipeline",
            "LatentConsistencyModelImg2ImgPipeline",
        ),
        Architecture.STABLE_DIFFUSION,
    ),
    **dict.fromkeys(
        (
            "StableDiffusionXLPipeline",
            "StableDiffusionXLImg2ImgPipeline",
            "StableDiffusionXLInpaintPipeline",
            "StableDiffusionXLInstructPix2PixPipeline",
        ),
        Architecture.STABLE_DIFFUSION_XL,
    ),
}
_NEEDED = {
    Architecture.STABLE_DIFFUSION: ("unet", "vae", "scheduler", "tokenizer", "text_encoder"),
    # SDXL's refiner has the second text encoder only.
    Architecture.STABLE_DIFFUSION_XL: ("unet", "vae", "scheduler", "tokenizer_2", "text_encoder_2"),
}
TAKEN = (
    "the editor takes Stable Diffusion 1.x, 2.x and XL, their Turbo and LCM distillations, InstructPix2Pix, "
    "inpainting models and the ×4 upscaler"
)


@dataclass(frozen=True)
class PipelineFolder:
    """A folder that is complete and of a known kind."""

    path: Path
    architecture: Architecture
    role: Role
    distillation: Distillation
    variant: str | None
    """The variant of the weights to load, where the plain ones are not there."""
    weights: tuple[Path, ...]
    scheduler: Mapping[str, Any]
    """The configuration of its own scheduler."""
    aesthetics: bool = False
    """SDXL's refiner: told a score of beauty in place of the picture's size, it changes pictures but makes none."""

    @property
    def family(self) -> str:
        return "-".join(part for part in (self.architecture, self.distillation, self.role) if part)

    @property
    def revision(self) -> str:
        return revision_of(self.weights)


def architecture_of(index: dict[str, Any], place: str) -> Architecture:
    """Return the architecture that a ``model_index.json`` names; raises ValueError for any other than those known."""
    name = index.get("_class_name")
    if not isinstance(name, str) or name not in _ARCHITECTURES:
        what = f"a {name}" if isinstance(name, str) else "a pipeline with code of its own"
        hint = ""
        if isinstance(name, str) and "ControlNet" in name:
            hint = " Point EDITOR_MODEL to the model it was made with, and EDITOR_CONTROLNET to its folder controlnet."
        raise ValueError(f"{place} is {what}, which is not known here: {TAKEN}.{hint}")
    return _ARCHITECTURES[name]


def read_folder(folder: Path) -> PipelineFolder:
    """Describe a pipeline's folder; read no more of the weights than their headers.

    Raises:
        FileNotFoundError: it is not there, or a part of it is not.
        ValueError: a part of it is cut short, or it is no pipeline that the editor takes.
    """
    index = _read_index(folder)
    architecture = architecture_of(index, str(folder))
    components = {
        name: str(value[0])
        for name, value in index.items()
        if isinstance(value, list) and value[:1] not in ([], [None]) and name not in NOT_LOADED
    }
    for name in _NEEDED[architecture]:
        if name not in components:
            raise ValueError(f"{folder / INDEX_FILE} names no {name}: it is not a whole pipeline")
    for name in components:
        if not (folder / name).is_dir():
            raise FileNotFoundError(f"{folder} has no {name}/: its download is not finished. Fetch it again")
    weights: list[Path] = []
    variants: set[str | None] = set()
    for name, library in components.items():
        if name.endswith("scheduler"):
            continue
        if name.startswith("tokenizer"):
            _check_tokenizer(folder / name)
            continue
        read_json(folder / name / "config.json")
        variant, files = weight_files(folder / name, WEIGHTS.get(library, WEIGHTS["transformers"]))
        variants.add(variant)
        weights += files
    unet = read_json(folder / "unet" / "config.json")
    role = _ROLES.get(unet.get("in_channels", 4))
    if role is None:
        raise ValueError(f"{folder}: a U-Net of {unet['in_channels']} input channels is of no known kind: {TAKEN}")
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    return PipelineFolder(
        path=folder,
        architecture=architecture,
        role=role,
        distillation=_distillation(scheduler, unet),
        variant=HALF if HALF in variants else None,
        weights=tuple(weights),
        scheduler=scheduler,
        aesthetics=bool(index.get("requires_aesthetics_score")),
    )


def read_component(folder: Path, class_name: str, what: str) -> tuple[str | None, list[Path]]:
    """Return the variant and the weights of a model that is a folder of its own, such as a ControlNet.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_folder`; also where it is not of the class.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"there is no {what} in {folder}: it has no config.json")
    found = read_json(folder / "config.json").get("_class_name")
    if found != class_name:
        raise ValueError(f"{folder} holds a {found or 'model of another library'}, not a {what} ({class_name})")
    return weight_files(folder, WEIGHTS["diffusers"])


def weight_files(folder: Path, stem: str) -> tuple[str | None, list[Path]]:
    """Return the variant and the safetensors files of one model, each checked to be whole.

    Raises:
        FileNotFoundError: there are none, or not all of those that an index lists.
        ValueError: one is cut short; or they are there, but as pickles.
    """
    for variant in (None, HALF):
        infix = f".{variant}" if variant else ""
        whole = folder / f"{stem}{infix}.safetensors"
        if whole.exists():
            files = [whole]
        else:
            indices = [folder / f"{stem}.safetensors.index{infix}.json"]
            if variant:
                indices.append(folder / f"{stem}{infix}.safetensors.index.json")
            index = next((path for path in indices if path.exists()), None)
            if index is None:
                continue
            names = sorted(set(read_json(index).get("weight_map", {}).values()))
            if missing := [name for name in names if not (folder / name).exists()]:
                raise FileNotFoundError(
                    f"{folder} has {len(names) - len(missing)} of {len(names)} files of weights; {missing[0]} is not "
                    "there: its download is not finished. Fetch it again"
                )
            files = [folder / name for name in names]
        for path in files:
            _check_whole(path)
        return variant, files
    if pickles := sorted(
        path.name for pattern in ("*.bin", "*.ckpt", "*.pt", "*.pth") for path in folder.glob(pattern)
    ):
        raise ValueError(
            f"{folder} holds its weights as {pickles[0]}; only safetensors are read, because the older kind can run "
            "code. Take a revision of the model that has safetensors, or save it anew with diffusers' save_pretrained"
        )
    raise FileNotFoundError(
        f"{folder} holds no weights ({stem}.safetensors): its download is not finished. Fetch it again"
    )


def revision_of(files: tuple[Path, ...]) -> str:
    """Return a revision that changes whenever the weights do.

    It is a hash over each file's size and a megabyte in every sixteen of it. Not all of it: the seven gigabytes of an
    SDXL would take longer to hash than to load.
    """
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.parent.name}/{path.name}:{size};".encode())
        with path.open("rb") as stream:
            for block in _every_so_often(stream, size):
                digest.update(block)
    return digest.hexdigest()[:12]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises FileNotFoundError or ValueError, in words, where there is no JSON object in the file.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there: the download is not finished. Fetch it again") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} is not a JSON object")
    return value


def _read_index(folder: Path) -> dict[str, Any]:
    if folder.is_file():
        raise ValueError(
            f"{folder} is a file; the editor takes a diffusers folder. StableDiffusionPipeline.from_single_file(…)"
            ".save_pretrained(FOLDER) makes one of a single checkpoint"
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    if (folder / INDEX_FILE).exists():
        return read_json(folder / INDEX_FILE)
    if not any(folder.iterdir()):
        raise FileNotFoundError(f"{folder} is empty: put a diffusers pipeline there, or name another folder")
    if (folder / "config.json").exists():
        config = read_json(folder / "config.json")
        kind = config.get("model_type") or config.get("_class_name") or config.get("model") or "unknown"
        raise ValueError(f"{folder} holds a model of the kind {kind!r}, not a diffusers pipeline: {TAKEN}")
    if singles := sorted(folder.glob("*.safetensors")):
        raise ValueError(
            f"{folder} holds a single checkpoint ({singles[0].name}), not a diffusers folder. "
            "StableDiffusionPipeline.from_single_file(…).save_pretrained(FOLDER) makes one of it"
        )
    raise FileNotFoundError(f"there is no diffusers pipeline in {folder}: it has no {INDEX_FILE}")


def _distillation(scheduler: dict[str, Any], unet: dict[str, Any]) -> Distillation:
    """Tell how a model was distilled.

    LCM says so, or takes the guidance as an input; Turbo starts at the very end of an Euler schedule. Models made for
    zero terminal SNR start there as well, and are no Turbo.
    """
    name = str(scheduler.get("_class_name"))
    if name == "LCMScheduler" or unet.get("time_cond_proj_dim"):
        return Distillation.LCM
    trailing = scheduler.get("timestep_spacing") == "trailing" and name.startswith("Euler")
    plain = scheduler.get("prediction_type", "epsilon") == "epsilon" and not scheduler.get("rescale_betas_zero_snr")
    return Distillation.TURBO if trailing and plain else Distillation.NONE


def _check_tokenizer(folder: Path) -> None:
    if (folder / "tokenizer.json").exists():
        return
    for name in ("vocab.json", "merges.txt"):
        if not (folder / name).exists():
            raise FileNotFoundError(f"{folder} has no {name}: its download is not finished. Fetch it again")


def _check_whole(path: Path) -> None:
    """Check that a file is as long as its header says."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        if (start + stream.read(len(_POINTER) - 8)).startswith(_POINTER):
            raise ValueError(f"{path} is a Git LFS pointer, not weights: run `git lfs pull` there")
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        stream.seek(8)
        header = stream.read(length) if 8 + length <= size else b""
    try:
        tensors = json.loads(header)
        ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is cut short or no safetensors file. Fetch it again") from error
    expected = 8 + length + max(ends, default=0)
    if size < expected:
        raise ValueError(f"{path} is cut short: {size:,} of {expected:,} bytes. Fetch it again")


def _every_so_often(stream: BinaryIO, size: int) -> Iterator[bytes]:
    for start in range(0, size, _STRIDE):
        stream.seek(start)
        yield stream.read(_HASHED)
