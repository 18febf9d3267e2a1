"""The user's spec.yaml as a shared document: read, made, edited by patch, and every edit of ours taken back.

The file belongs to the user. An edit is made on the text as it stands at that moment, never on a remembered one, and
an undo that would lose an edit of theirs is refused.
"""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from specs.atomic import write_text
from specs.layout import ProjectLayout
from specs.load import LoadedSpec, load_spec, read_spec_text
from tools.errors import ToolError, UsageError
from tools.steps import JsonDict

if TYPE_CHECKING:
    from specs.edit import Change

_KEPT_VERSIONS = 50


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
        if path.exists():
            raise UsageError(f"This project already has a {path.name}.", "Edit it, or remove it to start anew.")
        text = new_spec_text(_with_defaults(fields))
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
            if read_spec_text(path) == before.text:
                with self._told():
                    self._remember(before.text, result.text)
                self._write(result.text)
                return SpecChange(result.diff, self.load())
        raise ToolError(
            f"{path.name} changes while it is being edited.", "Save it in your editor and try again.", retryable=True
        )

    def undo(self) -> SpecChange:
        """Take the last edit made through `patch` back.

        Raises:
            UsageError: nothing to undo, or the user edited the file since.
        """
        from specs.edit import diff_text

        name = self._layout.spec_path.name
        versions = self._versions()
        current = read_spec_text(self._layout.spec_path) if versions else ""
        for number in reversed(versions):
            last = self._history_dir / f"{number:06d}.json"
            record = json.loads(last.read_text(encoding="utf-8"))
            if current == record["after"]:
                self._write(record["before"])
                last.unlink()
                return SpecChange(diff_text(current, record["before"], name), self.load())
            if current != record["before"]:
                raise UsageError(
                    f"{name} was edited by hand since, so undoing would lose that edit.", "Edit the file instead."
                )
            # remembered, but never written: the folder was not writable, or the process was killed in between
            last.unlink()
        raise UsageError("There is no edit to undo.", "Only edits made here can be undone, not edits by hand.")

    def write_schema(self) -> None:
        """Write the JSON Schema that the first line of spec.yaml names, for the user's editor."""
        from specs.schema import schema_text

        self._layout.schema_path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._layout.schema_path, schema_text())

    def _write(self, text: str) -> None:
        with self._told():
            if not self._layout.schema_path.exists():
                self.write_schema()
            write_text(self._layout.spec_path, text, mode=0o644)

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

    def _remember(self, before: str, after: str) -> None:
        self._history_dir.mkdir(exist_ok=True)
        versions = self._versions()
        number = versions[-1] + 1 if versions else 1
        record = json.dumps({"before": before, "after": after})
        write_text(self._history_dir / f"{number:06d}.json", record)
        for old in versions[: -_KEPT_VERSIONS + 1]:
            (self._history_dir / f"{old:06d}.json").unlink(missing_ok=True)


def _with_defaults(fields: JsonDict) -> JsonDict:
    return {
        "version": 1,
        "train": [{"method": "sft"}],
        "evaluation": {"checks": [{"name": "accuracy", "scorer": "exact_match", "threshold": 0.8}]},
        "model": {"base": "seedling"},
    } | fields
