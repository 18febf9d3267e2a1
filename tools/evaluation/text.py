"""An evaluation in words and tables for a terminal of a given width. Plain text; colour is the screen's business."""

import textwrap
import unicodedata
from collections.abc import Sequence

from tools.escape import one_line
from tools.evaluation.figures import percent
from tools.evaluation.report import CheckResult, Difference, EvaluationReport, Interval, RegressionResult
from tools.evaluation.side_by_side import ComparedRow
from tools.wording import count, duration

_NARROWEST = 40
_SIDE_BY_SIDE_FROM = 110
_GAP = "  "
_MARKS = {"loss": "LOSS", "win": "WIN", "tie": "TIE"}


def report_text(report: EvaluationReport, width: int = 80) -> str:
    """Return the report for people: verdict, values with intervals, what may be claimed, warnings, worst labels."""
    width = max(_NARROWEST, width)
    parts = [
        _filled(report.verdict.text, width),
        _table(_HEAD, [_cells(result) for result in (*report.checks, *report.regressions)], width),
        "\n".join(_filled(f"- {reason}", width, "  ") for reason in report.verdict.reasons),
        "\n".join(_filled(f"! {note}", width, "  ") for note in report.notes),
        labels_text(report, width),
        _filled(_conditions(report), width),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def labels_text(report: EvaluationReport, width: int = 80) -> str:
    """Return the worst labels and the most frequent confusions; empty where the answers are no set of labels."""
    parts: list[str] = []
    if report.worst_labels:
        size = width // 2
        rows = [
            (_short(label.label, size), str(label.rows), str(label.right), percent(label.f1))
            for label in report.worst_labels
        ]
        parts.append("Worst labels\n" + _table(("label", "rows", "right", "F1"), rows, width))
    if report.confusions:
        size = (width - len("  rows  ")) // 2
        rows = [
            (_short(confusion.wanted, size), _short(confusion.answered, size) or "(nothing)", str(confusion.rows))
            for confusion in report.confusions
        ]
        parts.append("Most frequent wrong answers\n" + _table(("wanted", "answered", "rows"), rows, width))
    return "\n\n".join(parts)


def side_by_side_text(rows: Sequence[ComparedRow], width: int = 80) -> str:
    """Return compared rows for a terminal: both answers in columns from 110 characters on, below each other before."""
    if not rows:
        return "No rows to show.\n"
    width = max(_NARROWEST, width)
    block = _columns if width >= _SIDE_BY_SIDE_FROM else _stacked
    return ("\n" + "─" * width + "\n").join(block(row, width) for row in rows) + "\n"


_HEAD = ("check", "wanted", "base", "custom", "difference")


def _cells(result: CheckResult | RegressionResult) -> tuple[str, ...]:
    limit = result.threshold if isinstance(result, CheckResult) else -result.max_drop
    return (
        result.name,
        f"{_tick(result.passed)} {100 * limit:.1f}",
        _interval(result.baseline),
        _interval(result.custom) if result.custom else "–",
        _signed(result.difference) if result.difference else "–",
    )


def _interval(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f}…{100 * interval.high:.1f})"


def _signed(difference: Difference) -> str:
    return f"{100 * difference.value:+.1f} ({100 * difference.low:+.1f}…{100 * difference.high:+.1f})"


def _conditions(report: EvaluationReport) -> str:
    test_set, side = report.test_set, report.custom or report.baseline
    drawn = f" of {test_set.num_available:,}" if test_set.num_available != test_set.num_rows else ""
    return (
        f"Measured on {count(test_set.num_rows, 'row')}{drawn} of {test_set.dataset} ({test_set.version[:12]}), greedy "
        f"answers of at most {count(report.decoding.max_new_tokens, 'token')}, in {duration(side.seconds)}. "
        "Values in percent, with 95 % intervals; `wanted` is the least value, or the largest fall below the base model."
    )


def _filled(text: str, width: int, indent: str = "") -> str:
    bound = text.replace(" %", "\u00a0%")
    return textwrap.fill(bound, width, subsequent_indent=indent, break_on_hyphens=False).replace("\u00a0%", " %")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """Return a table, or one block of `name: value` lines a row where the table is wider than `width`."""
    sizes = [max(cell_width(line[column]) for line in (head, *rows)) for column in range(len(head))]
    if sum(sizes) + len(_GAP) * (len(sizes) - 1) > width:
        return "\n".join(_block(head, row, width) for row in rows)
    lines = [head, ["─" * size for size in sizes], *rows]
    return "\n".join(
        _GAP.join(_padded(cell, size) for cell, size in zip(line, sizes, strict=True)).rstrip() for line in lines
    )


def _block(head: Sequence[str], row: Sequence[str], width: int) -> str:
    size = max(len(name) for name in head[1:])
    named = [f"  {_padded(name, size)}  {cell}" for name, cell in zip(head[1:], row[1:], strict=True)]
    return "\n".join(_cut(line, width) for line in [row[0], *named])


def _stacked(row: ComparedRow, width: int) -> str:
    fields = [("prompt", row.prompt), ("wanted", row.wanted)]
    fields += [(f"base {_tick(row.base_right)}", row.base), (f"custom {_tick(row.custom_right)}", row.custom)]
    lines = [_cut(f"{_MARKS[row.outcome]}  {row.source}", width)]
    for name, text in fields:
        wrapped = wrap(text, width - 10)
        lines += [f"{_padded(name if index == 0 else '', 8)}  {line}" for index, line in enumerate(wrapped)]
    return "\n".join(lines)


def _columns(row: ComparedRow, width: int) -> str:
    head = _cut(f"{_MARKS[row.outcome]}  {row.source}", width)
    size = (width - 2 * len(_GAP)) // 3
    asked = [*wrap(row.prompt, size), *wrap(f"wanted: {row.wanted}", size)]
    base = [f"base {_tick(row.base_right)}", *wrap(row.base, size)]
    custom = [f"custom {_tick(row.custom_right)}", *wrap(row.custom, size)]
    height = max(len(asked), len(base), len(custom))
    filled = [column + [""] * (height - len(column)) for column in (asked, base, custom)]
    lines = [_GAP.join(_padded(cell, size) for cell in cells).rstrip() for cells in zip(*filled, strict=True)]
    return "\n".join([head, *lines])


def _tick(right: bool) -> str:
    return "✓" if right else "✗"


def cell_width(text: str) -> int:
    """Return the terminal columns a text takes: two for wide East Asian characters, none for combining marks."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def wrap(text: str, size: int) -> list[str]:
    """Return the text in lines of at most `size` columns, broken at spaces where possible; one empty line for none."""
    lines: list[str] = []
    for paragraph in text.expandtabs(4).split("\n"):
        rest = paragraph
        while cell_width(rest) > size:
            fits = _fitting(rest, size)
            space = rest.rfind(" ", 1, fits + 1)
            end = space if space > fits // 2 else fits
            lines.append(rest[:end].rstrip())
            rest = rest[end:].lstrip()
        lines.append(rest.rstrip())
    return lines


def _fitting(text: str, size: int) -> int:
    used = 0
    for index, character in enumerate(text):
        used += cell_width(character)
        if used > size:
            return max(1, index)
    return len(text)


def _short(text: str, size: int) -> str:
    return _cut(one_line(text, size), size)


def _padded(text: str, size: int) -> str:
    return text + " " * (size - cell_width(text))


def _cut(text: str, width: int) -> str:
    return text if cell_width(text) <= width else text[: _fitting(text, width - 1)] + "…"
