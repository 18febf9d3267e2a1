"""Looks at a data file and says what it probably is: columns, labels, and which column is prompt and which answer.

For the interview: what is plain needs no question, what is not comes with the alternatives. Samples are escaped here,
because rows are text of strangers.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, cast

from specs.base import StrictModel
from tools.data.formats import read_records
from tools.data.labels import are_labels
from tools.data.records import Format, RefusedRow
from tools.data.source_file import open_source, resolve_path
from tools.data.suggest import Suggestion, TaskHint, suggest
from tools.escape import one_line

ColumnKind: TypeAlias = Literal["text", "number", "true_false", "messages", "list", "object", "empty", "mixed"]
MAX_COLUMNS = 200
MAX_LABELS = 200
MAX_REFUSED = 20
_NUM_SAMPLES = 3
_MAX_KEPT_ROWS = 64
_SAMPLE_CHARACTERS = 100
_ROW_CHARACTERS = 300
# beyond so many distinct values a column is not one of labels, and only their hashes are kept
_COUNTED_VALUES = 20_000


class ColumnProfile(StrictModel):
    """One column of a data file."""

    name: str
    """As it stands in the file, for use in the spec; escape it before showing it."""
    kind: ColumnKind
    num_distinct: int
    num_empty: int
    """Rows where the column is missing, null or white space."""
    mean_characters: float
    max_characters: int
    is_label: bool
    """Whether its values are short and repeat as labels do."""
    samples: tuple[str, ...]
    """The first distinct values, cut and escaped."""


class LabelCount(StrictModel):
    """A label and its rows."""

    label: str
    num_rows: int


class RefusedSample(StrictModel):
    """A row that could not be read."""

    line: int
    reason: str


class FileProfile(StrictModel):
    """What a data file holds."""

    path: str
    format: Format
    size_bytes: int
    sha256: str
    num_rows: int
    num_refused: int
    refused: tuple[RefusedSample, ...]
    """The first rows that could not be read."""
    columns: tuple[ColumnProfile, ...]
    rows: tuple[dict[str, str], ...]
    """A few rows from all over the file, of different answers where answers repeat; text cut and escaped."""
    suggestion: Suggestion | None
    """The most likely meaning of the columns, None when there is no text to learn from."""
    alternatives: tuple[Suggestion, ...]
    task_hint: TaskHint | None
    num_labels: int | None
    """Distinct answers when the task looks like classification, else None."""
    labels: tuple[LabelCount, ...]
    """The most frequent labels, at most `MAX_LABELS`."""
    notices: tuple[str, ...]


def inspect_file(path: Path | str, root: Path) -> FileProfile:
    """Return the profile of a data file; relative paths start at `root`.

    Raises:
        DataError: the file as a whole cannot be read.
    """
    name = str(path)
    source = open_source(resolve_path(name, root), name)
    columns: dict[str, _Column] = {}
    refused: list[RefusedRow] = []
    sampler = _Sampler()
    num_rows = 0
    for record in read_records(source):
        if isinstance(record, RefusedRow):
            refused.append(record)
            continue
        num_rows += 1
        sampler.add(record.fields)
        for name, value in record.fields.items():
            column = columns.get(name)
            if column is None and len(columns) < MAX_COLUMNS:
                column = columns[name] = _Column(name)
            if column is not None:
                column.add(value)
    if not num_rows:
        first = f"; the first is line {refused[0].line}: {refused[0].reason}" if refused else ""
        raise source.error(f"there is no usable row{first}", "Put rows into it, or name another file.")
    profiles = tuple(column.profile(num_rows) for column in columns.values())
    suggestion, alternatives = suggest(profiles)
    task, counts = _task(suggestion, columns)
    source.notices += _doubtful_head(source.name, source.format, suggestion, counts)
    return FileProfile(
        path=source.name,
        format=source.format,
        size_bytes=source.size_bytes,
        sha256=source.sha256,
        num_rows=num_rows,
        num_refused=len(refused),
        refused=tuple(RefusedSample(line=row.line, reason=row.reason) for row in refused[:MAX_REFUSED]),
        columns=profiles,
        rows=sampler.pick(suggestion.columns.completion if suggestion else None),
        suggestion=suggestion,
        alternatives=alternatives,
        task_hint=task,
        num_labels=len(counts) or None,
        labels=tuple(
            LabelCount(label=one_line(label), num_rows=number) for label, number in counts.most_common(MAX_LABELS)
        ),
        notices=tuple(source.notices),
    )


class _Sampler:
    """Keeps some rows spread evenly over a file of any length."""

    def __init__(self) -> None:
        self._kept: list[dict[str, str]] = []
        self._seen = 0
        self._stride = 1

    def add(self, fields: Mapping[str, object]) -> None:
        """Look at the next row."""
        if self._seen % self._stride == 0:
            self._kept.append(_shown(fields))
        self._seen += 1
        if len(self._kept) > _MAX_KEPT_ROWS:
            self._kept = self._kept[::2]
            self._stride *= 2

    def pick(self, answer: str | None) -> tuple[dict[str, str], ...]:
        """Return a few rows in file order, first those whose value of the column `answer` is new."""
        key = one_line(answer) if answer is not None else ""
        fresh: dict[str, int] = {}
        for number, row in enumerate(self._kept):
            fresh.setdefault(row.get(key, ""), number)
        spread = [*fresh.values()]
        spread = spread[:: max(1, len(spread) // _NUM_SAMPLES)]
        others = [number for number in range(len(self._kept)) if number not in spread]
        return tuple(self._kept[number] for number in sorted([*spread, *others][:_NUM_SAMPLES]))


def _shown(fields: Mapping[str, object]) -> dict[str, str]:
    pairs = list(fields.items())[:MAX_COLUMNS]
    return {one_line(name): one_line(_kind_and_text(value)[1], _ROW_CHARACTERS) for name, value in pairs}


def _doubtful_head(name: str, kind: Format, suggestion: Suggestion | None, counts: Counter[str]) -> list[str]:
    """Return a notice where a file of columns seems to lack its line of names: the name is one of the answers, too."""
    answer = suggestion.columns.completion if suggestion is not None else None
    if kind not in ("csv", "tsv") or answer is None or answer not in counts:
        return []
    return [
        f"{name}: the first line was read as column names, but {one_line(answer, 60)!r} is one of the answers, too. "
        "If that line is a row, put a line with column names above it."
    ]


def _task(suggestion: Suggestion | None, columns: dict[str, "_Column"]) -> tuple[TaskHint | None, Counter[str]]:
    if suggestion is None:
        return None, Counter()
    answer = suggestion.columns.completion
    if suggestion.task == "generation" and answer is not None and columns[answer].is_label:
        return "classification", columns[answer].counts
    return suggestion.task, Counter()


class _Column:
    """Statistics of one column while the file is read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self._hashes: set[int] = set()
        self._kinds: Counter[ColumnKind] = Counter()
        self._num_filled = 0
        self._num_characters = 0
        self._max_characters = 0
        self._samples: dict[str, None] = {}

    def add(self, value: object) -> None:
        """Count one value."""
        kind, text = _kind_and_text(value)
        if kind == "empty":
            return
        self._kinds[kind] += 1
        self._num_filled += 1
        self._num_characters += len(text)
        self._max_characters = max(self._max_characters, len(text))
        self._hashes.add(hash(text))
        if len(self.counts) <= _COUNTED_VALUES:
            self.counts[text] += 1
        if len(self._samples) < _NUM_SAMPLES:
            self._samples[one_line(text, _SAMPLE_CHARACTERS)] = None

    @property
    def is_label(self) -> bool:
        """Whether the values are labels."""
        return len(self.counts) <= _COUNTED_VALUES and self._kind in {"text", "number"} and are_labels(self.counts)

    def profile(self, num_rows: int) -> ColumnProfile:
        """Return what was counted over `num_rows` rows."""
        return ColumnProfile(
            name=self.name,
            kind=self._kind,
            num_distinct=len(self._hashes),
            num_empty=num_rows - self._num_filled,
            mean_characters=round(self._num_characters / self._num_filled, 1) if self._num_filled else 0.0,
            max_characters=self._max_characters,
            is_label=self.is_label,
            samples=tuple(self._samples),
        )

    @property
    def _kind(self) -> ColumnKind:
        if not self._kinds:
            return "empty"
        return next(iter(self._kinds)) if len(self._kinds) == 1 else "mixed"


def _kind_and_text(value: object) -> tuple[ColumnKind, str]:
    match value:
        case None:
            return "empty", ""
        case bool():
            return "true_false", str(value).lower()
        case int() | float():
            return "number", str(value)
        case str():
            return _kind_of_text(value), value
        case list():
            items = cast("list[object]", value)
            return ("messages", _first_content(items)) if _are_messages(items) else ("list", f"{len(items)} items")
        case dict():
            return "object", ", ".join(cast("dict[str, object]", value))
        case _:
            return "object", type(value).__name__


def _kind_of_text(text: str) -> ColumnKind:
    return "text" if text.strip() else "empty"


def _are_messages(items: list[object]) -> bool:
    return bool(items) and all(isinstance(item, dict) and {"role", "content"} <= item.keys() for item in items)


def _first_content(items: list[object]) -> str:
    return " / ".join(str(cast("dict[str, object]", item).get("content", "")) for item in items[:2])
