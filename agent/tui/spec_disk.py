"""The files behind the spec editor: spec.yaml, the draft of a text that is not saved, and what each side last saw.

Everything here may wait for a disk, so it is called in threads. Drafts and memories are never more than a help: when
they cannot be read, the editor works without them.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agent.tui.spec_buffer import DiskText, LineProblem, Seen, check_text

if TYPE_CHECKING:
    from specs.layout import ProjectLayout


@dataclass(frozen=True)
class Draft:
    """A text of the person that is not in spec.yaml."""

    text: str
    base: str | None
    """The file it was made from; None when that is unknown."""


@dataclass(frozen=True)
class Opening:
    """All that is on disk when the editor opens."""

    disk: DiskText
    draft: Draft | None
    seen: Seen | None


class SpecDisk:
    """The files of one project's spec editor."""

    def __init__(self, layout: "ProjectLayout") -> None:
        self._layout = layout
        self.name = layout.spec_name
        self._draft_path = layout.state_dir / "drafts" / layout.spec_name
        self._base_path = self._draft_path.with_name(f"{layout.spec_name}.base.json")
        self._seen_path = layout.state_dir / "spec_marks.json"

    def open(self) -> Opening:
        """Return what is there."""
        return Opening(self.read(), self._draft(), self._seen())

    def stamp(self) -> tuple[int, ...] | None:
        """Return what changes when spec.yaml does; None when there is none."""
        try:
            status = os.stat(self._layout.spec_path)
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    def read(self) -> DiskText:
        """Return spec.yaml as it is now."""
        from specs.errors import SpecError
        from specs.load import read_spec_text

        stamp = self.stamp()
        if stamp is None and not os.path.lexists(self._layout.spec_path):
            return DiskText(None)
        try:
            return DiskText(read_spec_text(self._layout.spec_path), stamp=stamp)
        except SpecError as error:
            problem = error.problems[0]
            place = f", line {problem.line}" if problem.line is not None else ""
            return DiskText(None, f"{self.name}{place}: {problem.message}. {problem.hint}".strip(), stamp)

    def check(self, text: str) -> tuple[LineProblem, ...]:
        """Return what is wrong with a text, empty when it is a valid spec."""
        return check_text(text, self.name)

    def save(self, raw: str, expected: str) -> DiskText | None:
        """Write spec.yaml if it still is `expected`; return what it is instead if it is not, None when written.

        Raises:
            TailorError: the text is not valid or the file cannot be written; the old one is kept.
        """
        from tools.spec_file import SpecFile, SpecMoved

        try:
            SpecFile(self._layout).replace(raw, expected)
        except SpecMoved:
            return self.read()
        return None

    def starter(self) -> str:
        """Return a spec to fill in."""
        from tools.spec_file import starter_text

        return starter_text()

    def keep_draft(self, draft: Draft) -> None:
        """Keep a text that cannot be in spec.yaml now. Raises OSError."""
        from specs.atomic import write_text

        for folder in (self._layout.state_dir, self._draft_path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        record = {"draft": _digest(draft.text), "base": draft.base}
        write_text(self._draft_path, draft.text)
        write_text(self._base_path, json.dumps(record))

    def drop_draft(self) -> None:
        """Forget the draft: its text is in spec.yaml."""
        for path in (self._draft_path, self._base_path):
            path.unlink(missing_ok=True)

    def keep_seen(self, seen: Seen) -> None:
        """Remember what both sides have seen. Raises OSError."""
        from specs.atomic import write_text

        write_text(self._seen_path, json.dumps({"version": 1, "agent": seen.agent, "you": seen.you}))

    def _draft(self) -> Draft | None:
        try:
            text = self._draft_path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        record = _record(self._base_path)
        base = record.get("base") if record.get("draft") == _digest(text) else None
        return Draft(text, base if isinstance(base, str) else None)

    def _seen(self) -> Seen | None:
        record = _record(self._seen_path)
        agent, you = record.get("agent"), record.get("you")
        return Seen(agent, you) if isinstance(agent, str) and isinstance(you, str) else None


def _record(path: Path) -> dict[str, Any]:
    try:
        record: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", record) if isinstance(record, dict) else {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
