"""Reads what was measured from a project, in words for the results pane. Called in a thread; draws nothing."""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

from agent.tui.viewmodels.results import CheckView, LabelView, Mood, ResultsView, ValueView
from agent.tui.viewmodels.rows import RowCells, RowsFound, RowWhole, Tone
from specs.layout import ProjectLayout

if TYPE_CHECKING:
    from tools.evaluation.report import CheckResult, EvaluationReport, Interval, RegressionResult
    from tools.evaluation.rows import MeasuredRow, MeasuredRows, RowFilter
    from tools.steps import JsonDict

CELL_LIMIT = 400
WHOLE_LIMIT = 100_000
_SCORERS = {
    "exact_match": "the whole answer, word for word",
    "macro_f1": "macro F1, every label alike",
    "contains": "the wanted answer stands in it",
    "json_valid": "valid JSON",
    "regex": "a pattern is found",
    "numeric": "the number",
}
_MOODS: dict[str, Mood] = {"passed": "good", "failed": "bad", "regressed": "bad"}
_EARLIER = "These are the results of an earlier plan; the plan of the spec as it is now was not measured yet."
_CHOICES = {"all": "all", "worse": "got worse", "better": "got better", "wrong": "still wrong"}
_OUTCOMES: dict[tuple[bool, bool | None], tuple[str, Tone]] = {
    (True, True): ("= right", "quiet"),
    (False, False): ("= wrong", "plain"),
    (False, True): ("▲ better", "good"),
    (True, False): ("▼ worse", "bad"),
    (True, None): ("✓ right", "good"),
    (False, None): ("✗ wrong", "bad"),
}


def read_results(layout: ProjectLayout) -> ResultsView:
    """Return what the latest plan measured, or the one that was measured last. Raises TailorError when none was."""
    from tools.client import Tailor
    from tools.errors import UsageError
    from tools.status import last_measured

    tailor = Tailor(layout.root, spec_name=layout.spec_name)
    try:
        return results_view(tailor.results(num_rows=0))
    except UsageError:
        if (earlier := last_measured(layout)) is None:
            raise
        view = results_view(tailor.results(earlier, num_rows=0))
        return replace(view, warnings=(_EARLIER, *view.warnings))


def results_view(results: "JsonDict") -> ResultsView:
    """Return what `tailor report --json` tells as it is shown."""
    from tools.escape import one_line, visible
    from tools.evaluation.figures import percent
    from tools.evaluation.report import EvaluationReport

    report = EvaluationReport.model_validate(results["report"])
    reasons = [visible(reason, 2_000) for reason in report.verdict.reasons]
    names = tuple(f"{one_line(result.name)}: " for result in (*report.checks, *report.regressions))
    custom = report.custom
    base = one_line(report.baseline.model)
    return ResultsView(
        verdict=visible(report.verdict.text, 2_000),
        mood=_MOODS.get(report.verdict.decision, "open"),
        sides=f"{base} alone: nothing was trained yet"
        if custom is None
        else f"{one_line(custom.model)} against {base}",
        conditions=_conditions(report),
        checks=tuple(_check(result, reasons, has_custom=custom is not None) for result in report.checks),
        regressions=tuple(_regression(result, has_custom=custom is not None) for result in report.regressions),
        remarks=tuple(reason for reason in reasons if not reason.startswith(names)),
        warnings=tuple(visible(str(line), 2_000) for line in (*report.notes, *results["health"])),
        labels=tuple(
            LabelView(one_line(each.label, 60), each.rows, each.right, percent(each.f1), each.f1)
            for each in report.worst_labels
        ),
        confusions=tuple(
            (one_line(each.wanted, 60), one_line(each.answered, 60) or "(nothing)", each.rows)
            for each in report.confusions
        ),
        plan=str(results["plan"]),
        served=str(results["endpoint"] or ""),
    )


class MeasuredRowSource:
    """The measured rows of a plan, opened at the first call."""

    def __init__(self, layout: ProjectLayout, plan: str) -> None:
        self._layout = layout
        self._plan = plan
        self._rows: MeasuredRows | None = None

    def page(self, choice: str, contains: str, offset: int, limit: int) -> RowsFound:
        """Return rows in one line each."""
        page = self._opened().page(cast("RowFilter", choice), offset, limit, contains)
        titles = _CHOICES if "worse" in page.counts else {**_CHOICES, "wrong": "wrong"}
        counts = tuple((name, titles[name], number) for name, number in page.counts.items() if name in titles)
        return RowsFound(tuple(_cells(row) for row in page.rows), page.total, counts)

    def whole(self, choice: str, contains: str, index: int) -> RowWhole:
        """Return one row with all its text."""
        return _whole(self._opened().page(cast("RowFilter", choice), index, 1, contains).rows[0])

    def _opened(self) -> "MeasuredRows":
        from tools.evaluation.rows import open_rows

        if self._rows is None:
            self._rows = open_rows(self._layout, self._plan)
        return self._rows


