"""Turns answers into a report: scores, intervals, comparison of the two sides, labels, warnings.

Reads and writes no file; the steps bring the answers and keep the report.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from specs.evaluation import Check, RegressionCheck
from tools.errors import ToolError
from tools.evaluation.bootstrap import macro_f1_comparison, macro_f1_interval
from tools.evaluation.compare import paired_difference, share
from tools.evaluation.records import Answer
from tools.evaluation.report import (
    CheckResult,
    Confusion,
    Decoding,
    Difference,
    EvaluationReport,
    Interval,
    LabelResult,
    RegressionResult,
    Side,
    TestSet,
)
from tools.evaluation.scorers import as_check, label, label_scores, score_rows
from tools.evaluation.verdict import judged, worth_it
from tools.wording import count

_NUM_WORST_LABELS = 10
_NUM_CONFUSIONS = 10
_FEWEST_ROWS_PER_LABEL = 2
_LONGEST_LABEL = 200
_FEW_ROWS = 100
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Setting:
    """What both sides of an evaluation share."""

    plan: str
    checks: tuple[Check, ...]
    regressions: tuple[RegressionCheck, ...]
    test_set: TestSet
    decoding: Decoding
    trained_at: float | None = None
    """Seconds since the epoch at which the training was set up, None before training."""


def baseline_report(setting: Setting, side: Side, answers: Sequence[Answer]) -> EvaluationReport:
    """Return the report of the base model alone, with the verdict whether training is worth it.

    Raises:
        ToolError: there are no rows, or a check cannot be scored on them.
    """
    return _report(setting, side, answers, None, None)


def comparison_report(
    setting: Setting, base: tuple[Side, Sequence[Answer]], custom: tuple[Side, Sequence[Answer]]
) -> EvaluationReport:
    """Return the report of the custom model against the base model on the same rows.

    Raises:
        ToolError: the sides answered different rows, there are none, or a check cannot be scored on them.
    """
    if [answer.id for answer in base[1]] != [answer.id for answer in custom[1]]:
        raise ToolError(
            "The base model and the custom model answered different test rows, so they cannot be compared.",
            "Run the baseline and the evaluation again on the same dataset version.",
        )
    return _report(setting, *base, *custom)


def _report(
    setting: Setting,
    base: Side,
    base_answers: Sequence[Answer],
    custom: Side | None,
    custom_answers: Sequence[Answer] | None,
) -> EvaluationReport:
    if not base_answers:
        raise ToolError(
            "There are no test rows to score.", "Give the spec test rows: data.test with a path or a fraction."
        )
    checks = tuple(_check(check, base_answers, custom_answers) for check in setting.checks)
    regressions = tuple(_regression(check, base_answers, custom_answers) for check in setting.regressions)
    verdict = worth_it(checks) if custom is None else judged(checks, regressions)
    labels, confusions = _labels(setting.checks, base_answers if custom_answers is None else custom_answers)
    return EvaluationReport(
        plan=setting.plan,
        settings=setting.checks,
        checks=checks,
        regressions=regressions,
        verdict=verdict,
        notes=_notes(setting, base, custom),
        test_set=setting.test_set,
        decoding=setting.decoding,
        baseline=base,
        custom=custom,
        worst_labels=labels,
        confusions=confusions,
    )


def _values(
    check: Check, base: Sequence[Answer], custom: Sequence[Answer] | None
) -> tuple[Interval, Interval | None, Difference | None]:
    if check.scorer == "macro_f1":
        return _macro_values(check, base, custom)
    old = score_rows(check, base)
    if custom is None:
        return share(old), None, None
    new = score_rows(check, custom)
    return share(old), share(new), paired_difference(old, new)


def _macro_values(
    check: Check, base: Sequence[Answer], custom: Sequence[Answer] | None
) -> tuple[Interval, Interval | None, Difference | None]:
    wanted = [label(answer.wanted, ignore_case=check.ignore_case) for answer in base]
    old = [label(answer.text, ignore_case=check.ignore_case) for answer in base]
    if custom is None:
        return macro_f1_interval(wanted, old), None, None
    return macro_f1_comparison(wanted, old, [label(answer.text, ignore_case=check.ignore_case) for answer in custom])


def _check(check: Check, base: Sequence[Answer], custom: Sequence[Answer] | None) -> CheckResult:
    old, new, difference = _values(check, base, custom)
    return CheckResult(
        name=check.name,
        scorer=check.scorer,
        rows=len(base),
        threshold=check.threshold,
        passed=_reaches((new or old).value, check.threshold),
        baseline=old,
        custom=new,
        difference=difference,
    )


def _regression(measure: RegressionCheck, base: Sequence[Answer], custom: Sequence[Answer] | None) -> RegressionResult:
    old, new, difference = _values(as_check(measure), base, custom)
    return RegressionResult(
        name=measure.name,
        scorer=measure.scorer,
        rows=len(base),
        max_drop=measure.max_drop,
        passed=difference is None or _reaches(difference.value, -measure.max_drop),
        baseline=old,
        custom=new,
        difference=difference,
    )


def _reaches(value: float, least: float) -> bool:
    # a mean of labels that are all at 0.7 can come out as 0.6999999999999998
    return value >= least - _ROUNDING


def _labels(
    checks: Sequence[Check], answers: Sequence[Answer]
) -> tuple[tuple[LabelResult, ...], tuple[Confusion, ...]]:
    """Return the worst labels and the most frequent confusions, or nothing where answers are no set of labels."""
    by_label = [check for check in checks if check.scorer in {"exact_match", "macro_f1"}]
    if not by_label:
        return (), ()
    fold = by_label[0].ignore_case
    wanted = [label(answer.wanted, ignore_case=fold) for answer in answers]
    answered = [label(answer.text, ignore_case=fold) for answer in answers]
    scores = label_scores(wanted, answered)
    if len(scores) < 2 or len(scores) * _FEWEST_ROWS_PER_LABEL > len(wanted):
        return (), ()
    wrong = Counter(pair for pair in zip(wanted, answered, strict=True) if pair[0] != pair[1])
    return (
        tuple(
            LabelResult(label=score.label[:_LONGEST_LABEL], rows=score.rows, right=score.right, f1=score.f1)
            for score in scores[:_NUM_WORST_LABELS]
            if score.f1 < 1
        ),
        tuple(
            Confusion(wanted=want[:_LONGEST_LABEL], answered=answer[:_LONGEST_LABEL], rows=times)
            for (want, answer), times in sorted(wrong.items(), key=lambda item: (-item[1], item[0]))[:_NUM_CONFUSIONS]
        ),
    )


def _notes(setting: Setting, base: Side, custom: Side | None) -> tuple[str, ...]:
    sides = [("base", base)] if custom is None else [("base", base), ("custom", custom)]
    notes = [_sentence(num, name, what) for name, side in sides for num, what in _shortfalls(side) if num]
    if custom is not None and base.weights_sha256 == custom.weights_sha256:
        notes.append(
            "Both sides answered with the same weights, so this compares a model with itself: training changed "
            "nothing, or the wrong folder was loaded."
        )
    if setting.trained_at is not None and base.measured_at > setting.trained_at:
        notes.append("The base model was measured after the training began, not before it.")
    if setting.test_set.num_rows < _FEW_ROWS:
        notes.append(f"There are only {count(setting.test_set.num_rows, 'row')}: the intervals are wide.")
    return tuple(notes)


def _shortfalls(side: Side) -> tuple[tuple[int, str], ...]:
    return (
        (
            side.num_cut,
            "reached the limit of new tokens and was cut; raise evaluation.max_new_tokens if it should go on",
        ),
        (side.num_unread, "was not given because the prompt is longer than the model can read; it counts as wrong"),
    )


def _sentence(number: int, name: str, what: str) -> str:
    answers = "1 answer" if number == 1 else f"Each of {number:,} answers"
    return f"{answers} of the {name} model {what}."
