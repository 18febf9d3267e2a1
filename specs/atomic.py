"""Files that are either the old or the new content, whatever happens in between."""

import os
import tempfile
from pathlib import Path


def write_text(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write `text` as UTF-8 in place of `path`. Raises OSError with the old content kept."""
    write_bytes(path, text.encode("utf-8"), mode=mode)


def write_bytes(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write `data` in place of `path`: temporary file, fsync, rename, fsync of the folder.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old content is kept and nothing is left over.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
