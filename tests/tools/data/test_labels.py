import pytest

from tools.data.labels import are_labels, count_labels


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["yes", "no"] * 3, True),
        (["yes", "no"] * 2, False),
        (["yes"] * 50, False),
        ([f"label {number % 10}" for number in range(100)], True),
        ([f"label {number % 40}" for number in range(130)], False),
        (["a" * 100, "b"] * 10, False),
        (["a\nb", "b"] * 10, False),
        ([], False),
    ],
)
def test_answers_are_labels_when_short_ones_repeat(answers, expected):
    assert are_labels(count_labels(answers)) is expected
