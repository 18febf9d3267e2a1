"""The user's spec.yaml as a shared document: read, made, edited by patch, and every edit of ours taken back.

The file belongs to the user. An edit is made on the text as it stands at that moment, never on a remembered one, and
an undo that would lose an edit of theirs is refused.
"""

import fcntl
import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from specs.atomic import write_text
from specs.layout import ProjectLayout
from specs.load import LoadedSpec, load_spec, read_spec_text
from tools.errors import ToolError, UsageError
from tools.steps import JsonDict

if TYPE_CHECKING:
    from specs.edit import Change

_KEPT_VERSIONS = 50
_BOM = "\ufeff"

STARTER: JsonDict = {
    "name": "my-model",
    "goal": {"task": "Say in one sentence what the model shall do."},
    "data": {"sources": [{"path": "data/train.csv", "columns": {"prompt": "text", "completion": "label"}}]},
}
"""Fields of a spec to fill in; what `create` adds makes it valid."""


class SpecMoved(ToolError):
    """The file is not what the edit was made on, so nothing was written.

    Args:
        name: the file's name.
        current: its text now, empty when there is no file.
    """

    def __init__(self, name: str, current: str) -> None:
        super().__init__(
            f"{name} was changed by somebody else in between.", "Look at the change, then save again.", retryable=True
        )
        self.current = current


@dataclass(frozen=True)
class SpecChange:
    """What an edit did."""

    diff: str
    """Unified diff, empty when nothing changed."""
    spec: LoadedSpec


