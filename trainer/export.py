# pyright: basic
"""Saves the final weights as one folder that appears whole, and hashes weights by name order.

The hash reads safetensors files alone, so that training, answering and serving name the same weights the same way.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from specs.atomic import sync_folder

_BLOCK = 1 << 22


def publish(target: Path, fill: Callable[[Path], None]) -> None:
    """Make the folder `target` with the files `fill` writes: built beside it, synced, then renamed.

    Raises:
        OSError: the disk is full; an earlier `target` is kept.
    """
    building = target.with_name(target.name + ".tmp")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o700)
    try:
        fill(building)
        for file in building.rglob("*"):
            _sync(file)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    shutil.rmtree(target, ignore_errors=True)
    os.replace(building, target)
    sync_folder(target.parent)


def write_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model or adapter with its tokenizer and chat template as a Hugging Face folder."""
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # peft's unfilled card


def hash_weights(folder: Path) -> str:
    """Return `sha256:<hex>` over the tensors of all safetensors files in `folder`, by name order.

    Name, dtype, shape and bytes of every tensor count; how they are spread over files does not. A folder of an adapter
    gives the hash of the adapter alone.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    tensors: dict[str, tuple[Path, int, dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(size))
        header.pop("__metadata__", None)
        tensors.update({name: (path, 8 + size, entry) for name, entry in header.items()})
    total = hashlib.sha256()
    for name in sorted(tensors):
        path, base, entry = tensors[name]
        total.update(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
        start, end = entry["data_offsets"]
        with path.open("rb") as stream:
            for block in _blocks(stream, base + start, end - start):
                total.update(block)
    return "sha256:" + total.hexdigest()


def _blocks(stream: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    stream.seek(start)
    while size > 0:
        block = stream.read(min(size, _BLOCK))
        if not block:
            raise ValueError(f"{stream.name} ends early")
        size -= len(block)
        yield block


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
