"""Keeps dataset versions: a folder per version, whose rows never change once it has its name.

A folder appears complete or not at all. What goes into it is decided in `prepare`.
"""

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from specs.atomic import sync_folder, write_bytes
from specs.base import StrictModel
from tools.data.dataset import SPLITS, Prepared, version_of
from tools.errors import DataError

_ABANDONED_AFTER_S = 3600
_PARTIAL = ".partial-"


def write(prepared: Prepared) -> Path:
    """Write a dataset version and return its folder; the same version written before is left as it is.

    Raises:
        DataError: the disk is full or not writable, or the folder of that version holds other rows.
    """
    folder = prepared.dir
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(folder.parent)
        if not folder.exists():
            _write_new(prepared, folder)
    except OSError as error:
        raise DataError(
            f"The dataset cannot be written to {folder} ({error.strerror or error}).",
            "Free some disk space or correct the permissions, and run the step again.",
            retryable=True,
        ) from error
    check(folder, prepared.version)
    _describe(prepared, folder)
    return folder


def check(folder: Path, version: str) -> None:
    """Raise DataError unless the folder's rows are those of the version, by their hash."""
    try:
        hashes = {f"{split}.jsonl": _hash_file(folder / f"{split}.jsonl") for split in SPLITS}
    except OSError as error:
        raise DataError(
            f"The dataset in {folder} cannot be read ({error.strerror or error}).",
            f"Delete {folder} and prepare it again.",
        ) from error
    if version_of(hashes) != version:
        raise DataError(
            f"The rows in {folder} are no longer those of version {version}.", f"Delete {folder} and prepare it again."
        )


def _write_new(prepared: Prepared, folder: Path) -> None:
    partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder.parent))
    try:
        for split in SPLITS:
            descriptor = os.open(partial / f"{split}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.writelines(prepared.lines(split))
                stream.flush()
                os.fsync(stream.fileno())
        _describe(prepared, partial)
        sync_folder(partial)
        partial.rename(folder)
        sync_folder(folder.parent)
    except OSError:
        # another process may have put the same version there first; it is checked like any other
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _describe(prepared: Prepared, folder: Path) -> None:
    # rights and notices may change while the rows stay the same
    for name, model in (("card.json", prepared.card), ("quality.json", prepared.quality)):
        text = _json(model)
        path = folder / name
        if not path.is_file() or path.read_bytes() != text:
            write_bytes(path, text)


def _json(model: StrictModel) -> bytes:
    return model.model_dump_json(indent=2).encode() + b"\n"


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sweep(parent: Path) -> None:
    """Remove what a killed process left behind."""
    for partial in parent.glob(f"{_PARTIAL}*"):
        if time.time() - partial.stat().st_mtime > _ABANDONED_AFTER_S:
            shutil.rmtree(partial, ignore_errors=True)
