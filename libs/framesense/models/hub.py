"""Models from the hub, fetched beforehand into its cache, so that services start without a network: ``python -m
framesense.models.hub standard`` or ``… hf:ORG/NAME open_clip:ARCH/TAG``.

What a model needs is planned from the hub's own list of files: safetensors rather than pickles, one precision, no
weights for other frameworks. There must be room for it. A transfer that broke goes on where it stopped. Every file is
checked against the sum that the hub states; the commit and the sums are noted in a lock file beside the cache
(``models.lock.json``), and a later fetch, here or with that file copied elsewhere, takes the same commit and the same
sums or fails.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from framesense.models.errors import explain
from framesense.models.spec import ModelSource, ModelSpec
from framesense.models.tiers import TIERS, Tier

LOCK_FILE = "models.lock.json"
SPARE_BYTES = 500_000_000
"""Left free on the disk after a fetch."""
TEXTS = (".json", ".txt", ".model", ".jinja")
"""Configurations, vocabularies, chat templates; everything else that is not a weight is left out."""
OTHER_FRAMEWORKS = ("tf_", "flax_", "rust_", "openvino", "onnx/", "coreml/", "gguf")


class FetchError(Exception):
    """A model cannot be fetched; the text says why and what to do."""


@dataclass(frozen=True)
class RepoFile:
    """A file on the hub: ``sha256`` of large ones, git's ``blob`` id of small ones."""

    name: str
    size: int
    sha256: str | None = None
    blob: str | None = None

    def matches(self, path: Path) -> bool:
        if path.stat().st_size != self.size:
            return False
        if self.sha256 is not None:
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == self.sha256
        digest = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)  # as git names a blob
        digest.update(path.read_bytes())
        return self.blob is None or digest.hexdigest() == self.blob


@dataclass(frozen=True)
class Wanted:
    """A repository, and which of its files a model needs."""

    repository: str
    revision: str = "main"
    choose: Callable[[Sequence[RepoFile]], list[RepoFile]] = field(default=lambda files: choose_files(files))


# ------------------------------------------------------------------------------------------------- what is needed


def choose_files(files: Sequence[RepoFile], *, half: bool = False) -> list[RepoFile]:
    """Choose the files that loading takes, of a repository in the format of transformers or diffusers.

    ``half``: half-precision weights where a diffusers pipeline has them.
    """
    diffusers = any(file.name == "model_index.json" for file in files)
    kept = [file for file in files if not file.name.startswith(OTHER_FRAMEWORKS) and "/onnx" not in file.name]
    texts = [file for file in kept if file.name.endswith(TEXTS) and (diffusers or "/" not in file.name)]
    if not diffusers:
        return texts + _weights([file for file in kept if "/" not in file.name], half=False)
    folders: dict[str, list[RepoFile]] = {}
    for file in kept:
        folder, slash, _ = file.name.rpartition("/")
        if slash and "/" not in folder and folder != "safety_checker":
            folders.setdefault(folder, []).append(file)
    texts = [file for file in texts if not file.name.startswith("safety_checker/")]
    return texts + [file for inside in folders.values() for file in _weights(inside, half=half, safe=True)]


def _weights(files: Sequence[RepoFile], *, half: bool, safe: bool = False) -> list[RepoFile]:
    """Choose the weights in one folder: one set of safetensors, or of pickles where there are none and they may be."""
    for ending in (".safetensors",) if safe else (".safetensors", ".bin"):
        found = [file for file in files if file.name.endswith(ending) and "non_ema" not in file.name]
        found = [file for file in found if Path(file.name).name.startswith(("model", "pytorch_model", "diffusion"))]
        halves = [file for file in found if ".fp16" in file.name]
        whole = [file for file in found if file not in halves and ".bf16" not in file.name]
        chosen = halves if half and halves else whole or halves
        single = [file for file in chosen if "-of-" not in file.name]
        if chosen:
            return single or chosen
    return []


def wanted_by(spec: ModelSpec, *, half: bool) -> list[Wanted]:
    """Return the repositories that a model needs; none for one that is here already.

    Raises FetchError for a name that means nothing, or whose weights are on no hub.
    """
    if spec.source is ModelSource.HUGGING_FACE:
        return [Wanted(spec.name, spec.revision or "main", lambda files: choose_files(files, half=half))]
    if spec.source is ModelSource.OPEN_CLIP:
        return _open_clip(spec)
    return []


