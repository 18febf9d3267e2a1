"""Base models by name: Seedling, hub ids with a pinned revision, local folders, earlier custom models.

Reads configuration files and safetensors headers only; weights are loaded by the trainer.
"""

import difflib
import hashlib
import importlib
import json
import re
import struct
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from specs.facts import ModelFacts
from specs.roots import seedling_dir
from specs.run import ModelRef
from specs.spec import BaseModelSpec
from tools.errors import BackendError, UsageError

SEEDLING = "seedling"
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")
_CUSTOM = re.compile(r"^([a-z0-9][a-z0-9-]*)@(\d+)$")
_CHUNK_BYTES = 1 << 20
_TOKENIZER_FILES = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
_LICENSE_LINE = re.compile(r"^license:\s*[\"']?([\w.+-]+)", re.MULTILINE)


def model_facts(model: BaseModelSpec, root: Path, custom: Callable[[str, int], ModelRef | None]) -> ModelFacts:
    """Return the facts of the base model that the spec names.

    Args:
        model: the spec's model section.
        root: the project's folder, from which relative paths count.
        custom: finds an earlier custom model by name and version.

    Raises:
        UsageError: the name is not known, or the folder holds no complete model.
        BackendError: a hub model is neither on this machine nor reachable.
    """
    if model.base == SEEDLING:
        return _folder_facts(SEEDLING, seedling_dir(), "seedling")
    if match := _CUSTOM.match(model.base):
        return _custom_facts(model.base, custom(match[1], int(match[2])))
    folder = (root / model.base).expanduser()
    if folder.is_dir():
        return _folder_facts(model.base, folder.resolve(), "path")
    if _HUB_ID.match(model.base) and not model.base.startswith((".", "/")):
        return _hub_facts(model.base, model.revision)
    raise UsageError(
        f"There is no base model {model.base!r}: no folder of that name in the project, no hub id and no custom model.",
        _suggestion(model.base),
    )


def weights_hash(folder: Path) -> str:
    """Return `sha256:<hex>` over the names and bytes of a model folder's files. Cached by size and time of change.

    Raises:
        UsageError: the folder is gone.
    """
    digest = hashlib.sha256()
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        for path in files:
            stat = path.stat()
            digest.update(f"{path.name}\0{_file_hash(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)}\n".encode())
    except OSError as error:
        raise UsageError(
            f"The model folder {folder} cannot be read: {error.strerror}.", "Check the path model.base in the spec."
        ) from error
    return f"sha256:{digest.hexdigest()}"


def reference(facts: ModelFacts) -> ModelRef:
    """Return what a job needs to load the model of these facts."""
    return ModelRef(name=facts.name, location=facts.location, revision=facts.revision, adapter_dir=facts.adapter_dir)


