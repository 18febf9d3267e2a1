"""Shares, differences and p-values as people read them, with their intervals. Loads nothing that computes."""

from tools.evaluation.report import Difference, Interval


def percent(value: float) -> str:
    """Return a share as percent, one decimal; a share short of 1 never reads 100.0 %, one above 0 never 0.0 %."""
    shown = round(100 * value, 1)
    if 0 < abs(value) < 1 and shown in {0.0, 100.0, -100.0}:
        sign = "-" if value < 0 else ""
        return f"{sign}<0.1 %" if shown == 0 else f"{sign}>99.9 %"
    return f"{shown:.1f} %"


def span(interval: Interval) -> str:
    """Return a value with its interval, as 86.1 % (84.8 to 87.3 %)."""
    return f"{percent(interval.value)} ({_plain(interval.low)} to {_plain(interval.high)} %)"


def points(difference: Difference) -> str:
    """Return a difference in percentage points with its interval, as +85.7 points (+84.3 to +87.0)."""
    return f"{100 * difference.value:+.1f} points ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"


def chance(p: float) -> str:
    """Return a p-value for people, as p = 0.012 or p < 0.001."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def luck(p: float) -> str:
    """Return a p-value in words, as `luck alone would do it less than 1 time in 1,000 (p < 0.001)`."""
    if p < 0.001:
        often = "less than 1 time in 1,000"
    elif p < 0.095:
        often = f"about {_times(1000 * p)} in 1,000"
    else:
        often = f"about {_times(100 * p)} in 100"
    return f"luck alone would do it {often} ({chance(p)})"


def _times(number: float) -> str:
    whole = max(1, round(number))
    return "1 time" if whole == 1 else f"{whole} times"


def _plain(value: float) -> str:
    return f"{100 * value:.1f}"