def _open_clip(spec: ModelSpec) -> list[Wanted]:
    from framesense.models.torch_compat import prepare_torchvision

    prepare_torchvision()
    import open_clip

    architecture, tag = spec.name.split("/")
    config = open_clip.get_pretrained_cfg(architecture, tag)
    if not config:
        known = ", ".join(open_clip.list_pretrained_tags_by_model(architecture)) or "none"
        raise FetchError(f"OpenCLIP has no weights {tag!r} for {architecture!r}; it has: {known}")
    repository, _, file = str(config.get("hf_hub") or "").rpartition("/")
    if not repository:
        raise FetchError(
            f"the weights of {spec} are on no hub; a tagger with a network fetches them itself (OFFLINE=false)"
        )
    name = file or "open_clip_pytorch_model.bin"
    safe = name.removesuffix(".bin").removesuffix(".pth").replace("pytorch_model", "model") + ".safetensors"

    def weights(files: Sequence[RepoFile]) -> list[RepoFile]:
        by_name = {one.name: one for one in files}
        for candidate in (safe, name.rpartition(".")[0] + ".safetensors", name):
            if candidate in by_name:
                return [by_name[candidate]]
        return []

    found = [Wanted(repository, choose=weights)]
    text = (open_clip.get_model_config(architecture) or {}).get("text_cfg", {})
    if tokenizer := text.get("hf_tokenizer_name"):
        found.append(Wanted(tokenizer, choose=_tokenizer_files))
    return found


def _tokenizer_files(files: Sequence[RepoFile]) -> list[RepoFile]:
    return [file for file in files if file.name.endswith((*TEXTS, ".spm")) and "/" not in file.name]


# ---------------------------------------------------------------------------------------------------- the lock


