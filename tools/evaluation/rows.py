"""All test rows of an evaluation with the answers to them, page by page from the disk: nothing is drawn or left out.

Texts are whole and as they stand in the files; whoever shows them escapes them. A few rows picked for reading are made
in `side_by_side`.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from specs.base import StrictModel
from specs.layout import ProjectLayout
from specs.run import DatasetRow, Generation
from tools.errors import ToolError, UsageError
from tools.evaluation.records import Answer, drawn_ids, join
from tools.evaluation.report import EvaluationReport, Side
from tools.evaluation.scorers import score_rows
from tools.evaluation.side_by_side import find_check, prompt_text
from tools.ledger import Ledger
from tools.line_index import LineIndex
from tools.status import plan_report

RowFilter: TypeAlias = Literal["all", "worse", "better", "same", "wrong"]
"""Seen from the custom model against the base model; `wrong` are the rows that both have wrong, or, before training,
those that the base model has wrong."""

ROW_FILTERS: tuple[RowFilter, ...] = ("all", "worse", "better", "same", "wrong")
_NEED_TWO_SIDES = frozenset({"worse", "better", "same"})
_CHUNK = 1_000
_ROWS_HINT = "Run the prepare_data step again."
_ANSWERS_HINT = "Measure anew: tailor run --again"
_Record = TypeVar("_Record", bound=BaseModel)


class MeasuredRow(StrictModel):
    """One test row with the answers to it."""

    number: int
    """Place among the measured rows, from 1."""
    id: str
    source: str
    prompt: str
    wanted: str
    base: str
    custom: str | None
    """None before training."""
    base_right: bool
    custom_right: bool | None
    outcome: Literal["worse", "better", "same"] | None
    """What became of the row with the custom model, None before training."""


class RowsPage(StrictModel):
    """Some of the rows that pass a filter."""

    rows: tuple[MeasuredRow, ...]
    total: int
    """Rows that pass the filter and hold the text."""
    counts: dict[str, int]
    """Rows of every filter that can be used here, whatever text they hold."""
    check: str
    """Which check says what is right."""


class MeasuredRows:
    """The rows of one evaluation. Making it reads and scores them all once; a page reads its own rows alone.

    Args:
        report: the evaluation.
        check: name of the check that says what is right; the first when left out.

    Raises:
        UsageError: there is no check of that name.
        ToolError: rows or answers are gone, or belong to another dataset version.
    """

    def __init__(self, report: EvaluationReport, check: str | None = None) -> None:
        self._check = find_check(report, check)
        self._rows = LineIndex(Path(report.test_set.rows_path), _ROWS_HINT)
        self._places, ids = _measured_places(self._rows, report.test_set.num_rows)
        places = {id_: place for place, id_ in enumerate(ids)}
        self._base = _Answers(report.baseline, places)
        self._custom = _Answers(report.custom, places) if report.custom is not None else None
        self._marks = bytearray(self._scored())
        self._found: tuple[tuple[RowFilter, str], array[int]] | None = None

    @property
    def check(self) -> str:
        """Return the name of the check that says what is right."""
        return self._check.name

    def __len__(self) -> int:
        return len(self._places)

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each filter that can be used: without a custom model, `all` and `wrong`."""
        wrong = self._marks.count(_BOTH_WRONG)
        if self._custom is None:
            return {"all": len(self), "wrong": wrong}
        same = wrong + self._marks.count(_BOTH_RIGHT)
        worse, better = self._marks.count(_WORSE), self._marks.count(_BETTER)
        return {"all": len(self), "worse": worse, "better": better, "same": same, "wrong": wrong}

    def page(self, outcome: RowFilter = "all", offset: int = 0, limit: int = 100, contains: str = "") -> RowsPage:
        """Return `limit` rows from `offset` on that pass the filter and hold the text, in the order of the file.

        Upper and lower case are alike in the search, which looks at prompt, wanted answer and answers.

        Raises:
            UsageError: the filter compares with a custom model, and there is none.
            ToolError: rows or answers are gone.
        """
        found = self._passing(outcome, contains)
        first = max(0, offset)
        wanted = found[first : first + max(0, limit)]
        return RowsPage(rows=tuple(self._load(wanted)), total=len(found), counts=self.counts(), check=self.check)

    def every(self, outcome: RowFilter = "all", contains: str = "") -> Iterator[MeasuredRow]:
        """Yield all rows that pass the filter and hold the text. Raises as `page`."""
        return self._load(self._passing(outcome, contains))

    def _passing(self, outcome: RowFilter, contains: str) -> "array[int]":
        if self._custom is None and outcome in _NEED_TWO_SIDES:
            raise UsageError("This is a baseline: there is no second model to compare.", "Train first, then evaluate.")
        if self._found is not None and self._found[0] == (outcome, contains):
            return self._found[1]
        wanted = _MARKS_OF[outcome]
        passing = array("L", (place for place, mark in enumerate(self._marks) if mark in wanted))
        if sought := contains.casefold():
            passing = array("L", (row.number - 1 for row in self._load(passing) if _holds(row, sought)))
        self._found = ((outcome, contains), passing)
        return passing

    def _load(self, places: Sequence[int]) -> Iterator[MeasuredRow]:
        for part in _chunks(places):
            base, custom = self._answers(part)
            answers = zip(part, base, custom or (None,) * len(part), strict=True)
            yield from (_row(place + 1, old, new, self._marks[place]) for place, old, new in answers)

    def _answers(self, places: Sequence[int]) -> tuple[tuple[Answer, ...], tuple[Answer, ...]]:
        """Return the answers of the base and of the custom model, none of the latter where there is none."""
        rows = list(_parsed(DatasetRow, self._rows, [self._places[place] for place in places], _ROWS_HINT))
        base = join(rows, self._base.read(places), self._base.path)
        return base, () if self._custom is None else join(rows, self._custom.read(places), self._custom.path)

    def _scored(self) -> Iterator[int]:
        for part in _chunks(range(len(self._places))):
            base, custom = self._answers(part)
            marks = score_rows(self._check, base)
            yield from map(_mark, marks, score_rows(self._check, custom) if custom else marks)


