"""The conversations of a project: where each one's record lies and which was last. Light: the launcher asks it too."""

import re
from pathlib import Path

from specs.layout import ProjectLayout
from tools.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def chosen_thread(layout: ProjectLayout, name: str | None) -> str:
    """Return the conversation of that name, the latest when none is given.

    Raises:
        UsageError: the name could not be a file's name.
    """
    if name is None:
        return latest_thread(layout)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:80]!r} is no name for a conversation.", "Use letters, digits, dots, dashes and underscores."
        )
    return name


def conversation_path(layout: ProjectLayout, thread: str) -> Path:
    """Return where the record of a thread lies."""
    return layout.state_dir / "conversations" / f"{thread}.jsonl"


def waiting_path(layout: ProjectLayout, thread: str) -> Path:
    """Return where words lie that a thread has not answered yet."""
    return conversation_path(layout, thread).with_suffix(".waiting.json")


def latest_thread(layout: ProjectLayout) -> str:
    """Return the thread in which something was said last, `main` in a new project."""
    found = [path for path in conversation_path(layout, "main").parent.glob("*.jsonl") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime).stem if found else "main"


def new_thread(layout: ProjectLayout) -> str:
    """Return a name that no conversation has yet."""
    number = 2
    while conversation_path(layout, f"talk-{number}").exists():
        number += 1
    return f"talk-{number}"