class Lock:
    """Remember which commit of a repository was fetched, and the sums of its files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._known: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            self._known = {}
        except json.JSONDecodeError as error:
            raise FetchError(f"{path} is not JSON ({error}). Put it right, or remove it to pin anew.") from error

    def commit(self, wanted: Wanted) -> str | None:
        entry = self._known.get(_key(wanted))
        return str(entry["commit"]) if entry else None

    def require_same(self, wanted: Wanted, files: Iterable[RepoFile]) -> None:
        """Raise FetchError where the hub now states other sums for the same commit."""
        noted = self._known.get(_key(wanted), {}).get("files", {})
        for file in files:
            before = noted.get(file.name)
            if before and (before["sha256"], before["blob"]) != (file.sha256, file.blob):
                raise FetchError(
                    f"{wanted.repository}/{file.name} is not what {self.path} says: the hub states another sum for the "
                    "same commit. Find out why before you trust it; remove the entry to pin anew."
                )

    def note(self, wanted: Wanted, commit: str, files: Sequence[RepoFile]) -> None:
        known = self._known.get(_key(wanted), {}).get("files", {})
        added = {file.name: {key: value for key, value in asdict(file).items() if key != "name"} for file in files}
        self._known[_key(wanted)] = {"commit": commit, "files": dict(sorted({**known, **added}.items()))}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(dict(sorted(self._known.items())), indent=2) + "\n", encoding="utf-8")
        fresh.replace(self.path)


def _key(wanted: Wanted) -> str:
    return f"{wanted.repository}@{wanted.revision}"


# ------------------------------------------------------------------------------------------------------ fetching


class Fetcher:
    """Args:
    cache: the hub cache's folder (HF_HUB_CACHE).
    tell: prints a line for people.
    """

    def __init__(self, cache: Path, lock: Lock, tell: Callable[[str], None]) -> None:
        from huggingface_hub import HfApi

        self._cache, self._lock, self._tell, self._hub = cache, lock, tell, HfApi()

    def fetch(self, spec: ModelSpec, *, half: bool = False) -> None:
        """Fetch a model's files.

        Raises FetchError, in words that say what to do; what has arrived by then stays.
        """
        try:
            wanted = wanted_by(spec, half=half)
            if not wanted:
                self._tell(f"{spec}: nothing to fetch")
            for repository in wanted:
                self._fetch(repository)
        except FetchError:
            raise
        except Exception as error:
            raise FetchError(f"{spec} cannot be fetched: {explain(error, str(spec))}") from error

    def _fetch(self, wanted: Wanted) -> None:
        info = self._hub.model_info(
            wanted.repository, revision=self._lock.commit(wanted) or wanted.revision, files_metadata=True
        )
        commit = str(info.sha)
        files = wanted.choose([_repo_file(sibling) for sibling in info.siblings or []])
        if not any(not file.name.endswith(TEXTS) for file in files) and wanted.choose is not _tokenizer_files:
            raise FetchError(f"{wanted.repository} holds no weights that can be read here (safetensors). Take another.")
        self._lock.require_same(wanted, files)
        missing = [file for file in files if not self._here(wanted, commit, file)]
        self._require_room(wanted, missing)
        total, amount = len(files), sum(file.size for file in missing)
        self._tell(f"{wanted.repository} at {commit[:12]}: {total} files, {_megabytes(amount)} to fetch")
        for index, file in enumerate(missing, 1):
            self._tell(f"  {index}/{len(missing)} {file.name} ({_megabytes(file.size)})")
            self._download(wanted, commit, file)
        for file in set(files) - set(missing):
            self._require_sum(wanted, file, self._path(wanted, commit, file).resolve())
        self._name_commit(wanted, commit)
        self._lock.note(wanted, commit, files)
        self._tell(f"  {total} files are here, and their sums are right")

    def _download(self, wanted: Wanted, commit: str, file: RepoFile) -> None:
        """Download a file into the hub cache's own layout: a blob named by its sum, and a link in the commit's folder.

        The hub's client forgets what had arrived when its process ends; this goes on from there.
        """
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils._headers import build_hf_headers

        blob = self._folder(wanted) / "blobs" / str(file.sha256 or file.blob)
        part = blob.with_name(f"{blob.name}.part")
        blob.parent.mkdir(parents=True, exist_ok=True)
        url = hf_hub_url(wanted.repository, file.name, revision=commit, endpoint=self._hub.endpoint)
        with part.open("ab") as stream:
            http_get(
                url,
                stream,
                resume_size=stream.tell(),
                headers=build_hf_headers(),
                expected_size=file.size,
                displayed_filename=file.name,
            )
        self._require_sum(wanted, file, part)
        part.replace(blob)
        link = self._path(wanted, commit, file)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))

    def _require_sum(self, wanted: Wanted, file: RepoFile, path: Path) -> None:
        if not file.matches(path):
            path.unlink()
            raise FetchError(
                f"{wanted.repository}/{file.name} is damaged (its sum is not the hub's) and was removed. Fetch again."
            )

    def _here(self, wanted: Wanted, commit: str, file: RepoFile) -> bool:
        path = self._path(wanted, commit, file)
        return path.exists() and path.stat().st_size == file.size

    def _path(self, wanted: Wanted, commit: str, file: RepoFile) -> Path:
        return self._folder(wanted) / "snapshots" / commit / file.name

    def _folder(self, wanted: Wanted) -> Path:
        from huggingface_hub.file_download import repo_folder_name

        return self._cache / repo_folder_name(repo_id=wanted.repository, repo_type="model")

    def _name_commit(self, wanted: Wanted, commit: str) -> None:
        """Note in the cache that the branch is this commit.

        Files are fetched by commit; services ask, offline, for the branch.
        """
        if wanted.revision != commit:
            reference = self._folder(wanted) / "refs" / wanted.revision
            reference.parent.mkdir(parents=True, exist_ok=True)
            reference.write_text(commit, encoding="utf-8")

    def _require_room(self, wanted: Wanted, missing: Sequence[RepoFile]) -> None:
        needed = sum(file.size for file in missing)
        self._cache.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._cache).free
        if needed and free < needed + SPARE_BYTES:
            raise FetchError(
                f"{wanted.repository} takes {_megabytes(needed)}, and {_megabytes(free)} are free where {self._cache} "
                "is. Make room, or set HF_HOME to a larger disk."
            )


def _repo_file(sibling: Any) -> RepoFile:
    large = sibling.lfs
    size = large.size if large else sibling.size
    return RepoFile(sibling.rfilename, int(size or 0), large.sha256 if large else None, sibling.blob_id)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def models_of(words: Sequence[str], environment: Mapping[str, str]) -> list[ModelSpec]:
    """List the models of tiers and names, each once.

    A tier's are those that the services would load with it: a model that the environment names (CAPTIONER_MODEL …)
    takes the place of the tier's.

    Raises FetchError for a word that is neither.
    """
    found: dict[str, ModelSpec] = {}
    for word in words:
        names = [word]
        if word in set(Tier):
            models = asdict(TIERS[Tier(word)])
            names = [environment.get(f"{service.upper()}_MODEL") or name for service, name in models.items()]
        for name in names:
            try:
                spec = ModelSpec.parse(name)
            except ValueError as error:
                raise FetchError(f"{error}; or a tier: {', '.join(Tier)}.") from error
            found[str(spec)] = spec
    return list(found.values())


def _say(line: str, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(line + "\n")
    stream.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m framesense.models.hub", description=__doc__)
    parser.add_argument("models", nargs="*", help=f"{', '.join(Tier)}, or names of models (default: FRAMESENSE_TIER)")
    parser.add_argument("--half", action=argparse.BooleanOptionalAction, help="half-precision weights of pipelines")
    options = parser.parse_args(arguments)
    environment = os.environ
    if environment.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        _say("HF_HUB_OFFLINE is set: fetching needs the hub. Unset it for this.", error=True)
        return 1
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    half = Path("/dev/nvidiactl").exists() if options.half is None else bool(options.half)
    try:
        words = options.models or [environment.get("FRAMESENSE_TIER") or Tier.EMBEDDED]
        lock = Lock(Path(environment.get("MODELS_LOCK") or cache.parent / LOCK_FILE))
        fetcher = Fetcher(cache, lock, _say)
        for spec in models_of(words, environment):
            fetcher.fetch(spec, half=half)
    except FetchError as error:
        _say(f"error: {error}", error=True)
        return 1
    except KeyboardInterrupt:
        _say("stopped; what has arrived stays, and fetching again goes on from there", error=True)
        return 130
    _say(f"done: the models are in {cache}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