def compared_rows(
    layout: ProjectLayout,
    plan: str | None = None,
    *,
    outcome: RowFilter = "all",
    offset: int = 0,
    limit: int = 100,
    contains: str = "",
    check: str | None = None,
) -> RowsPage:
    """Return one page of the rows a plan's evaluation measured.

    Args:
        layout: the project.
        plan: hash of a plan, or id of one of its runs; the latest plan when left out.
        outcome: which rows.
        offset: how many of them to skip.
        limit: most rows to return.
        contains: text that a row must hold, in any case of letters.
        check: name of the check that says what is right; the first when left out.

    Raises:
        UsageError: nothing was measured, there is no such plan or check, or the filter needs a custom model.
        ToolError: rows or answers are gone.
    """
    return open_rows(layout, plan, check).page(outcome, offset, limit, contains)


def open_rows(layout: ProjectLayout, plan: str | None = None, check: str | None = None) -> MeasuredRows:
    """Return the rows a plan's evaluation measured, for more than one page. Raises as `compared_rows`."""
    with Ledger(layout.ledger_path) as ledger:
        report = plan_report(layout, ledger, plan)
    return MeasuredRows(report, check)


_BOTH_WRONG, _WORSE, _BETTER, _BOTH_RIGHT = 0, 1, 2, 3
_MARKS_OF: dict[RowFilter, frozenset[int]] = {
    "all": frozenset({_BOTH_WRONG, _WORSE, _BETTER, _BOTH_RIGHT}),
    "worse": frozenset({_WORSE}),
    "better": frozenset({_BETTER}),
    "same": frozenset({_BOTH_WRONG, _BOTH_RIGHT}),
    "wrong": frozenset({_BOTH_WRONG}),
}
_OUTCOMES: dict[int, Literal["worse", "better", "same"]] = {
    _BOTH_WRONG: "same", _WORSE: "worse", _BETTER: "better", _BOTH_RIGHT: "same",
}  # fmt: skip


class _Answers:
    """Where the answers of one side lie, in the order of the measured rows."""

    def __init__(self, side: Side, places: dict[str, int]) -> None:
        self.path = Path(side.generations_path)
        self._index = LineIndex(self.path, _ANSWERS_HINT)
        self._lines = array("q", (-1 for _ in places))
        for line, id_ in enumerate(_ids(self._index, _ANSWERS_HINT)):
            place = places.get(id_)
            if place is None:
                raise ToolError(
                    f"{self.path} holds answers to rows that the test set does not have, the first is {id_[:40]!r}.",
                    "The answers are those of another dataset version. " + _ANSWERS_HINT,
                )
            if self._lines[place] < 0:
                self._lines[place] = line
        if missing := sum(line < 0 for line in self._lines):
            raise ToolError(f"{missing} of {len(places)} test rows have no answer in {self.path}.", _ANSWERS_HINT)

    def read(self, places: Sequence[int]) -> list[Generation]:
        """Return the answers to some rows."""
        return list(_parsed(Generation, self._index, [self._lines[place] for place in places], _ANSWERS_HINT))


def _measured_places(rows: LineIndex, num_rows: int) -> tuple["array[int]", list[str]]:
    """Return the lines of the test file that were measured, and their ids."""
    ids = list(_ids(rows, _ROWS_HINT))
    drawn = drawn_ids(ids, num_rows)
    places = array("L", (place for place, id_ in enumerate(ids) if id_ in drawn))
    return places, [ids[place] for place in places]


def _ids(index: LineIndex, hint: str) -> Iterator[str]:
    for number, line in enumerate(index.read(range(len(index)))):
        try:
            yield str(orjson.loads(line)["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(index, number, hint) from error


def _parsed(model: type[_Record], index: LineIndex, lines: Sequence[int], hint: str) -> Iterator[_Record]:
    for number, line in zip(lines, index.read(lines), strict=True):
        try:
            yield model.model_validate_json(line)
        except ValidationError as error:
            raise _damaged(index, number, hint) from error


def _damaged(index: LineIndex, line: int, hint: str) -> ToolError:
    return ToolError(f"{index.path}:{index.number(line)} is damaged.", hint)


def _mark(base_right: bool, custom_right: bool) -> int:
    if base_right == custom_right:
        return _BOTH_RIGHT if base_right else _BOTH_WRONG
    return _BETTER if custom_right else _WORSE


def _row(number: int, base: Answer, custom: Answer | None, mark: int) -> MeasuredRow:
    return MeasuredRow(
        number=number,
        id=base.id,
        source=base.source,
        prompt=prompt_text(base.prompt),
        wanted=base.wanted,
        base=base.text,
        custom=None if custom is None else custom.text,
        base_right=mark in {_WORSE, _BOTH_RIGHT},
        custom_right=None if custom is None else mark in {_BETTER, _BOTH_RIGHT},
        outcome=None if custom is None else _OUTCOMES[mark],
    )


def _holds(row: MeasuredRow, sought: str) -> bool:
    return any(sought in text.casefold() for text in (row.prompt, row.wanted, row.base, row.custom or ""))


def _chunks(places: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(places)
    while part := list(islice(rest, _CHUNK)):
        yield part
