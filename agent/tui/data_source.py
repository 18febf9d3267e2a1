"""Reads the prepared data of a project for the data pane: its report, and its rows page by page. Called in a thread."""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.tui.viewmodels.data import DataView, LabelCount
from agent.tui.viewmodels.rows import RowCells, RowsFound, RowWhole
from specs.layout import ProjectLayout

if TYPE_CHECKING:
    from specs.run import DatasetRow
    from tools.data.quality import QualityReport
    from tools.line_index import LineIndex

CHOICES = (("train", "training"), ("validation", "validation"), ("test", "test"))
_CELL_LIMIT = 400
_WHOLE_LIMIT = 100_000
_NUM_LABELS = 12
_NUM_LEFT_OUT = 20
_HINT = "Delete the dataset's folder and prepare the data again: `tailor run --approve prepare_data`."


def read_data(layout: ProjectLayout) -> DataView:
    """Return the quality report of the prepared data. Raises TailorError when none was prepared."""
    from tools.data.quality import quality_facts
    from tools.escape import one_line, visible
    from tools.status import data_quality

    found = data_quality(layout)
    report = found.report
    splits = report.splits
    return DataView(
        title=f"{one_line(found.name)}, version {found.version[:12]}",
        splits=(("training", splits.train), ("validation", splits.validation), ("test", splits.test)),
        facts=tuple((label, visible(text, 2_000)) for label, text in quality_facts(report) if label != "Rows"),
        labels=_labels(report),
        num_labels=report.labels.num_labels if report.labels is not None else 0,
        warnings=tuple(visible(line, 2_000) for line in report.warnings),
        notices=tuple(visible(line, 2_000) for line in report.notices),
        left_out=tuple(_left_out(report)),
        folder=str(layout.datasets_dir / found.name / found.version),
    )


class DatasetRowSource:
    """The rows of a dataset version; a file's lines are found at the first look at it."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._files: dict[str, LineIndex] = {}
        self._found: dict[tuple[str, str], Sequence[int]] = {}

    def page(self, choice: str, contains: str, offset: int, limit: int) -> RowsFound:
        """Return rows in one line each."""
        places = self._places(choice, contains)
        rows = tuple(_cells(place + 1, row) for place, row in self._load(choice, places[offset : offset + limit]))
        counts = tuple((name, title, len(self._file(name))) for name, title in CHOICES)
        return RowsFound(rows, len(places), counts)

    def whole(self, choice: str, contains: str, index: int) -> RowWhole:
        """Return one row with all its text."""
        from tools.escape import one_line, visible

        place = self._places(choice, contains)[index]
        ((_, row),) = self._load(choice, [place])
        parts = [(message.role, message.content) for message in (*row.prompt, *row.completion)]
        shown = tuple((role, visible(text, _WHOLE_LIMIT) or "(nothing)") for role, text in parts)
        return RowWhole(f"Row {place + 1:,} · {dict(CHOICES)[choice]} · {one_line(row.source)}", shown)

    def _file(self, choice: str) -> "LineIndex":
        from tools.line_index import LineIndex

        if choice not in self._files:
            self._files[choice] = LineIndex(self._folder / f"{choice}.jsonl", _HINT)
        return self._files[choice]

    def _places(self, choice: str, contains: str) -> Sequence[int]:
        if not contains:
            return range(len(self._file(choice)))
        if (choice, contains) not in self._found:
            sought = contains.casefold()
            everywhere = self._load(choice, range(len(self._file(choice))))
            # the last search alone is kept
            self._found = {(choice, contains): array("L", (place for place, row in everywhere if _holds(row, sought)))}
        return self._found[choice, contains]

    def _load(self, choice: str, places: Sequence[int]) -> Iterator[tuple[int, "DatasetRow"]]:
        from pydantic import ValidationError

        from specs.run import DatasetRow
        from tools.errors import ToolError

        file = self._file(choice)
        for place, line in zip(places, file.read(places), strict=True):
            try:
                yield place, DatasetRow.model_validate_json(line)
            except ValidationError as error:
                raise ToolError(f"{file.path}:{file.number(place)} is damaged.", _HINT) from error


def _cells(number: int, row: "DatasetRow") -> RowCells:
    from tools.escape import one_line
    from tools.evaluation.side_by_side import prompt_text

    completion = " ".join(message.content for message in row.completion)
    texts = (one_line(row.source, 60), one_line(prompt_text(row.prompt), _CELL_LIMIT))
    return RowCells((f"{number:,}", *texts, one_line(completion, _CELL_LIMIT)))


def _holds(row: "DatasetRow", sought: str) -> bool:
    if sought in row.source.casefold():
        return True
    return any(sought in message.content.casefold() for message in (*row.prompt, *row.completion))


def _labels(report: "QualityReport") -> tuple[LabelCount, ...]:
    from tools.escape import one_line

    if report.labels is None:
        return ()
    counts = list(report.labels.counts.items())
    half = _NUM_LABELS // 2
    chosen = counts if len(counts) <= _NUM_LABELS else [*counts[:half], *counts[-half:]]
    most = max(1, report.labels.num_largest)
    return tuple(LabelCount(one_line(label, 60) or "(nothing)", number, number / most) for label, number in chosen)


def _left_out(report: "QualityReport") -> Iterator[str]:
    from tools.escape import one_line

    for leak in report.leaks[:_NUM_LEFT_OUT]:
        yield f"{one_line(leak.row)} left out: the same prompt stands in the test, {one_line(leak.test_row)}"
    for entry in report.refused[:_NUM_LEFT_OUT]:
        yield f"{one_line(entry.source)}:{entry.line} refused: {one_line(entry.reason)}"
    if rest := max(0, report.num_leaks - _NUM_LEFT_OUT) + max(0, report.num_refused - _NUM_LEFT_OUT):
        yield f"and {rest:,} more in quality.json"
