import pytest

from tools.evaluation.figures import chance, luck, percent, points, span
from tools.evaluation.report import Difference, Interval


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.0, "100.0 %"), (0.99999, ">99.9 %"), (0.0, "0.0 %"), (0.0001, "<0.1 %"), (0.861, "86.1 %"), (-0.5, "-50.0 %")],
)
def test_percent_never_rounds_to_all_or_nothing(value: float, shown: str):
    assert percent(value) == shown


def test_figures_carry_their_intervals():
    assert span(Interval(value=0.861, low=0.848, high=0.873)) == "86.1 % (84.8 to 87.3 %)"
    difference = Difference(value=0.857, low=0.843, high=0.87, p=0.0, wins=9, ties=0, losses=0)
    assert points(difference) == "+85.7 points (+84.3 to +87.0)"
    assert (chance(0.0), chance(0.0123)) == ("p < 0.001", "p = 0.012")


@pytest.mark.parametrize(
    ("p", "often"),
    [
        (0.0, "less than 1 time in 1,000 (p < 0.001)"),
        (0.001, "about 1 time in 1,000 (p = 0.001)"),
        (0.0124, "about 12 times in 1,000 (p = 0.012)"),
        (0.0949, "about 95 times in 1,000 (p = 0.095)"),
        (0.375, "about 38 times in 100 (p = 0.375)"),
        (1.0, "about 100 times in 100 (p = 1.000)"),
    ],
)
def test_luck_is_told_in_words_with_its_figure(p: float, often: str):
    assert luck(p) == f"luck alone would do it {often}"
