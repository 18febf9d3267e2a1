"""The spec as it is being edited: text on disk, text in the editor, who changed what, what is wrong with it.

Values and decisions alone: no widget and no file is touched here. Texts are those of the editor, with `\\n` between
lines; `editor_text` and `file_text` lead from the file's own line ends to them and back.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from agent.tui.spec_merge import Choice, Overlap, Range, base_range, hunks, merge, settle
from tools.escape import one_line

SpecState: TypeAlias = Literal["none", "saved", "unsaved", "invalid", "conflict"]
Author: TypeAlias = Literal["agent", "you"]

# every character that a line editor would break a line at, other than the two usual line ends
_BREAKS = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_STAND_INS = "".join(chr(0x10FF00 + index) for index in range(len(_BREAKS)))
_TO_EDITOR = str.maketrans(_BREAKS, _STAND_INS)
_TO_FILE = str.maketrans(_STAND_INS, _BREAKS)
_LINE_END = re.compile(r"\r\n|\n")


@dataclass(frozen=True)
class LineProblem:
    """One defect of the text; `line` counts from 1, None where it has no place."""

    line: int | None
    text: str
    hint: str = ""

    @property
    def sentence(self) -> str:
        """Return it as `line 12: reason`."""
        return f"line {self.line}: {self.text}" if self.line is not None else self.text


@dataclass(frozen=True)
class Seen:
    """What each side knew of the spec when it last looked."""

    agent: str
    you: str


@dataclass(frozen=True)
class DiskText:
    """The file as it was read."""

    raw: str | None
    """Its text, line ends as they are; None when there is no file or it cannot be read."""
    problem: str = ""
    """Why it cannot be read, as a sentence."""
    stamp: tuple[int, ...] | None = None
    """Changes when the file does; None when there is no file."""


def check_text(text: str, name: str) -> tuple[LineProblem, ...]:
    """Return what is wrong with the text of a spec, in the order of its lines; empty when it is valid."""
    from specs.errors import SpecError
    from specs.load import parse_spec

    try:
        parse_spec(file_characters(text), name)
    except SpecError as error:
        return tuple(
            LineProblem(
                problem.line,
                one_line(f"{problem.field}: {problem.message}" if problem.field else problem.message, 400),
                one_line(problem.hint, 400),
            )
            for problem in error.problems
        )
    return ()


def editor_text(raw: str) -> str:
    """Return the text of a file for an editor: one line end, and stand-ins for odd characters that break lines."""
    return raw.replace("\r\n", "\n").translate(_TO_EDITOR)


def file_text(text: str, raw: str) -> str:
    """Return an edited text for the file: each line kept from `raw` has its own end, a new one the usual end."""
    lines = text.split("\n")
    ends = _LINE_END.findall(raw)
    usual = Counter(ends).most_common(1)[0][0] if ends else "\n"
    kept = [usual] * (len(lines) - 1)
    if len(set(ends)) > 1:
        old = editor_text(raw).split("\n")
        done = shift = 0
        for hunk in (*hunks(old, lines), None):
            stop = hunk.start if hunk else len(lines)
            for line in range(done, min(stop, len(kept))):
                kept[line] = ends[line - shift] if line - shift < len(ends) else usual
            if hunk:
                done, shift = hunk.stop, hunk.stop - hunk.last
    joined = "".join(line + end for line, end in zip(lines, [*kept, ""], strict=True))
    return file_characters(joined)


def file_characters(text: str) -> str:
    """Return a piece of an editor text with the characters the file has for its stand-ins."""
    return text.translate(_TO_FILE)


def can_keep(raw: str) -> bool:
    """Whether the editor can hold this text and give it back unchanged."""
    return file_text(editor_text(raw), raw) == raw


def changed_lines(old: str, new: str) -> frozenset[int]:
    """Return the lines of `new`, counted from 0, that are not in `old`."""
    return frozenset(line for hunk in hunks(old.split("\n"), new.split("\n")) for line in range(hunk.start, hunk.stop))


def num_changes(old: str, new: str) -> int:
    """Return in how many places two texts differ."""
    return len(hunks(old.split("\n"), new.split("\n")))


def carry(before: str, kept: str, after: str) -> str:
    """Return `kept` with the change from `before` to `after` made in it."""
    return "\n".join(merge(before.split("\n"), kept.split("\n"), after.split("\n")).lines("theirs"))


def indent_after(line: str) -> str:
    """Return the spaces a new line begins with after `line`: those of the line itself, deeper below a section."""
    indent = line[: len(line) - len(line.lstrip(" "))]
    bare = line.split(" #", 1)[0].rstrip()
    if bare.endswith(":") and not bare.lstrip().startswith("#"):
        return indent + "  "
    return indent


@dataclass
class SpecBuffer:
    """One spec in an editor. The editor holds the text; every method that needs it is given it."""

    name: str
    base: str = ""
    """What the editor's text was made from: the file as it was last taken over, as an editor text."""
    raw: str = ""
    """The same as it is on disk."""
    is_on_disk: bool = False
    is_begun: bool = False
    """Whether there is a text to edit, be it on disk or not."""
    obstacle: str = ""
    """Why the file cannot be read or the text not be saved, as a sentence; empty when all is well."""
    pending: DiskText | None = None
    """The file's new content while a conflict waits for a decision."""
    held: tuple[Range, ...] = ()
    """Lines of `base` that were being typed in when the file changed them."""
    problems: tuple[LineProblem, ...] = ()
    checked: str | None = None
    """The text `problems` are about; None before the first check."""
    seen: Seen | None = None
    _before_change: tuple[Seen, str] | None = field(default=None, repr=False)

    def found(self, disk: DiskText, mine: str, line: int | None = None, *, by: Author = "you") -> str | None:
        """Take over what is on disk now; return the editor's new text, None when it stays as it is.

        Args:
            disk: the file.
            mine: the text in the editor.
            line: line the person is typing in, None when they are not.
            by: who changed the file.
        """
        self.obstacle = disk.problem
        if disk.raw is None:
            self.is_on_disk = False
            if self.pending is not None:
                self.pending, self.held = None, ()
            return None
        theirs = editor_text(disk.raw)
        if not can_keep(disk.raw):
            self.obstacle = f"{self.name} holds characters that this editor cannot keep. Use your own editor (Ctrl+G)."
        self.is_on_disk = True
        if not self.is_begun:
            self._begin(disk.raw, theirs)
            return theirs
        return self._taken(disk, theirs, mine, line, by)

    def begin_new(self, text: str) -> None:
        """Begin with a text that is not on disk and need not be: nobody wrote it."""
        self._begin("", text)

    def resume(self, text: str | None) -> None:
        """Begin with what a draft was made from, as it was on disk; None when that is unknown."""
        self._begin(text or "", editor_text(text or ""))

    @property
    def is_gone(self) -> bool:
        """Whether the file was deleted under the editor."""
        return self.is_begun and not self.is_on_disk and bool(self.raw)

    @property
    def is_read_only(self) -> bool:
        """Whether this file cannot be given back as it is, so that nothing may be typed in it."""
        return self.is_on_disk and not can_keep(self.raw)

    def saved(self, raw: str) -> None:
        """Note that the person's text was written; `raw` is what is on disk now."""
        text = editor_text(raw)
        self._attribute(self.base, text, "you")
        self._before_change = None
        self.base, self.raw, self.is_on_disk, self.obstacle = text, raw, True, ""

    def decide(self, choice: Choice, mine: str) -> str:
        """Settle the first overlap; return the editor's new text. The last decision takes the file's content over."""
        if self.pending is None or self.pending.raw is None:
            return mine
        overlaps = self.overlaps(mine)
        base, lines = self.base.split("\n"), mine.split("\n")
        if overlaps:
            first, last = overlaps[0].base
            grown = len(overlaps[0].theirs) - (last - first)
            base, lines = (list(part) for part in settle(base, lines, overlaps[0], choice))
            self.held = tuple((a + grown, b + grown) for a, b in self.held if a >= last)
            self.base = "\n".join(base)
        text = "\n".join(lines)
        taken = self.found(self.pending, text)
        return text if taken is None else taken

    def overlaps(self, mine: str) -> tuple[Overlap, ...]:
        """Return what must be decided, empty when nothing must."""
        if self.pending is None or self.pending.raw is None:
            return ()
        theirs = editor_text(self.pending.raw)
        return merge(self.base.split("\n"), mine.split("\n"), theirs.split("\n"), self.held).overlaps

    def is_dirty(self, mine: str) -> bool:
        """Whether the editor holds something that is not on disk and was typed by the person."""
        return self.is_begun and mine != self.base

    def state(self, mine: str) -> SpecState:
        """Return how the spec stands."""
        if self.pending is not None:
            return "conflict"
        if not self.is_begun:
            return "invalid" if self.obstacle else "none"
        if not self.is_on_disk and not self.is_gone and not self.is_dirty(mine):
            return "none"
        if self.problems or self.obstacle:
            return "invalid"
        return "saved" if self.is_on_disk and not self.is_dirty(mine) else "unsaved"

    def agent_edited(self, diff: str) -> None:
        """Say that the agent made the edit `diff`, in case the file was looked at before that was known."""
        if self._before_change is None:
            return
        seen, before = self._before_change
        added = {line[1:] for line in diff.splitlines() if line.startswith("+")}
        lines = self.base.split("\n")
        if all(lines[line] in added for line in changed_lines(before, self.base)):
            self.seen, self._before_change = seen, None
            self._attribute(before, self.base, "agent")

    def agent_read(self) -> None:
        """Note that the agent has been told all that is on disk."""
        if self.seen is not None:
            self.seen = Seen(self.base, self.seen.you)

    def looked(self) -> None:
        """Note that the person has looked at all that is on disk."""
        if self.seen is not None:
            self.seen = Seen(self.seen.agent, self.base)

    def num_unread(self, mine: str) -> int:
        """Return how many edits of the person the agent has not read."""
        return num_changes(self.seen.agent, mine) if self.seen is not None and self.is_begun else 0

    def marks(self, mine: str) -> dict[int, Author]:
        """Return who changed which line, counted from 0, since the other side last looked."""
        if self.seen is None:
            return {}
        typed = changed_lines(self.base, mine)
        marks: dict[int, Author] = dict.fromkeys(changed_lines(self.seen.you, mine) - typed, "agent")
        marks.update(dict.fromkeys(changed_lines(self.seen.agent, mine), "you"))
        return marks

    def _begin(self, raw: str, text: str) -> None:
        self.base, self.raw, self.is_begun = text, raw, True
        if self.seen is None:
            self.seen = Seen(text, text)

    def _taken(self, disk: DiskText, theirs: str, mine: str, line: int | None, by: Author) -> str | None:
        if theirs in (self.base, mine):
            self._settled(disk.raw or "", theirs, by)
            return None
        base, lines = self.base.split("\n"), mine.split("\n")
        held = base_range(base, lines, line) if line is not None else None
        ranges = (*self.held, *((held,) if held and held not in self.held else ()))
        merged = merge(base, lines, theirs.split("\n"), ranges)
        if merged.overlaps:
            self.pending, self.held = disk, ranges
            return None
        self._settled(disk.raw or "", theirs, by)
        return "\n".join(merged.lines())

    def _settled(self, raw: str, text: str, by: Author) -> None:
        """Take the file's content as the new base; who wrote what is told by comparing it with the last content."""
        before = editor_text(self.raw)
        if text != before and self.seen is not None:
            self._before_change = (self.seen, before) if by == "you" else None
            self._attribute(before, text, by)
        self.base, self.raw, self.pending, self.held = text, raw, None, ()

    def _attribute(self, before: str, after: str, by: Author) -> None:
        if self.seen is None:
            self.seen = Seen(after, after)
        elif by == "agent":
            self.seen = Seen(carry(before, self.seen.agent, after), self.seen.you)
        else:
            self.seen = Seen(self.seen.agent, carry(before, self.seen.you, after))
