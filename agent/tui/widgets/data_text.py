"""Draws the report on prepared data as lines for a given width. Reads nothing."""

from collections.abc import Iterator

from textual.content import Content

from agent.tui.viewmodels.data import DataView
from agent.tui.widgets.rows_table import fitted

_QUIET = "$foreground-muted"
_GLYPHS = ("█", "▒", "░")
_STYLES = ("$text-primary", "$text-secondary", "$text-accent")
_MOST_BAR = 60
_LABEL_BAR = 24
_HEAD = 14


def data_content(view: DataView, width: int) -> Content:
    """Return the whole report for a pane of so many cells."""
    return Content("\n").join(list(_lines(view, max(30, width))))


def _lines(view: DataView, width: int) -> Iterator[Content]:
    yield Content.assemble((view.title, "bold"), ("  ✓ prepared", "$text-success"))
    yield _splits(view, width)
    for warning in view.warnings:
        yield Content.styled(f"! {warning}", "$text-warning")
    for label, text in view.facts:
        if label or text:
            yield Content.assemble((f"{label:<{_HEAD}}", _QUIET), text)
    if view.labels:
        yield Content("")
        yield Content.assemble(("Training rows of each label", "bold"))
        yield from _labels(view, width)
    if view.notices:
        yield Content("")
    for notice in view.notices:
        yield Content(f"· {notice}")
    if view.left_out:
        yield Content("")
        yield Content.styled("Left out", "bold")
    for line in view.left_out:
        yield Content(f"  {line}")


def _splits(view: DataView, width: int) -> Content:
    total = sum(number for _, number in view.splits) or 1
    room = min(_MOST_BAR, width)
    words: list[Content | str | tuple[str, str]] = []
    cells: list[tuple[str, str]] = []
    for (name, number), glyph, style in zip(view.splits, _GLYPHS, _STYLES, strict=True):
        words += [(glyph, style), f" {number:,} {name}   "]
        # rows that are there are seen
        cells.append((glyph * (max(1, round(room * number / total)) if number else 0), style))
    return Content.assemble(*words, "\n", *cells)


def _labels(view: DataView, width: int) -> Iterator[Content]:
    size = min(max(len(each.label) for each in view.labels), max(12, width - _LABEL_BAR - 14))
    left_out = view.num_labels - len(view.labels)
    for number, each in enumerate(view.labels):
        if left_out > 0 and number == len(view.labels) // 2:
            yield Content.styled(f"  … {left_out:,} more labels in between", _QUIET)
        filled = max(1, round(each.share * _LABEL_BAR)) if each.rows else 0
        drawn = "█" * filled + "·" * (_LABEL_BAR - filled)
        yield Content.assemble(f"  {fitted(each.label, size)}  {each.rows:>7,}  ", (drawn, "$text-primary"))
