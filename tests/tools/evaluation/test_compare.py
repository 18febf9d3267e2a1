import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tools.evaluation.compare import detectable_gain, holm, mcnemar_p, newcombe, paired_difference, share, wilson
from tools.evaluation.report import Difference

MARKS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200)


@given(st.integers(1, 3000).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_wilson_agrees_with_its_closed_form_and_contains_the_value(counts: tuple[int, int]):
    right, rows = counts
    low, high = wilson(right, rows)
    z, p = 1.959963984540054, right / rows
    centre = (p + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    assert low == pytest.approx(min(p, centre - half), abs=1e-9)
    assert high == pytest.approx(max(p, centre + half), abs=1e-9)
    assert 0 <= low <= p <= high <= 1


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (6, 0), (5, 1), (20, 8), (3, 3), (2640, 3)])
def test_mcnemar_agrees_with_a_count_of_all_outcomes(wins: int, losses: int):
    total = wins + losses
    tail = sum(math.comb(total, count) for count in range(min(wins, losses) + 1))
    assert mcnemar_p(wins, losses) == pytest.approx(min(1.0, 2 * tail / 2**total), abs=1e-12)


def test_mcnemar_agrees_with_enumerated_swaps():
    wins, losses = 7, 2
    signs = list(product((1, -1), repeat=wins + losses))
    extreme = sum(abs(sum(sign)) >= wins - losses for sign in signs)
    assert mcnemar_p(wins, losses) == pytest.approx(extreme / len(signs))


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [((36, 12, 2, 0), 0.0569, 0.3404), ((54, 0, 0, 0), -0.0664, 0.0664), ((0, 30, 0, 0), 0.8395, 1.0)],
)
def test_newcombe_gives_the_published_limits(cells: tuple[int, int, int, int], low: float, high: float):
    assert newcombe(*cells) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(MARKS)
def test_paired_difference_contains_its_value_and_counts_every_row(marks: list[tuple[bool, bool]]):
    base, custom = [mark[0] for mark in marks], [mark[1] for mark in marks]
    found = paired_difference(base, custom)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert 0 <= found.p <= 1
    assert found.wins + found.ties + found.losses == len(marks)
    assert found.value == pytest.approx(share(custom).value - share(base).value)


@given(MARKS)
def test_paired_difference_turns_its_sign_when_the_sides_are_swapped(marks: list[tuple[bool, bool]]):
    base, custom = [mark[0] for mark in marks], [mark[1] for mark in marks]
    there, back = paired_difference(base, custom), paired_difference(custom, base)
    assert (there.value, there.p) == (-back.value, back.p)
    assert (there.low, there.high) == (pytest.approx(-back.high), pytest.approx(-back.low))
    assert (there.wins, there.losses) == (back.losses, back.wins)


@pytest.mark.parametrize("rows", [1, 2, 3080])
def test_identical_sides_show_no_difference(rows: int):
    found = paired_difference([True] * rows, [True] * rows)
    assert (found.value, found.p, found.ties) == (0, 1.0, rows)
    assert found.low < 0 < found.high


def test_one_row_proves_nothing():
    found = paired_difference([False], [True])
    assert (found.value, found.p) == (1.0, 1.0)
    assert found.low < 0


def test_shares_and_differences_are_refused_without_rows():
    with pytest.raises(ValueError, match="at least one"):
        share([])
    with pytest.raises(ValueError, match="at least one"):
        paired_difference([], [])
    with pytest.raises(ValueError, match="both sides"):
        paired_difference([True], [True, False])


def test_holm_gives_the_textbook_correction():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.6, 0.7]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]):
    corrected = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, corrected, strict=True))
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    assert [corrected[index] for index in order] == sorted(corrected)


@pytest.mark.parametrize("base", [0.0, 0.3, 0.5, 0.9])
def test_detectable_gain_needs_the_rows_of_connors_formula(base: float):
    gain = detectable_gain(500, base)
    assert gain is not None
    differing = base * (1 - base - gain) + (base + gain) * (1 - base)
    rows = (1.959964 * math.sqrt(differing) + 0.841621 * math.sqrt(differing - gain**2)) ** 2 / gain**2
    assert rows == pytest.approx(500, rel=1e-3) or gain == pytest.approx(6 / 500)


def test_detectable_gain_shrinks_with_more_rows():
    gains = [detectable_gain(rows, 0.5) for rows in (50, 100, 1000, 10_000)]
    assert gains == sorted(gains, key=lambda gain: -(gain or 0))
    assert binomtest(6, 6).pvalue < 0.05 < binomtest(5, 5).pvalue


@pytest.mark.parametrize(("rows", "base"), [(1, 0.0), (5, 0.0), (10, 0.9), (1000, 1.0)])
def test_detectable_gain_is_none_when_no_gain_can_be_shown(rows: int, base: float):
    assert detectable_gain(rows, base) is None


def test_differences_hold_finite_numbers_only():
    with pytest.raises(ValueError, match="finite"):
        Difference(value=math.nan, low=0, high=0, p=1, wins=0, ties=0, losses=0)
