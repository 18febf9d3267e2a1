"""Records of CSV and TSV files: header required, every row with as many fields, quotes closed.

Rows keep the line they start on, so that a reason can name it. What a column means is decided elsewhere.
"""

import csv
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator

from tools.data.records import Record, RefusedRow
from tools.data.source_file import SourceFile
from tools.escape import one_line

# one field larger than this is a quote that was never closed far more often than it is text; JSONL takes longer texts
MAX_FIELD_CHARACTERS = 131_072
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class _Feed:
    """Hands lines to the csv module and remembers what the current record consumed."""

    def __init__(self, lines: Iterable[tuple[int, str]]) -> None:
        self._lines = iter(lines)
        self.line = 0
        self.has_nul = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.line, text = next(self._lines)
        self.has_nul = self.has_nul or "\0" in text
        return text

    def push_back(self, line: int, text: str) -> None:
        """Put a line in front of those still to come."""
        rest = self._lines

        def again() -> Iterator[tuple[int, str]]:
            yield line, text
            yield from rest

        self._lines = again()
        self.line = line - 1


def csv_records(source: SourceFile) -> Iterator[Record | RefusedRow]:
    """Yield each row as a record or as a refused row.

    Raises:
        DataError: no header, or one with empty or repeated names; no rows are the caller's concern.
    """
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    feed = _Feed(source.lines())
    rows = _rows(feed, _delimiter(source, feed))
    names: list[str] | None = None
    num_blank = 0
    for start, end, row in rows:
        if isinstance(row, list) and not row:
            num_blank += 1
        elif names is None:
            names = _header(source, start, row)
        elif isinstance(row, str):
            yield from (RefusedRow(line, row) for line in range(start, end + 1))
        elif len(row) != len(names):
            yield RefusedRow(start, f"{_fields(len(row))} where the header has {len(names)}")
        else:
            yield Record(start, dict(zip(names, row, strict=True)))
    if names is None:
        raise source.error("there is no header line", "Write the column names on the first line.")
    source.note_blank_lines(num_blank)


def _rows(feed: _Feed, delimiter: str) -> Iterator[tuple[int, int, list[str] | str]]:
    """Yield first line, last line, and the fields or the reason why there are none."""
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        start = feed.line + 1
        feed.has_nul = False
        try:
            row: list[str] | str = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row = _broken(str(error), start, feed.line)
        yield start, feed.line, "a NUL character" if feed.has_nul else row


def _broken(problem: str, start: int, end: int) -> str:
    span = f"the row on lines {start} to {end}" if end > start else "the row"
    if "field larger" in problem:
        if end > start:
            return f"{span} opens a quote that is not closed within {MAX_FIELD_CHARACTERS:,} characters"
        return f"a field is longer than {MAX_FIELD_CHARACTERS:,} characters; use JSONL for longer texts"
    if "new-line character" in problem:
        return "a carriage return stands inside an unquoted field"
    if "unexpected end" in problem:
        return f"{span} opens a quote that is never closed"
    return f"{span} has text after a closing quote, so its quotes do not match"


def _delimiter(source: SourceFile, feed: _Feed) -> str:
    wanted = "\t" if source.format == "tsv" else ","
    first = next(feed, "")
    if "\r" in first.rstrip("\r\n"):
        raise source.error(
            "the lines end in carriage returns alone",
            f"Convert them: tr '\\r' '\\n' < {shlex.quote(source.name)} > new{source.path.suffix}",
        )
    counts = {delimiter: first.count(delimiter) for delimiter in _DELIMITERS}
    feed.push_back(1, first)
    found = max(counts, key=lambda delimiter: counts[delimiter])
    if counts[wanted] or not counts[found]:
        return wanted
    source.notices.append(
        f"{source.name}: the header has no {_DELIMITERS[wanted]}, read as separated by {_DELIMITERS[found]}."
    )
    return found


def _header(source: SourceFile, line: int, row: list[str] | str) -> list[str]:
    if isinstance(row, str):
        raise source.error(f"line {line}: the header cannot be read: {row}", "Correct the first line.")
    names = [name.strip() for name in row]
    if names != row:
        source.notices.append(f"{source.name}: white space around column names was left out.")
    if "" in names:
        raise source.error(
            f"line {line}: column {names.index('') + 1} of the header has no name",
            "Name every column on the first line.",
        )
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise source.error(
            f"line {line}: the column name {one_line(repeated[0], 60)!r} stands twice",
            "Give every column its own name.",
        )
    return names


def _fields(number: int) -> str:
    return "1 field" if number == 1 else f"{number} fields"
