import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap

from tools.evaluation.bootstrap import macro_f1_comparison, macro_f1_interval
from tools.evaluation.scorers import macro_f1

ROW = st.tuples(*[st.sampled_from(["a", "b", "c", "stray"])] * 3)


def noisy(wanted: list[str], share_right: float, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [want if draw.random() < share_right else draw.choice("abcdex") for want in wanted]


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=40))
def test_comparison_contains_its_values_and_counts_every_row(rows: list[tuple[str, str, str]]):
    wanted, base, custom = ([row[side] for row in rows] for side in range(3))
    old, new, difference = macro_f1_comparison(wanted, base, custom)
    assert old.value == pytest.approx(macro_f1(wanted, base), abs=1e-12)
    assert new.value == pytest.approx(macro_f1(wanted, custom), abs=1e-12)
    assert difference.value == pytest.approx(new.value - old.value, abs=1e-12)
    for interval in (old, new):
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert -1 <= difference.low <= difference.value <= difference.high <= 1
    assert 0 < difference.p <= 1
    assert difference.wins + difference.ties + difference.losses == len(rows)


@settings(max_examples=20, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=40))
def test_comparison_turns_its_sign_when_the_sides_are_swapped(rows: list[tuple[str, str, str]]):
    wanted, base, custom = ([row[side] for row in rows] for side in range(3))
    there, back = macro_f1_comparison(wanted, base, custom)[2], macro_f1_comparison(wanted, custom, base)[2]
    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.high) == (pytest.approx(-back.high, abs=1e-6), pytest.approx(-back.low, abs=1e-6))
    assert there.p == back.p
    assert (there.wins, there.losses) == (back.losses, back.wins)


def test_interval_agrees_with_scipys_bca():
    wanted = list("abcde" * 30)
    answered = noisy(wanted, 0.7, 1)
    ours = macro_f1_interval(wanted, answered)
    codes = {name: code for code, name in enumerate("abcdex")}
    numbers = [np.array([codes[text] for text in side]) for side in (wanted, answered)]

    def value(want: np.ndarray, answer: np.ndarray) -> float:
        return macro_f1([str(code) for code in want], [str(code) for code in answer])

    theirs = scipy_bootstrap(
        numbers, value, paired=True, vectorized=False, n_resamples=1500, method="BCa", rng=np.random.default_rng(3)
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.015)
    assert ours.high == pytest.approx(theirs.high, abs=0.015)


def test_p_agrees_with_all_swaps_enumerated():
    wanted = list("aabbccddab")
    base = list("abbbcaadxb")
    custom = list("aabbccdxab")
    observed = abs(macro_f1(wanted, custom) - macro_f1(wanted, base))
    extreme = 0
    for swaps in itertools.product((False, True), repeat=len(wanted)):
        pairs = [(new, old) if swap else (old, new) for old, new, swap in zip(base, custom, swaps, strict=True)]
        one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        extreme += abs(macro_f1(wanted, other) - macro_f1(wanted, one)) >= observed - 1e-12
    p = macro_f1_comparison(wanted, base, custom)[2].p
    assert p == pytest.approx(extreme / 2 ** len(wanted), abs=0.04)


def test_interval_covers_the_true_value_about_as_often_as_it_says():
    draw = random.Random(5)

    def sample(num_rows: int) -> tuple[list[str], list[str]]:
        wanted = [draw.choice("abcde") for _ in range(num_rows)]
        return wanted, [want if draw.random() < 0.75 else draw.choice("abcde") for want in wanted]

    truth = macro_f1(*sample(200_000))
    covered = sum(found.low <= truth <= found.high for found in (macro_f1_interval(*sample(150)) for _ in range(60)))
    assert covered >= 52


def test_interval_is_wide_when_all_of_few_rows_are_right():
    interval = macro_f1_interval(["a", "b", "c"], ["a", "b", "c"])
    assert (interval.value, interval.high) == (1.0, 1.0)
    assert interval.low < 0.5


def test_interval_is_wide_when_all_of_few_rows_are_wrong():
    interval = macro_f1_interval(["a", "b", "c"], ["x", "x", "x"])
    assert (interval.value, interval.low) == (0.0, 0.0)
    assert interval.high > 0.5


def test_one_row_proves_nothing():
    difference = macro_f1_comparison(["a"], ["b"], ["a"])[2]
    assert (difference.value, difference.p, difference.wins) == (1.0, 1.0, 1)
    assert difference.low < 0


def test_identical_sides_show_no_difference():
    wanted = list("abcde" * 20)
    answered = noisy(wanted, 0.6, 2)
    difference = macro_f1_comparison(wanted, answered, answered)[2]
    assert (difference.value, difference.p, difference.ties) == (0.0, 1.0, 100)
    assert difference.low <= 0 <= difference.high


def test_figures_are_the_same_when_made_again_and_beside_another_side():
    wanted = list("abcde" * 20)
    base, custom = noisy(wanted, 0.6, 2), noisy(wanted, 0.8, 3)
    first = macro_f1_comparison(wanted, base, custom)
    assert macro_f1_comparison(wanted, base, custom) == first
    assert macro_f1_interval(wanted, base) == first[0]


def test_large_sets_with_many_labels_are_resampled_in_parts():
    draw = random.Random(7)
    wanted = [f"label {draw.randrange(77)}" for _ in range(3080)]
    base = [f"label {draw.randrange(77)}" for _ in wanted]
    custom = [want if draw.random() < 0.86 else "label 0" for want in wanted]
    old, new, difference = macro_f1_comparison(wanted, base, custom)
    assert old.high < 0.1 < 0.8 < new.low
    assert difference.p < 0.001


def test_macro_f1_is_refused_without_rows():
    with pytest.raises(ValueError, match="at least one"):
        macro_f1_interval([], [])
