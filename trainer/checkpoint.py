# pyright: basic
"""Checkpoints that are whole or not there: the marker is written last, and only marked ones are ever resumed from.

Knows files, not what a trainer puts into them.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from specs.atomic import sync_folder, write_text
from specs.base import StrictModel

_PREFIX = "step-"
_MARKER = "COMPLETE"
_KEPT = 2
_FULL_BYTES = 1 << 16


class Marker(StrictModel):
    """Content of the COMPLETE file."""

    step: int
    num_tokens: int
    """Tokens seen in training up to the step, padding excluded."""
    sizes: dict[str, int]
    """Bytes of every file of the checkpoint."""


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint."""

    path: Path
    marker: Marker

    @property
    def size_bytes(self) -> int:
        """Return the bytes of its files."""
        return sum(self.marker.sizes.values())


def save(folder: Path, step: int, num_tokens: int, fill: Callable[[Path], None]) -> Checkpoint:
    """Make the checkpoint of `step` in `folder` and drop all but the newest two.

    `fill` writes the files. The marker follows once they are on the disk; a kill before that leaves a torn folder that
    `newest` removes.

    Raises:
        OSError: the disk is full; the earlier checkpoints are kept and nothing of this one is left over.
    """
    path = folder / f"{_PREFIX}{step:08d}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700, parents=True)
    try:
        fill(path)
        sizes = {name: _sync(path / name) for name in _files(path)}
        marker = Marker(step=step, num_tokens=num_tokens, sizes=sizes)
        sync_folder(path)
        write_text(path / _MARKER, marker.model_dump_json())
        sync_folder(folder)
    except BaseException as error:
        full = shutil.disk_usage(folder).free < _FULL_BYTES
        shutil.rmtree(path, ignore_errors=True)
        if full and not isinstance(error, OSError):  # torch's writer does not say why it failed
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise
    for old in list(_complete(folder))[_KEPT:]:
        _remove(old.path)
    return Checkpoint(path, marker)


def newest(folder: Path) -> Checkpoint | None:
    """Return the newest complete checkpoint, None when there is none. Torn ones are removed."""
    found = list(_complete(folder))
    kept = {checkpoint.path for checkpoint in found}
    for path in _folders(folder):
        if path not in kept:
            _remove(path)
    return found[0] if found else None


def _complete(folder: Path) -> Iterator[Checkpoint]:
    """Yield complete checkpoints, newest first."""
    for path in _folders(folder):
        with contextlib.suppress(OSError, ValidationError):
            marker = Marker.model_validate_json((path / _MARKER).read_bytes())
            if path.name == f"{_PREFIX}{marker.step:08d}" and _sizes_agree(path, marker):
                yield Checkpoint(path, marker)


def _folders(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{_PREFIX}*"), reverse=True) if folder.is_dir() else []


def _sizes_agree(path: Path, marker: Marker) -> bool:
    return all((path / name).stat().st_size == size for name, size in marker.sizes.items())


def _remove(path: Path) -> None:
    """Remove a checkpoint, its marker first, so that a kill in between leaves no half that looks whole."""
    (path / _MARKER).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _files(path: Path) -> list[str]:
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def _sync(file: Path) -> int:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
