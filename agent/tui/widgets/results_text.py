"""Draws a measurement as lines for a given width: verdict, bars with intervals, labels, warnings. Reads nothing."""

from collections.abc import Iterator

from textual.content import Content

from agent.tui.viewmodels.results import CheckView, LabelView, ResultsView, ValueView
from agent.tui.widgets.rows_table import fitted

LEGEND = "█ value  ▒ its 95 % interval  ┃ wanted"
_MOODS = {"good": ("✓", "bold $text-success"), "bad": ("✗", "bold $text-error"), "open": ("·", "bold")}
_QUIET = "$foreground-muted"
_WARNING = "$text-warning"
_LEAST_BAR = 10
_MOST_BAR = 60
_LABEL_BAR = 20
_NUM_LABELS = 6


def results_content(view: ResultsView, width: int) -> Content:
    """Return the whole summary for a pane of so many cells."""
    return Content("\n").join(list(_lines(view, max(30, width))))


def _lines(view: ResultsView, width: int) -> Iterator[Content]:
    glyph, style = _MOODS[view.mood]
    yield Content.styled(f"{glyph} {view.verdict}", style)
    yield Content.styled(f"{view.sides} · {view.conditions}", _QUIET)
    for warning in view.warnings:
        yield Content.styled(f"! {warning}", _WARNING)
    for check in view.checks:
        yield Content("")
        yield from _check(check, width)
    if view.checks:
        yield Content.styled(LEGEND, _QUIET)
    yield from _labels(view, width)
    if view.regressions:
        yield Content("")
        yield Content.styled("Must not fall behind the base model", "bold")
        for check in view.regressions:
            yield from _check(check, width)
    if view.remarks:
        yield Content("")
    for remark in view.remarks:
        yield Content(f"- {remark}")
    if view.served:
        yield Content("")
        yield Content(f"Served at {view.served}; ask it in the playground.")


def _check(check: CheckView, width: int) -> Iterator[Content]:
    glyph, style = ("✓", "$text-success") if check.is_passed else ("✗", "$text-error")
    if check.custom is None and (check.threshold is None or not check.is_passed):
        # before training nothing has failed yet
        glyph, style = "○", _QUIET
    yield Content.assemble(
        (check.name, "bold"), f"  {check.wanted}  ", (f"{glyph} {check.outcome}", style),
        (f"  {check.scorer}", _QUIET),
    )  # fmt: skip
    yield _value("base", check.base, check.threshold, width, "$text-secondary")
    if check.custom is not None:
        yield _value("custom", check.custom, check.threshold, width, "$text-primary")
    if check.difference:
        yield Content(f"  {check.difference}" + (f": {check.claim}" if check.claim else ""))
    if check.luck:
        yield Content.styled(f"  {check.luck}", _QUIET)
    if check.won_lost is not None:
        won, same, lost = check.won_lost
        yield Content.assemble(
            "  rows: ", (f"▲ {won:,} better", "$text-success"), f"  = {same:,} the same  ",
            (f"▼ {lost:,} worse", "$text-error"),
        )  # fmt: skip
    if check.caution:
        yield Content.styled(f"  ! {check.caution}", _WARNING)


def _value(name: str, value: ValueView, threshold: float | None, width: int, style: str) -> Content:
    head = f"  {name:<7}{value.text:<27}"
    room = min(_MOST_BAR, width - len(head) - 1)
    if room < _LEAST_BAR:
        return Content(head.rstrip())
    return Content.assemble(head, (bar(value, threshold, room), style))


def bar(value: ValueView, threshold: float | None, width: int) -> str:
    """Return a bar from 0 to 100 % in cells: the value, its interval, and a mark where it shall be at least."""
    mark = None if threshold is None else _cell(threshold, width)
    low, high = _cell(value.low, width), _cell(value.high, width)
    end = _cell(value.value, width)
    cells: list[str] = []
    for cell in range(width):
        if cell == mark:
            cells.append("┃")
        elif cell == end and value.value > 0:
            cells.append("█")
        elif low <= cell <= high and value.low < value.high:
            cells.append("▒")
        else:
            cells.append("█" if cell < end else "·")
    return "".join(cells)


def _cell(share: float, width: int) -> int:
    return min(width - 1, max(0, int(share * width)))


def _labels(view: ResultsView, width: int) -> Iterator[Content]:
    if view.labels:
        yield Content("")
        yield Content.styled("Worst labels", "bold")
        size = max(len(label.label) for label in view.labels[:_NUM_LABELS])
        size = min(size, max(12, width - 34 - _LABEL_BAR))
        for label in view.labels[:_NUM_LABELS]:
            yield _label(label, size)
        if rest := len(view.labels) - _NUM_LABELS:
            yield Content.styled(f"  and {rest} more in the report", _QUIET) if rest > 0 else Content("")
    if view.confusions:
        yield Content("")
        yield Content.styled("Most frequent wrong answers", "bold")
    for wanted, answered, rows in view.confusions[:_NUM_LABELS]:
        times = "once" if rows == 1 else f"{rows:,} times"
        yield Content(f"  {wanted} → {answered}, {times}")


def _label(label: LabelView, size: int) -> Content:
    filled = round(label.value * _LABEL_BAR)
    drawn = "█" * filled + "·" * (_LABEL_BAR - filled)
    right = f"{label.right:,} of {label.rows:,} right"
    head = f"  {fitted(label.label, size)}  {right:<18} F1 {label.score:>7}  "
    return Content.assemble(head, (drawn, "$text-primary"))
