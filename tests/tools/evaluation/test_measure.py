from specs.evaluation import Check, RegressionCheck
from tests.fakes.measured_project import row
from tools.evaluation.measure import Setting, baseline_report, comparison_report
from tools.evaluation.records import Answer
from tools.evaluation.report import Decoding, Side, TestSet


def answers(num_right: int) -> list[Answer]:
    """Return answers to three labels of ten rows each, of which so many are right and the rest the next label."""
    found: list[Answer] = []
    for number in range(30):
        label, place = number % 3, number // 3
        said = label if place < num_right else (label + 1) % 3
        wanted = row(number, f"label {label}")
        found.append(Answer(wanted.id, wanted.source, wanted.prompt, f"label {label}", f"label {said}", "stop"))
    return found


def side(name: str) -> Side:
    return Side(
        model=name, run="r1", generations_path="/g", weights_sha256=name, measured_at=1, seconds=1, num_tokens=1,
        num_cut=0, num_unread=0,
    )  # fmt: skip


def setting(*, threshold: float, max_drop: float) -> Setting:
    return Setting(
        plan="p",
        checks=(Check(name="f1", scorer="macro_f1", threshold=threshold),),
        regressions=(RegressionCheck(name="kept", scorer="macro_f1", max_drop=max_drop),),
        test_set=TestSet(dataset="d", version="v", rows_path="/d", num_rows=30, num_available=30),
        decoding=Decoding(max_new_tokens=4, batch_size=2),
    )


def test_check_passes_when_every_label_is_exactly_at_the_threshold():
    exactly = baseline_report(setting(threshold=0.7, max_drop=0), side("base"), answers(7)).checks[0]
    assert exactly.baseline.value < 0.7  # what floating point makes of the mean of three times 0.7
    assert exactly.passed
    assert not baseline_report(setting(threshold=0.7001, max_drop=0), side("base"), answers(7)).checks[0].passed


def test_regression_passes_when_the_fall_is_exactly_what_is_allowed():
    def kept(max_drop: float) -> bool:
        both = (side("base"), answers(8)), (side("custom"), answers(7))
        return comparison_report(setting(threshold=0, max_drop=max_drop), *both).regressions[0].passed

    assert kept(0.1)
    assert not kept(0.0999)
