"""A user's project on disk: finding it, making it, and the private folder in it."""

import os
from pathlib import Path

from specs.atomic import write_text
from specs.layout import ProjectLayout
from tools.errors import ToolError, UsageError

_IGNORED = "# Tailor's own state: ledger, datasets, runs, models. Large, private and made again from the spec.\n*\n"


def open_project(root: Path, *, spec_name: str = "spec.yaml", create: bool = False) -> ProjectLayout:
    """Return the layout of the project in `root`, with its private folder in place.

    Raises:
        UsageError: the folder is missing and `create` is not set.
        ToolError: the folder cannot be written.
    """
    root = root.expanduser().resolve()
    if not root.is_dir():
        if not create:
            raise UsageError(f"There is no folder {root}.", f"Make a project there with `tailor init {root}`.")
        _make(root)
    layout = ProjectLayout(root, spec_name)
    _make(layout.state_dir)
    _private(layout)
    return layout


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"The folder {folder} cannot be made: {error.strerror}.",
            "Choose a folder you may write to, or free some disk space.",
        ) from error


def _private(layout: ProjectLayout) -> None:
    try:
        if layout.state_dir.stat().st_mode & 0o077:
            os.chmod(layout.state_dir, 0o700)
        ignore_path = layout.state_dir / ".gitignore"
        if not ignore_path.exists():
            write_text(ignore_path, _IGNORED)
    except OSError as error:
        raise ToolError(
            f"The project in {layout.root} cannot be written: {error.strerror}.",
            "Check the owner and the permissions of its .tailor folder, and the free disk space.",
        ) from error
