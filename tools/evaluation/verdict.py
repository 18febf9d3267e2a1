"""What follows from the figures: before training whether it is worth it, after it whether the checks are met.

Sentences for the agent and for people; the figures themselves are made in `measure`.
"""

from collections.abc import Sequence

from tools.evaluation.compare import SIGNIFICANCE, detectable_gain, holm
from tools.evaluation.figures import chance, percent, points, span
from tools.evaluation.report import CheckResult, Difference, RegressionResult, Verdict
from tools.wording import count

NEARLY_ALL_RIGHT = 0.95
"""Above it, training is not worth it (AWS Nova guidance: do not train above 95 % correct)."""


def worth_it(checks: Sequence[CheckResult]) -> Verdict:
    """Return whether training is worth it, from the base model's answers alone.

    Above 95 % or at every threshold already: no. Nothing right at all: supervised fine-tuning has to come before any
    reinforcement. Anything else: yes, with the headroom. Source: AWS Nova customization guidance.
    """
    reasons = tuple(_standing(check) for check in checks)
    if all(check.passed for check in checks):
        return Verdict(
            decision="skip_training",
            text="Training is not worth it: the base model reaches every threshold as it is.",
            reasons=(*reasons, *_cautions(checks)),
        )
    if all(check.baseline.value > NEARLY_ALL_RIGHT for check in checks):
        return Verdict(
            decision="skip_training",
            text="Training is hardly worth it: the base model has more than 95 % right and little is left to gain.",
            reasons=(*reasons, "Look at the rows it has wrong; several may be wrong in the test set."),
        )
    if all(check.baseline.value == 0 for check in checks):
        return Verdict(
            decision="needs_sft",
            text="Training is worth it, and it has to begin with supervised fine-tuning: the base model has nothing "
            "right, so reinforcement would find nothing to reward.",
            reasons=(*reasons, *_sensitivity(checks)),
        )
    return Verdict(
        decision="train",
        text="Training is worth it: the base model is below the threshold and there is room above it.",
        reasons=(*reasons, *_sensitivity(checks)),
    )


def judged(checks: Sequence[CheckResult], regressions: Sequence[RegressionResult]) -> Verdict:
    """Return whether the custom model meets the checks, and what may be said about improvement."""
    reasons = (*(_outcome(check) for check in checks), *claims(checks), *(fall(result) for result in regressions))
    failed = [check.name for check in checks if not check.passed]
    fallen = [result.name for result in regressions if not result.passed]
    if failed:
        text = f"Not reached: {', '.join(failed)} ({len(failed)} of {count(len(checks), 'check')})."
        return Verdict(decision="failed", text=text, reasons=reasons)
    if fallen:
        text = f"The checks are reached, but the custom model fell behind the base model: {', '.join(fallen)}."
        return Verdict(decision="regressed", text=text, reasons=reasons)
    text = "The check is reached." if len(checks) == 1 else f"All {len(checks)} checks are reached."
    return Verdict(decision="passed", text=text, reasons=reasons)


def claims(checks: Sequence[CheckResult]) -> list[str]:
    """Return for each check what the paired test allows to be said about custom against base.

    Better or worse is said only where p after Holm's correction is below 0.05 and the interval excludes 0.
    """
    compared = [(check.name, check.difference) for check in checks if check.difference is not None]
    corrected = holm([difference.p for _, difference in compared])
    return [_claim(name, difference, p) for (name, difference), p in zip(compared, corrected, strict=True)]


def significant(difference: Difference, p: float) -> bool:
    """Return whether a difference with this corrected p may be called real."""
    return p < SIGNIFICANCE and (difference.low > 0 or difference.high < 0)


def doubt(check: CheckResult) -> str:
    """Return the warning that the threshold is reached by luck, perhaps; empty where the interval excludes that."""
    measured = check.custom or check.baseline
    if not check.passed or measured.low >= check.threshold:
        return ""
    return f"reached, but with {count(check.rows, 'row')} it could be as low as {percent(measured.low)}"


def fall(result: RegressionResult) -> str:
    """Return how a regression check went, in a sentence."""
    if result.difference is None:
        return f"{result.name}: the base model has {span(result.baseline)}."
    head = (
        f"{result.name}: {points(result.difference)} against the base model, {percent(result.max_drop)} of fall allowed"
    )
    if not result.passed:
        return f"{head}: fell too far."
    if result.difference.low < -result.max_drop:
        worst = percent(-result.difference.low)
        return f"{head}: accepted, but with {count(result.rows, 'row')} a fall of {worst} cannot be ruled out."
    return f"{head}: accepted."


def _standing(check: CheckResult) -> str:
    measured = f"{span(check.baseline)} on {count(check.rows, 'row')}"
    return f"{check.name}: the base model has {measured}; wanted {percent(check.threshold)}."


def _cautions(checks: Sequence[CheckResult]) -> list[str]:
    return [f"{check.name}: {doubt(check)}." for check in checks if doubt(check)]


def _sensitivity(checks: Sequence[CheckResult]) -> list[str]:
    check = min(checks, key=lambda each: each.baseline.value)
    headroom = f"Headroom on {check.name}: {100 * (1 - check.baseline.value):.1f} points."
    gain = detectable_gain(check.rows, check.baseline.value)
    if gain is None:
        return [
            headroom,
            f"With {count(check.rows, 'row')} no gain can be told from luck; add test rows before training.",
        ]
    return [headroom, f"With {count(check.rows, 'row')} a gain of {100 * gain:.1f} points or more shows 4 times in 5."]


def _outcome(check: CheckResult) -> str:
    measured = check.custom or check.baseline
    head = f"{check.name}: {span(measured)} on {count(check.rows, 'row')}, wanted {percent(check.threshold)}"
    if not check.passed:
        return f"{head}: not reached."
    return f"{head}: {doubt(check) or 'reached'}."


def _claim(name: str, difference: Difference, p: float) -> str:
    changed = f"{difference.wins:,} rows won, {difference.losses:,} lost"
    if not significant(difference, p):
        return f"{name}: no difference from the base model is shown ({points(difference)}, {changed}, {chance(p)})."
    word = "better" if difference.value > 0 else "worse"
    return f"{name}: {word} than the base model by {points(difference)}, {changed}, {chance(p)}."
