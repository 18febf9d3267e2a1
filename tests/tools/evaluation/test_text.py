import pytest

from tools.evaluation.report import EvaluationReport
from tools.evaluation.side_by_side import side_by_side
from tools.evaluation.text import cell_width, labels_text, report_text, side_by_side_text, wrap


@pytest.mark.parametrize("width", [40, 80, 140])
def test_every_text_stays_within_the_width(evaluated: EvaluationReport, width: int):
    text = report_text(evaluated, width) + side_by_side_text(side_by_side(evaluated, 40), width)
    assert max(cell_width(line) for line in text.splitlines()) <= width


def test_report_shows_values_with_intervals_in_a_table_when_80_wide(evaluated: EvaluationReport):
    lines = report_text(evaluated, 80).splitlines()
    (accuracy,) = [line for line in lines if line.startswith("accuracy  ")]
    assert "✓ 75.0" in accuracy
    check = evaluated.checks[0]
    assert check.custom is not None
    assert f"{100 * check.custom.value:.1f} ({100 * check.custom.low:.1f}…{100 * check.custom.high:.1f})" in accuracy


def test_report_escapes_what_models_answered(evaluated: EvaluationReport):
    rows = side_by_side(evaluated, 40)
    for width in (80, 140):
        text = report_text(evaluated, width) + side_by_side_text(rows, width)
        assert "\x1b" not in text
        assert "\\x1b" in text


def test_report_names_the_worst_labels_and_confusions(evaluated: EvaluationReport):
    text = labels_text(evaluated, 80)
    assert "Worst labels" in text
    assert "Most frequent wrong answers" in text
    assert any(line.split() == ["card", "loan", "1"] for line in text.splitlines())


def test_report_never_claims_improvement_when_the_test_does_not_show_it(evaluated: EvaluationReport):
    check = evaluated.checks[0]
    assert check.difference is not None
    unclear = check.model_copy(update={"difference": check.difference.model_copy(update={"p": 0.2})})
    from tools.evaluation.verdict import judged

    verdict = judged([unclear], [])
    text = report_text(evaluated.model_copy(update={"checks": (unclear,), "verdict": verdict}), 200)
    assert "better" not in text
    assert "no difference from the base model is shown" in text


def test_side_by_side_puts_the_answers_in_columns_when_wide(evaluated: EvaluationReport):
    rows = side_by_side(evaluated, 4)
    assert any("base" in line and "custom" in line for line in side_by_side_text(rows, 140).splitlines())
    assert not any("base " in line and "custom " in line for line in side_by_side_text(rows, 80).splitlines())


def test_side_by_side_says_so_when_there_are_no_rows():
    assert side_by_side_text([], 80) == "No rows to show.\n"


@pytest.mark.parametrize(
    ("text", "size", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("你好世界", 4, ["你好", "世界"]),
        ("", 5, [""]),
        ("a\nb", 5, ["a", "b"]),
    ],
)
def test_wrap_breaks_by_columns(text: str, size: int, lines: list[str]):
    assert wrap(text, size) == lines
