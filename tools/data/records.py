"""The small types that pass between the readers: records, rows, and rows refused with their reason.

Plain tuples, because a million of them must fit in memory. Reading files and building datasets live elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Format: TypeAlias = Literal["jsonl", "json", "csv", "tsv", "parquet"]
Turn: TypeAlias = tuple[str, str]
"""Role and content of a chat message."""


class RefusedRow(NamedTuple):
    """A row that was not used. `line` is where it starts, from 1; the row number in Parquet."""

    line: int
    reason: str


class Record(NamedTuple):
    """One record of a source as it stands there, before columns are given a meaning."""

    line: int
    fields: dict[str, object]


class SourceRow(NamedTuple):
    """One usable row: the turns before the answer, and the answer of the assistant."""

    line: int
    prompt: tuple[Turn, ...]
    completion: str


@dataclass(frozen=True)
class SourceRows:
    """All rows of one source."""

    rows: Sequence[SourceRow]
    refused: Sequence[RefusedRow]
    notices: Sequence[str]
    """Sentences about what was done to the file on the way, as a stripped byte order mark."""
    sha256: str
    """Of the file's bytes, as hex."""