class SpecFile:
    """spec.yaml of one project."""

    def __init__(self, layout: ProjectLayout) -> None:
        self._layout = layout
        self._history_dir = layout.state_dir / "spec_history"

    def load(self) -> LoadedSpec:
        """Return the spec as it is on disk now.

        Raises:
            SpecError: it has defects; all of them are listed.
            UsageError: there is no spec yet.
        """
        path = self._layout.spec_path
        if not path.exists():
            raise UsageError(
                f"There is no {path.name} in {self._layout.root}.",
                "Talk it through with `tailor chat`, or start from a template with `tailor init`.",
            )
        return load_spec(path)

    def create(self, fields: JsonDict) -> SpecChange:
        """Write a new spec from nested fields. Raises UsageError when there is one, SpecError for a bad field."""
        from specs.edit import diff_text, new_spec_text
        from specs.load import parse_spec

        path = self._layout.spec_path
        text = new_spec_text(_with_defaults(fields))
        with self._locked():
            if path.exists():
                raise UsageError(f"This project already has a {path.name}.", "Edit it, or remove it to start anew.")
            parse_spec(text, path.name)
            self._write(text)
        return SpecChange(diff_text("", text, path.name), self.load())

    def patch(self, changes: Sequence["Change"], *, by_person: bool = False) -> SpecChange:
        """Make all of `changes` or none, keeping comments and order.

        Args:
            changes: edits in order.
            by_person: whether a person asked for exactly this; only then may the licence be accepted.

        Raises:
            SpecError: the file or the result is not a valid spec.
            ToolError: the file changed while it was edited, twice in a row.
        """
        from specs.edit import SpecPatch, apply_patch

        path = self._layout.spec_path
        for _ in range(2):
            before = self.load()
            result = apply_patch(before.text, SpecPatch(changes=tuple(changes)), path.name, by_person=by_person)
            if not result.changed:
                return SpecChange("", before)
            with self._locked():
                if read_spec_text(path) == before.text:
                    with self._told():
                        self._remember(before.text, result.text, by="agent")
                    self._write(result.text)
                    return SpecChange(result.diff, self.load())
        raise ToolError(
            f"{path.name} changes while it is being edited.", "Save it in your editor and try again.", retryable=True
        )

    def replace(self, text: str, expected: str) -> SpecChange:
        """Write a whole text that a person edited, if the file still is the one it was made from.

        A byte order mark of the file stays; `undo` never takes such an edit back.

        Args:
            text: the new text, which may accept the licence: a person wrote it.
            expected: the text the edit was made on, as `load` gave it; empty to make the file.

        Raises:
            SpecError: the text is no valid spec; all defects are listed. The file is left as it is.
            SpecMoved: the file is another one by now. The file is left as it is.
            ToolError: it cannot be written; the old content is kept.
        """
        from specs.edit import diff_text
        from specs.load import parse_spec

        path = self._layout.spec_path
        parse_spec(text, path.name)
        with self._locked():
            exists = os.path.lexists(path)
            current = read_spec_text(path) if exists else ""
            if current != expected:
                raise SpecMoved(path.name, current)
            if current == text:
                return SpecChange("", self.load())
            if exists:
                with self._told():
                    self._remember(current, text, by="person")
            self._write(text)
        return SpecChange(diff_text(current, text, path.name), self.load())

    def undo(self) -> SpecChange:
        """Take the last edit made through `patch` back.

        Raises:
            UsageError: nothing to undo, or the user edited the file since.
        """
        from specs.edit import diff_text

        name = self._layout.spec_path.name
        with self._locked():
            versions = self._versions()
            current = read_spec_text(self._layout.spec_path) if versions else ""
            for number in reversed(versions):
                last = self._version_path(number)
                record = json.loads(last.read_text(encoding="utf-8"))
                if current == record["after"] and record.get("by") != "person":
                    self._write(record["before"])
                    last.unlink()
                    return SpecChange(diff_text(current, record["before"], name), self.load())
                if current != record["before"]:
                    raise UsageError(
                        f"{name} was edited by hand since, so undoing would lose that edit.", "Edit the file instead."
                    )
                # remembered, but never written: the folder was not writable, or the process was killed in between;
                # or the person took their own edit back
                last.unlink()
        raise UsageError("There is no edit to undo.", "Only edits made here can be undone, not edits by hand.")

    def write_schema(self) -> None:
        """Write the JSON Schema that the first line of spec.yaml names, for the user's editor."""
        from specs.schema import schema_text

        self._layout.schema_path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._layout.schema_path, schema_text())

    def _write(self, text: str) -> None:
        path = self._layout.spec_path
        with self._told():
            if not self._layout.schema_path.exists():
                self.write_schema()
            # a link stays a link: the file it leads to is the one that is edited
            target = path.resolve() if path.is_symlink() else path
            write_text(target, (_BOM if _has_mark(target) else "") + text, mode=0o644)

    @contextmanager
    def _locked(self) -> Generator[None, None, None]:
        """Let one process at a time compare the file and write it."""
        descriptor = _open_lock(self._layout.state_dir)
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    @contextmanager
    def _told(self) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            raise ToolError(
                f"{self._layout.spec_path} cannot be written: {error.strerror}. The old content is kept.",
                "Check the folder's permissions and the free disk space.",
            ) from error

    def _versions(self) -> list[int]:
        return sorted(int(path.stem) for path in self._history_dir.glob("*.json") if path.stem.isdigit())

    def _version_path(self, number: int) -> Path:
        return self._history_dir / f"{number:06d}.json"

    def _remember(self, before: str, after: str, *, by: str) -> None:
        self._history_dir.mkdir(parents=True, exist_ok=True)
        versions = self._versions()
        number = versions[-1] + 1 if versions else 1
        if by == "person" and (earlier := self._begun_by_person(versions, before)) is not None:
            # one record for a row of saves while somebody types, so that they do not push older edits out
            number, before = versions[-1], earlier
        record = json.dumps({"before": before, "after": after, "by": by})
        write_text(self._version_path(number), record)
        for old in versions[: -_KEPT_VERSIONS + 1]:
            self._version_path(old).unlink(missing_ok=True)

    def _begun_by_person(self, versions: Sequence[int], now: str) -> str | None:
        """Return what the file was before the edits of the person that end in `now`, None when there are none."""
        if not versions:
            return None
        record = json.loads(self._version_path(versions[-1]).read_text(encoding="utf-8"))
        is_same_row = record.get("by") == "person" and record.get("after") == now
        return str(record["before"]) if is_same_row else None


def _has_mark(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(3) == _BOM.encode()
    except FileNotFoundError:
        return False


def _open_lock(folder: Path) -> int | None:
    """Return a held lock, None on a disk that knows none: comparing before each write must do there."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder / "spec.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def starter_text() -> str:
    """Return the text of a valid spec to fill in, for a user who writes it without the interview."""
    from specs.edit import new_spec_text

    return new_spec_text(_with_defaults(STARTER))


def _with_defaults(fields: JsonDict) -> JsonDict:
    return {
        "version": 1,
        "train": [{"method": "sft"}],
        "evaluation": {"checks": [{"name": "accuracy", "scorer": "exact_match", "threshold": 0.8}]},
        "model": {"base": "seedling"},
    } | fields
