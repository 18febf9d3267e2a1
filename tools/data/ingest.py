"""Reads all rows of one source by its columns: every row is used, or refused by line with its reason."""

from pathlib import Path

from specs.data import Columns
from tools.data.formats import read_records
from tools.data.records import Record, RefusedRow, SourceRow, SourceRows
from tools.data.rows import BadRow, default_columns, needed_names, to_row
from tools.data.source_file import SourceFile, nearest, open_source
from tools.errors import DataError
from tools.escape import one_line

MAX_REFUSED_SHARE = 0.2
_FEW_REFUSED = 5
_LISTED_NAMES = 20
_COUNTED_NAMES = 1000


def read_source(path: Path, columns: Columns | None, display_name: str) -> SourceRows:
    """Return the rows of a file, those refused, and the hash of its bytes.

    Raises:
        DataError: the file cannot be used as a whole, a column is missing, no row is left, or more than
            `MAX_REFUSED_SHARE` of the rows (and more than a handful) were refused.
    """
    source = open_source(path, display_name)
    if columns is not None and columns.text is not None:
        raise source.error(
            "plain text columns are for continued pre-training, which is not supported yet",
            "Name prompt and completion, or messages.",
        )
    reader = _Reader(source, columns)
    for record in read_records(source):
        if isinstance(record, RefusedRow):
            reader.refused.append(record)
        else:
            reader.add(record)
    reader.check()
    return SourceRows(rows=reader.rows, refused=reader.refused, notices=tuple(source.notices), sha256=source.sha256)


class _Reader:
    """Rows and refusals of one file while it is read."""

    def __init__(self, source: SourceFile, columns: Columns | None) -> None:
        self.rows: list[SourceRow] = []
        self.refused: list[RefusedRow] = []
        self._source = source
        self._columns = columns
        self._names: dict[str, None] = {}
        self._num_records = 0

    def add(self, record: Record) -> None:
        """Use or refuse one record."""
        self._num_records += 1
        if len(self._names) < _COUNTED_NAMES:
            self._names.update(dict.fromkeys(record.fields))
        if self._columns is None:
            self._columns = default_columns(record.fields)
            if self._columns is None:
                raise self._unnamed()
        try:
            self.rows.append(to_row(record, self._columns))
        except BadRow as error:
            self.refused.append(RefusedRow(record.line, str(error)))

    def check(self) -> None:
        """Refuse the file when it has no rows, lacks a column, or too many of its rows were refused."""
        if not self._num_records and not self.refused:
            raise self._source.error("there are no rows after the header", "Put rows into it, or name another file.")
        if self._columns is not None and 0 < len(self._names) < _COUNTED_NAMES:
            for name in needed_names(self._columns):
                if name not in self._names:
                    raise self._missing(name)
        num_refused, total = len(self.refused), len(self.refused) + len(self.rows)
        too_many = num_refused > max(_FEW_REFUSED, MAX_REFUSED_SHARE * total)
        if too_many or not self.rows:
            first = self.refused[0]
            raise self._source.error(
                f"{num_refused:,} of {total:,} rows cannot be used; the first is line {first.line}: {first.reason}",
                "Correct the file, or check that the columns named in the spec are the right ones.",
            )

    def _missing(self, name: str) -> DataError:
        near = nearest(name, self._names)
        guess = f"Did you mean {one_line(near, 60)!r}? " if near is not None else ""
        return self._source.error(
            f"there is no column {one_line(name, 60)!r}; the columns are {self._listed()}",
            f"{guess}Correct data.sources[].columns in the spec.",
        )

    def _unnamed(self) -> DataError:
        return self._source.error(
            f"the columns are {self._listed()}, and the spec does not say which is the prompt and which the answer",
            "Name them, as in columns: {prompt: question, completion: answer}.",
        )

    def _listed(self) -> str:
        names = [one_line(name, 60) for name in self._names]
        more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
        return (", ".join(names[:_LISTED_NAMES]) or "none") + more
