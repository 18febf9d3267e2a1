"""Three versions of a text, line by line: what both sides changed, and where they cannot both have their way.

Nothing is ever dropped: a line that one side added is in the result or in an overlap that somebody must decide.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Choice: TypeAlias = Literal["mine", "theirs", "both"]
Lines: TypeAlias = tuple[str, ...]
Range: TypeAlias = tuple[int, int]
_INDENT = re.compile(r"^(\s*)")


@dataclass(frozen=True)
class Hunk:
    """Lines `first` to `last` (exclusive) of the old text, replaced by lines `start` to `stop` of the new one."""

    first: int
    last: int
    start: int
    stop: int


@dataclass(frozen=True)
class Overlap:
    """A place both sides changed, each in its own way."""

    base: Range
    """Its lines in the base."""
    place: Range
    """Its lines in mine, the end exclusive."""
    mine: Lines
    theirs: Lines


@dataclass(frozen=True)
class Merge:
    """The outcome: pieces of settled lines, and overlaps between them."""

    parts: tuple[Lines | Overlap, ...]

    @property
    def overlaps(self) -> tuple[Overlap, ...]:
        """Return what must be decided, in the order of the text; empty when everything could be merged."""
        return tuple(part for part in self.parts if isinstance(part, Overlap))

    def lines(self, choice: Choice = "theirs") -> Lines:
        """Return the merged text, every overlap decided by `choice`."""
        return tuple(
            line for part in self.parts for line in (chosen_lines(part, choice) if isinstance(part, Overlap) else part)
        )


def hunks(old: Sequence[str], new: Sequence[str]) -> tuple[Hunk, ...]:
    """Return what changed between two texts, in order; hunks never touch each other."""
    start = _common(old, new)
    end = _common(list(reversed(old[start:])), list(reversed(new[start:])))
    matcher = difflib.SequenceMatcher(None, old[start : len(old) - end], new[start : len(new) - end], autojunk=False)
    return tuple(
        Hunk(first + start, last + start, begin + start, stop + start)
        for tag, first, last, begin, stop in matcher.get_opcodes()
        if tag != "equal"
    )


def merge(base: Sequence[str], mine: Sequence[str], theirs: Sequence[str], held: Iterable[Range] = ()) -> Merge:
    """Return both sides' changes of `base` in one text.

    Changes next to each other are merged; an insertion at the edge of the other side's change keeps its place.

    Args:
        base: the text both sides began with.
        mine: one side.
        theirs: the other side.
        held: lines of `base` that the other side must not change without being asked.
    """
    parts: list[Lines | Overlap] = []
    done = shift = 0
    for group in _groups(hunks(base, mine), hunks(base, theirs), held):
        parts.append(tuple(base[done : group.first]))
        ours = _applied(base, mine, group, group.mine)
        others = _applied(base, theirs, group, group.theirs)
        change = len(ours) - (group.last - group.first)
        if not group.theirs or ours == others:
            parts.append(ours)
        elif not group.mine and not group.is_held:
            parts.append(others)
        else:
            place = (group.first + shift, group.first + shift + len(ours))
            parts.append(Overlap((group.first, group.last), place, ours, others))
        shift += change
        done = group.last
    parts.append(tuple(base[done:]))
    return Merge(tuple(part for part in parts if part))


def settle(base: Sequence[str], mine: Sequence[str], overlap: Overlap, choice: Choice) -> tuple[Lines, Lines]:
    """Return base and mine with one overlap decided, so that merging them again no longer finds it."""
    first, last = overlap.base
    begin, end = overlap.place
    return (
        (*base[:first], *overlap.theirs, *base[last:]),
        (*mine[:begin], *chosen_lines(overlap, choice), *mine[end:]),
    )


def chosen_lines(overlap: Overlap, choice: Choice) -> Lines:
    """Return the lines of a decision; with `both`, theirs follow as comments."""
    if choice == "mine":
        return overlap.mine
    if choice == "theirs":
        return overlap.theirs
    return (*overlap.mine, *(_INDENT.sub(r"\1# ", line, count=1) for line in overlap.theirs))


def base_range(base: Sequence[str], mine: Sequence[str], line: int) -> Range | None:
    """Return the line of `base` that line `line` of mine still is; None when it was changed or is new."""
    shift = 0
    for hunk in hunks(base, mine):
        if line < hunk.start:
            break
        if line < hunk.stop:
            return None
        shift = hunk.last - hunk.stop
    return (line + shift, line + shift + 1)


def moved_line(old: Sequence[str], new: Sequence[str], line: int) -> int:
    """Return where line `line` of the old text is in the new one; of a removed line, the line in its place."""
    shift = 0
    for hunk in hunks(old, new):
        if line < hunk.first:
            break
        if line < hunk.last:
            return min(hunk.start + line - hunk.first, max(hunk.stop - 1, hunk.start))
        shift = hunk.stop - hunk.last
    return line + shift


@dataclass
class _Group:
    first: int
    last: int
    mine: list[Hunk]
    theirs: list[Hunk]
    is_held: bool

    def meets(self, first: int, last: int) -> bool:
        """Whether lines are changed twice. At the edge of a change, an insertion of the other side has room."""
        if self.first == self.last == first == last:
            return True
        return max(self.first, first) < min(self.last, last) or (
            self.first < first == last < self.last or first < self.first == self.last < last
        )


def _groups(mine: Sequence[Hunk], theirs: Sequence[Hunk], held: Iterable[Range]) -> list[_Group]:
    """Return the changes in order, those that meet put together; a held line counts where the other side changes it."""
    singles = [_Group(hunk.first, hunk.last, [hunk], [], is_held=False) for hunk in mine]
    singles += [_Group(hunk.first, hunk.last, [], [hunk], is_held=False) for hunk in theirs]
    singles += [_Group(first, last, [], [], is_held=True) for first, last in held]
    groups: list[_Group] = []
    for single in sorted(singles, key=lambda group: (group.first, group.last)):
        if groups and groups[-1].meets(single.first, single.last):
            group = groups[-1]
            group.last = max(group.last, single.last)
            group.mine += single.mine
            group.theirs += single.theirs
            group.is_held = group.is_held or single.is_held
        else:
            groups.append(single)
    return [group for group in groups if group.mine or group.theirs]


def _applied(base: Sequence[str], side: Sequence[str], group: _Group, changes: Iterable[Hunk]) -> Lines:
    lines: list[str] = []
    done = group.first
    for hunk in changes:
        lines += [*base[done : hunk.first], *side[hunk.start : hunk.stop]]
        done = hunk.last
    return (*lines, *base[done : group.last])


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many lines both begin with; most edits are small, and comparing the rest is what costs."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
