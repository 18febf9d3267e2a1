"""Which files a model may look at: those of the project, and those that the person named."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from langchain_core.messages import AnyMessage, HumanMessage

from tools.data.source_file import resolve_path

_LONGEST_PATH = 4096


def is_inside(root: Path, path: str) -> bool:
    """Return whether `path`, as the spec would read it, lies in the project, links followed."""
    try:
        return resolve_path(path, root).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):
        return False


def stray_file(root: Path, arguments: object, messages: Sequence[AnyMessage]) -> str | None:
    """Return the first text in a call that is a file outside the project which the person did not name."""
    return next((text for text in _texts(arguments) if _is_stray(root, text) and not is_named(text, messages)), None)


def is_named(path: str, messages: Sequence[AnyMessage]) -> bool:
    """Return whether the person wrote `path` in this thread."""
    return bool(path) and any(path in message.text for message in messages if isinstance(message, HumanMessage))


def _is_stray(root: Path, text: str) -> bool:
    try:
        return 0 < len(text) <= _LONGEST_PATH and resolve_path(text, root).is_file() and not is_inside(root, text)
    except (OSError, ValueError):
        return False


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[object, object]", value).values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in cast("Sequence[object]", value):
            yield from _texts(item)