def _cells(row: "MeasuredRow") -> RowCells:
    from tools.escape import one_line

    answers = [row.base] if row.custom is None else [row.base, row.custom]
    texts = [one_line(text, CELL_LIMIT) for text in (row.prompt, row.wanted, *answers)]
    word, tone = _OUTCOMES[row.base_right, row.custom_right]
    return RowCells((f"{row.number:,}", *texts, word), tone)


def _whole(row: "MeasuredRow") -> RowWhole:
    from tools.escape import one_line, visible

    word, _ = _OUTCOMES[row.base_right, row.custom_right]
    parts = [("prompt", row.prompt), ("wanted", row.wanted), (f"base {_tick(row.base_right)}", row.base)]
    if row.custom is not None:
        parts.append((f"custom {_tick(bool(row.custom_right))}", row.custom))
    shown = tuple((label, visible(text, WHOLE_LIMIT) or "(nothing)") for label, text in parts)
    return RowWhole(f"Row {row.number:,} · {word} · {one_line(row.source)}", shown)


def _tick(right: bool) -> Literal["✓ right", "✗ wrong"]:
    return "✓ right" if right else "✗ wrong"


def _check(result: "CheckResult", reasons: list[str], *, has_custom: bool) -> CheckView:
    from tools.escape import one_line
    from tools.evaluation.figures import luck, percent, points

    outcome = {(True, True): "passed", (True, False): "failed", (False, True): "reached already"}
    name, difference = one_line(result.name), result.difference
    return CheckView(
        name=name,
        scorer=_SCORERS[result.scorer],
        wanted=f"wanted {percent(result.threshold)}",
        threshold=result.threshold,
        is_passed=result.passed,
        outcome=outcome.get((has_custom, result.passed), "not reached yet"),
        base=_value(result.baseline),
        custom=None if result.custom is None else _value(result.custom),
        difference="" if difference is None else points(difference),
        claim="" if difference is None else _claim(name, reasons),
        luck="" if difference is None else luck(difference.p),
        won_lost=None if difference is None else (difference.wins, difference.ties, difference.losses),
        caution=_caution(name, reasons),
    )


def _regression(result: "RegressionResult", *, has_custom: bool) -> CheckView:
    from tools.escape import one_line
    from tools.evaluation.figures import points

    outcome = ("passed" if result.passed else "failed") if has_custom else "compared after training"
    return CheckView(
        name=one_line(result.name),
        scorer=_SCORERS[result.scorer],
        wanted=f"may fall by {100 * result.max_drop:.1f} points",
        threshold=None,
        is_passed=result.passed,
        outcome=outcome,
        base=_value(result.baseline),
        custom=None if result.custom is None else _value(result.custom),
        difference="" if result.difference is None else points(result.difference),
    )


def _value(interval: "Interval") -> ValueView:
    from tools.evaluation.figures import span

    return ValueView(span(interval), interval.value, interval.low, interval.high)


def _claim(name: str, reasons: list[str]) -> str:
    """Return what the verdict says of a difference: it has weighed p with all checks in mind, p alone has not."""
    for word in ("better", "worse"):
        if any(reason.startswith(f"{name}: {word} than") for reason in reasons):
            return f"{word} than the base model"
    return "no difference from the base model is shown"


def _caution(name: str, reasons: list[str]) -> str:
    mark = "reached, but "
    for reason in reasons:
        if reason.startswith(f"{name}: ") and mark in reason:
            return mark.capitalize() + reason.partition(mark)[2]
    return ""


def _conditions(report: "EvaluationReport") -> str:
    from tools.escape import one_line
    from tools.wording import count, duration

    test_set, side = report.test_set, report.custom or report.baseline
    drawn = f" of {test_set.num_available:,}" if test_set.num_available != test_set.num_rows else ""
    return (
        f"{count(test_set.num_rows, 'test row')}{drawn} of {one_line(test_set.dataset)} · greedy answers of at most "
        f"{count(report.decoding.max_new_tokens, 'token')} · answered in {duration(side.seconds)}"
    )
