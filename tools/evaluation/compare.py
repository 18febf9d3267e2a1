"""Intervals and paired tests for shares of right answers, and what a number of rows can show at all.

All intervals are at 95 %. Macro-F1 is no share and has its own module, `bootstrap`.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, cast

import scipy.stats

from tools.evaluation.report import Difference, Interval

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf(0.5 + CONFIDENCE / 2)
_stats = cast("Any", scipy.stats)


def share(right: Sequence[bool]) -> Interval:
    """Return the share of right answers with its Wilson interval.

    Source: Wilson 1927, as scipy.stats.binomtest(...).proportion_ci(method="wilson").

    Raises:
        ValueError: there are no rows.
    """
    low, high = wilson(sum(right), len(right))
    return Interval(value=sum(right) / len(right), low=low, high=high)


def wilson(num_right: int, num_rows: int) -> tuple[float, float]:
    """Return the Wilson interval of num_right / num_rows, which always contains it. Raises ValueError for no rows."""
    if num_rows < 1:
        raise ValueError("a share needs at least one row")
    value = num_right / num_rows
    found = _stats.binomtest(num_right, num_rows).proportion_ci(CONFIDENCE, method="wilson")
    return max(0.0, min(value, float(found.low))), min(1.0, max(value, float(found.high)))


def paired_difference(base: Sequence[bool], custom: Sequence[bool]) -> Difference:
    """Return custom minus base over the same rows: Newcombe's paired interval and the exact McNemar test.

    Raises:
        ValueError: there are no rows, or the sides differ in length.
    """
    if not base or len(base) != len(custom):
        raise ValueError("a paired difference needs the same rows, at least one, on both sides")
    wins = sum(new and not old for old, new in zip(base, custom, strict=True))
    losses = sum(old and not new for old, new in zip(base, custom, strict=True))
    both = sum(old and new for old, new in zip(base, custom, strict=True))
    low, high = newcombe(both, wins, losses, len(base) - both - wins - losses)
    return Difference(
        value=(wins - losses) / len(base),
        low=low,
        high=high,
        p=mcnemar_p(wins, losses),
        wins=wins,
        ties=len(base) - wins - losses,
        losses=losses,
    )


def mcnemar_p(wins: int, losses: int) -> float:
    """Return the two-sided exact McNemar p: a binomial test of the rows on which the sides differ; 1 when none does."""
    return float(_stats.binomtest(wins, wins + losses, 0.5).pvalue) if wins + losses else 1.0


def newcombe(both: int, wins: int, losses: int, neither: int) -> tuple[float, float]:
    """Return the interval of the difference of two paired shares.

    Source: Newcombe 1998, Statistics in Medicine 17:2635-2650, method 10 (Wilson limits of both shares, joined by the
    continuity-corrected correlation of the pairs).
    """
    rows = both + wins + losses + neither
    custom, base = (both + wins) / rows, (both + losses) / rows
    custom_low, custom_high = wilson(both + wins, rows)
    base_low, base_high = wilson(both + losses, rows)
    phi = _correlation(both, wins, losses, neither)
    value = (wins - losses) / rows
    below = _distance(custom - custom_low, base_high - base, phi)
    above = _distance(custom_high - custom, base - base_low, phi)
    return max(-1.0, value - below), min(1.0, value + above)


def _correlation(both: int, wins: int, losses: int, neither: int) -> float:
    product = math.sqrt((both + wins) * (losses + neither)) * math.sqrt((both + losses) * (wins + neither))
    if product == 0:
        return 0.0
    cross = both * neither - wins * losses
    rows = both + wins + losses + neither
    return (max(0.0, cross - rows / 2) if cross > 0 else cross) / product


def _distance(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for being several, in their own order. Source: Holm 1979."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[index])
        corrected[index] = min(1.0, largest)
    return corrected


def detectable_gain(num_rows: int, base: float, power: float = 0.8) -> float | None:
    """Return the smallest gain over `base` that a paired test on `num_rows` rows finds with `power`, None for none.

    Smallest d with (z_a·√s + z_b·√(s − d²))² / d² ≤ num_rows, where s is the share of rows on which the two models
    differ if their errors are independent: s = base·(1 − base − d) + (base + d)·(1 − base). That is cautious, since
    real models share errors. Source: Connor 1987, Biometrics 43:207-211. Never below the gain of the fewest rows the
    exact McNemar test can call significant (6 wins, no loss).
    """
    headroom = 1 - base
    z_power = _NORMAL.inv_cdf(power)

    def found(gain: float) -> bool:
        differing = base * (headroom - gain) + (base + gain) * headroom
        spread = _Z * math.sqrt(differing) + z_power * math.sqrt(max(0.0, differing - gain * gain))
        return spread * spread / (gain * gain) <= num_rows

    fewest = next(wins for wins in range(1, 64) if mcnemar_p(wins, 0) < SIGNIFICANCE) / num_rows
    if fewest > headroom or headroom <= 0 or not found(headroom):
        return None
    low, high = 0.0, headroom
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return max(high, fewest)
