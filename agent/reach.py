"""Which files a model may look at: those of the project, and those that the person named."""

from collections.abc import Sequence
from pathlib import Path

from langchain_core.messages import AnyMessage, HumanMessage


def is_inside(root: Path, path: str) -> bool:
    """Return whether `path`, relative to `root` or absolute, lies in the project, links followed."""
    return (root / path).resolve().is_relative_to(root.resolve())


def is_named(path: str, messages: Sequence[AnyMessage]) -> bool:
    """Return whether the person wrote `path` in this thread."""
    return bool(path) and any(path in message.text for message in messages if isinstance(message, HumanMessage))
