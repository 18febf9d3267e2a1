import pytest

from tools.evaluation.compare import paired_difference, share
from tools.evaluation.report import CheckResult, RegressionResult
from tools.evaluation.verdict import claims, doubt, fall, judged, worth_it


def check(num_base: int, num_custom: int | None = None, *, rows: int = 100, threshold: float = 0.8) -> CheckResult:
    base = [index < num_base for index in range(rows)]
    custom = None if num_custom is None else [index < num_custom for index in range(rows)]
    return CheckResult(
        name="accuracy",
        scorer="exact_match",
        rows=rows,
        threshold=threshold,
        passed=(num_base if num_custom is None else num_custom) / rows >= threshold,
        baseline=share(base),
        custom=None if custom is None else share(custom),
        difference=None if custom is None else paired_difference(base, custom),
    )


def regression(num_base: int, num_custom: int, max_drop: float = 0.02) -> RegressionResult:
    whole = check(num_base, num_custom)
    assert whole.difference is not None
    return RegressionResult(
        name="style",
        scorer="exact_match",
        rows=100,
        max_drop=max_drop,
        passed=whole.difference.value >= -max_drop,
        baseline=whole.baseline,
        custom=whole.custom,
        difference=whole.difference,
    )


@pytest.mark.parametrize(
    ("num_base", "threshold", "decision", "words"),
    [
        (85, 0.80, "skip_training", "not worth it"),
        (96, 0.99, "skip_training", "hardly worth it"),
        (95, 0.99, "train", "worth it"),
        (0, 0.80, "needs_sft", "supervised fine-tuning"),
        (40, 0.80, "train", "room above"),
    ],
)
def test_worth_it_follows_from_the_baseline(num_base: int, threshold: float, decision: str, words: str):
    verdict = worth_it([check(num_base, threshold=threshold)])
    assert verdict.decision == decision
    assert words in verdict.text
    assert f"{num_base}.0 % (" in verdict.reasons[0]


def test_worth_it_is_true_when_one_of_two_thresholds_is_not_reached():
    assert worth_it([check(90), check(40)]).decision == "train"


def test_worth_it_states_headroom_and_what_the_rows_can_show():
    reasons = worth_it([check(40)]).reasons
    assert "Headroom on accuracy: 60.0 points." in reasons
    assert any("With 100 rows a gain of" in reason for reason in reasons)
    few = worth_it([check(1, rows=4)]).reasons
    assert any("no gain can be told from luck" in reason for reason in few)


def test_a_threshold_just_reached_is_said_to_be_in_doubt():
    assert doubt(check(0, 82)).startswith("reached, but with 100 rows it could be as low as 73.")
    assert doubt(check(0, 99)) == ""
    assert doubt(check(0, 70)) == ""


@pytest.mark.parametrize(
    ("checks", "regressions", "decision"),
    [
        ([check(10, 90)], [], "passed"),
        ([check(10, 90), check(10, 50)], [], "failed"),
        ([check(10, 90)], [regression(90, 80)], "regressed"),
        ([check(10, 90)], [regression(90, 89)], "passed"),
    ],
)
def test_judged_needs_every_check_and_no_fall(
    checks: list[CheckResult], regressions: list[RegressionResult], decision: str
):
    assert judged(checks, regressions).decision == decision


def test_claims_are_corrected_for_the_number_of_checks():
    alone = check(10, 16)
    assert alone.difference is not None
    assert 0.025 < alone.difference.p < 0.05
    assert "better" in claims([alone])[0]
    assert all("no difference" in claim for claim in claims([alone, alone]))


def test_claims_say_worse_when_it_is_worse():
    assert "worse than the base model" in claims([check(90, 40)])[0]


def test_fall_says_what_cannot_be_ruled_out():
    assert "fell too far" in fall(regression(90, 80))
    assert "cannot be ruled out" in fall(regression(90, 90))