@lru_cache(maxsize=256)
def _file_hash(path: Path, _size: int, _changed: int, _inode: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _custom_facts(name: str, found: ModelRef | None) -> ModelFacts:
    if found is None:
        raise UsageError(
            f"There is no custom model {name} in this project.", "`tailor runs` shows the models trained so far."
        )
    if not Path(found.location).is_absolute():
        base = _hub_facts(found.location, found.revision)
        facts = base.model_copy(update={"name": name, "kind": "custom", "files_dir": found.adapter_dir})
    else:
        facts = _folder_facts(name, Path(found.location), "custom")
    if found.adapter_dir is None:
        return facts
    both = hashlib.sha256(f"{facts.weights_hash}\n{weights_hash(Path(found.adapter_dir))}".encode()).hexdigest()
    return facts.model_copy(update={"adapter_dir": found.adapter_dir, "weights_hash": f"sha256:{both}"})


def _folder_facts(name: str, folder: Path, kind: str, commit: str | None = None) -> ModelFacts:
    """Return the facts of a model folder; `commit` names the content of a hub model's, which is not hashed then."""
    config = _read_config(folder)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise UsageError(
            f"The model folder {folder} has no .safetensors weights.",
            "Save the model with save_pretrained(); pickled weights (.bin, .pt) are not loaded.",
        )
    if not (folder / "tokenizer.json").is_file() and not (folder / "tokenizer_config.json").is_file():
        raise UsageError(f"The model folder {folder} has no tokenizer.", "Save the tokenizer into the same folder.")
    return _facts(
        name=name,
        location=str(folder),
        revision=None,
        kind=kind,
        config=config,
        num_parameters=sum(_count_parameters(path) for path in weights),
        size_bytes=sum(path.stat().st_size for path in weights),
        license=_license(folder),
        weights_hash=weights_hash(folder) if commit is None else f"revision:{commit}",
    )


def _facts(*, config: dict[str, Any], **known: Any) -> ModelFacts:
    text = config.get("text_config", config)
    return ModelFacts(
        hidden_size=int(text.get("hidden_size", 0)),
        num_layers=int(text.get("num_hidden_layers", 0)),
        vocab_size=int(text.get("vocab_size", 0)),
        context_length=int(text.get("max_position_embeddings", 2048)),
        **known,
    )


def _hub_facts(name: str, revision: str | None) -> ModelFacts:
    if revision is None:
        raise UsageError(
            f"The hub model {name} needs a pinned revision.",
            "Set model.revision to the commit you reviewed (the model page shows it), so that it cannot change later.",
        )
    from httpx import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    # its signatures are only partly typed
    hub: Any = importlib.import_module("huggingface_hub")
    try:
        folder = Path(hub.snapshot_download(name, revision=revision, local_files_only=True))
        facts = _folder_facts(name, folder, "hub", commit=folder.name)
        found = {"location": name, "revision": folder.name, "files_dir": str(folder), "is_downloaded": True}
        return facts.model_copy(update=found)
    except (LocalEntryNotFoundError, UsageError):
        pass
    try:
        info: Any = hub.HfApi().model_info(name, revision=revision, files_metadata=True)
        config_path = hub.hf_hub_download(name, "config.json", revision=revision)
        siblings: list[Any] = info.siblings or []
        present = {file.rfilename for file in siblings}
        for file_name in sorted(_TOKENIZER_FILES & present):
            hub.hf_hub_download(name, file_name, revision=revision)
    except (HTTPError, HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise BackendError(
            f"The hub model {name} at revision {revision} is not on this machine and cannot be reached.",
            "Check the name and the network, or download it once and set model.base to its folder.",
            retryable=True,
        ) from error
    return _listed_facts(name, info, Path(config_path))


def _listed_facts(name: str, info: Any, config_path: Path) -> ModelFacts:
    """Return the facts of a hub model from its page, before its weights are fetched."""
    card: dict[str, Any] = info.card_data.to_dict() if info.card_data else {}
    siblings: list[Any] = info.siblings or []
    size_bytes = sum(file.size or 0 for file in siblings if file.rfilename.endswith(".safetensors"))
    return _facts(
        name=name,
        location=name,
        revision=info.sha,
        kind="hub",
        config=json.loads(config_path.read_text(encoding="utf-8")),
        num_parameters=info.safetensors.total if info.safetensors else size_bytes // 2,
        size_bytes=size_bytes,
        license=str(card.get("license", "unknown")),
        weights_hash=f"revision:{info.sha}",
        files_dir=str(config_path.parent),
    )


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"The model folder {folder} has no readable config.json.",
            "Point model.base at a folder written by save_pretrained().",
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is not valid JSON: {error}.", "Save the model again.") from error
    if not isinstance(config, dict):
        raise UsageError(f"{path} does not hold a mapping.", "Save the model again.")
    return cast("dict[str, Any]", config)


def _count_parameters(path: Path) -> int:
    """Count from the header of a safetensors file: 8 bytes of length, then a JSON table of names and shapes."""
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > 100 * _CHUNK_BYTES:
                raise ValueError("the header is too long")
            header: dict[str, Any] = json.loads(stream.read(length))
    except (OSError, ValueError, struct.error) as error:
        raise UsageError(f"{path} is not a complete safetensors file.", "Copy or save the model again.") from error
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            size = 1
            for extent in tensor["shape"]:
                size *= extent
            total += size
    return total


def _license(folder: Path) -> str:
    for name in ("README.md", "CARD.md"):
        path = folder / name
        if path.is_file():
            match = _LICENSE_LINE.search(path.read_text(encoding="utf-8", errors="replace")[:4000])
            if match:
                return match[1]
    return "unknown"


def _suggestion(name: str) -> str:
    if difflib.get_close_matches(name.lower(), [SEEDLING], n=1, cutoff=0.6):
        return f"Did you mean {SEEDLING!r}?"
    return (
        f"Use {SEEDLING!r} (the embedded model for trying the road), a folder with a saved model, "
        "a hub id such as org/model with model.revision, or name@version of a custom model."
    )
