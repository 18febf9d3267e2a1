"""Rows of a large table, and one of them whole. Every text is escaped before it gets here."""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Tone: TypeAlias = Literal["plain", "good", "bad", "quiet"]


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    title: str
    share: int
    """Part of the room that is left after the fixed columns; 0 = fixed."""
    width: int
    """Cells of a fixed column, the least cells of another."""


@dataclass(frozen=True)
class RowCells:
    """A row in one line, a text a column."""

    cells: tuple[str, ...]
    tone: Tone = "plain"
    """How the last cell is coloured; its words say the same."""


@dataclass(frozen=True)
class RowsFound:
    """Some rows of a choice, and how many the choice has in all."""

    rows: tuple[RowCells, ...]
    total: int
    counts: tuple[tuple[str, str, int], ...]
    """Name, title and number of rows of each choice."""


@dataclass(frozen=True)
class RowWhole:
    """One row with all its text."""

    title: str
    parts: tuple[tuple[str, str], ...]
    """Label and text, one below the other."""


class RowSource(Protocol):
    """Where rows come from. Called in a thread, one call at a time; raises TailorError."""

    def page(self, choice: str, contains: str, offset: int, limit: int) -> RowsFound:
        """Return rows of a choice that hold a text."""
        ...

    def whole(self, choice: str, contains: str, index: int) -> RowWhole:
        """Return one of the rows `page` counts, from 0."""
        ...
