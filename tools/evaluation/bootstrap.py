"""Macro-F1 with a bootstrap interval and a paired randomization test, by counting labels in resampled rows.

The definition of macro-F1 is that of `scorers.macro_f1`; everything here is seeded and gives the same figures again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tools.evaluation.compare import CONFIDENCE, mcnemar_p, newcombe, wilson
from tools.evaluation.report import Difference, Interval

NUM_RESAMPLES = 2000
_SEED = 20_250
_CELLS_AT_ONCE = 2_000_000
_CLOSE = 1e-12
_NORMAL = NormalDist()

_Codes: TypeAlias = NDArray[np.int64]
_Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class _Labels:
    """Answers as numbers: 0 … num_labels - 1 are the wanted labels, num_labels is anything else."""

    num_labels: int
    wanted: _Codes
    answered: tuple[_Codes, ...]

    def hits(self, side: int) -> _Codes:
        """Return the wanted label where the side is right, else the number of anything else."""
        return np.where(self.answered[side] == self.wanted, self.wanted, self.num_labels)


def macro_f1_interval(wanted: Sequence[str], answered: Sequence[str]) -> Interval:
    """Return macro-F1 with its bootstrap interval (BCa). Raises ValueError when there are no rows."""
    labels = _encode(wanted, answered)
    (resampled,) = _bootstrap(labels)
    return _interval(labels, 0, resampled)


def macro_f1_comparison(
    wanted: Sequence[str], base: Sequence[str], custom: Sequence[str]
) -> tuple[Interval, Interval, Difference]:
    """Return macro-F1 of both sides and their difference over the same rows.

    The intervals resample rows (paired BCa bootstrap, Efron 1987). The p-value swaps the two answers of each row at
    random (approximate randomization, Noreen 1989; Yeh 2000 for F-scores), which stays exact for few rows, where a
    bootstrap p is too small. wins, ties and losses count rows by right or wrong label.

    Raises:
        ValueError: there are no rows, or the sides differ in length.
    """
    labels = _encode(wanted, base, custom)
    old, new = _bootstrap(labels)
    right = [answered == labels.wanted for answered in labels.answered]
    wins = int((right[1] & ~right[0]).sum())
    losses = int((right[0] & ~right[1]).sum())
    both = int((right[0] & right[1]).sum())
    value = _statistic(labels, 1) - _statistic(labels, 0)
    changes = new - old
    if np.ptp(changes) < _CLOSE:
        low, high = newcombe(both, wins, losses, len(wanted) - both - wins - losses)
        p = mcnemar_p(wins, losses)
    else:
        low, high = _bca(value, changes, _jackknife(labels, 1) - _jackknife(labels, 0))
        p = _randomization_p(labels, value)
    difference = Difference(
        value=value,
        low=max(-1.0, min(low, value)),
        high=min(1.0, max(high, value)),
        p=p,
        wins=wins,
        ties=len(wanted) - wins - losses,
        losses=losses,
    )
    return _interval(labels, 0, old), _interval(labels, 1, new), difference


def _encode(wanted: Sequence[str], *sides: Sequence[str]) -> _Labels:
    if not wanted or any(len(side) != len(wanted) for side in sides):
        raise ValueError("macro-F1 needs the same rows, at least one, on every side")
    codes = {label: code for code, label in enumerate(sorted(set(wanted)))}

    def numbers(texts: Sequence[str]) -> _Codes:
        return np.fromiter((codes.get(text, len(codes)) for text in texts), dtype=np.int64, count=len(texts))

    return _Labels(len(codes), numbers(wanted), tuple(numbers(side) for side in sides))


def _f1_mean(hits: _Codes, answered: _Codes, rows: _Codes) -> _Values:
    """Return the mean over labels (last axis) with rows of 2 · hits / (answered + rows)."""
    present = rows > 0
    scores = np.where(present, 2 * hits / np.maximum(answered + rows, 1), 0.0)
    return scores.sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)


def _count(codes: _Codes, num_labels: int) -> _Codes:
    """Return how often each label stands in each line of `codes`; anything else is not counted."""
    lines = codes.shape[0]
    placed: _Codes = codes + np.arange(lines, dtype=np.int64)[:, None] * (num_labels + 1)
    counts = np.bincount(placed.ravel(), minlength=lines * (num_labels + 1))
    return counts.reshape(lines, num_labels + 1)[:, :num_labels]


def _statistic(labels: _Labels, side: int) -> float:
    parts = (labels.hits(side), labels.answered[side], labels.wanted)
    counted = [_count(part[None, :], labels.num_labels) for part in parts]
    return float(_f1_mean(*counted)[0])


def _chunks(cells_per_resample: int) -> Iterator[int]:
    size = max(1, _CELLS_AT_ONCE // max(1, cells_per_resample))
    for start in range(0, NUM_RESAMPLES, size):
        yield min(size, NUM_RESAMPLES - start)


def _bootstrap(labels: _Labels) -> list[_Values]:
    """Return macro-F1 of each side in every resample; all sides see the same resamples."""
    random = np.random.default_rng(_SEED)
    num_rows, num_labels = len(labels.wanted), labels.num_labels
    values: list[list[_Values]] = [[] for _ in labels.answered]
    for size in _chunks(num_rows + num_labels):
        drawn = random.integers(0, num_rows, (size, num_rows))
        rows = _count(labels.wanted[drawn], num_labels)
        for side, answered in enumerate(labels.answered):
            hits = _count(labels.hits(side)[drawn], num_labels)
            values[side].append(_f1_mean(hits, _count(answered[drawn], num_labels), rows))
    return [np.concatenate(side) for side in values]


def _randomization_p(labels: _Labels, value: float) -> float:
    """Return the share of random swaps of the sides with a difference at least as large, the observed one included."""
    random = np.random.default_rng(_SEED)
    num_labels = labels.num_labels
    differing = labels.answered[0] != labels.answered[1]
    old, new = (answered[differing] for answered in labels.answered)
    old_hits, new_hits = (labels.hits(side)[differing] for side in (0, 1))
    rows = _count(labels.wanted[None, :], num_labels)
    fixed_hits = _count(labels.hits(0)[~differing][None, :], num_labels)
    fixed = _count(labels.answered[0][~differing][None, :], num_labels)
    all_hits = _count(np.concatenate([old_hits, new_hits])[None, :], num_labels)
    everything = _count(np.concatenate([old, new])[None, :], num_labels)
    extreme = 0
    for size in _chunks(len(old) + num_labels):
        kept = random.integers(0, 2, (size, len(old)), dtype=np.bool_)
        hits = _count(np.where(kept, old_hits, new_hits), num_labels)
        answered = _count(np.where(kept, old, new), num_labels)
        one = _f1_mean(fixed_hits + hits, fixed + answered, rows)
        other = _f1_mean(fixed_hits + all_hits - hits, fixed + everything - answered, rows)
        extreme += int((np.abs(one - other) >= abs(value) - _CLOSE).sum())
    return (extreme + 1) / (NUM_RESAMPLES + 1)


def _interval(labels: _Labels, side: int, resampled: _Values) -> Interval:
    value = _statistic(labels, side)
    if np.ptp(resampled) < _CLOSE:
        # Every resample agrees, as when all rows are right: the bootstrap is blind, the share of right rows is not.
        low, high = wilson(int((labels.answered[side] == labels.wanted).sum()), len(labels.wanted))
    else:
        low, high = _bca(value, resampled, _jackknife(labels, side))
    return Interval(value=value, low=max(0.0, min(low, value)), high=min(1.0, max(high, value)))


def _bca(value: float, resampled: _Values, jackknife: _Values) -> tuple[float, float]:
    """Return the bias-corrected and accelerated limits. Source: Efron 1987, JASA 82:171-185.

    Where every resample lies on one side of the value the correction has no finite form; plain percentiles stand in.
    """
    below = (resampled < value - _CLOSE).sum() + (np.abs(resampled - value) <= _CLOSE).sum() / 2
    share = float(below) / len(resampled)
    tails = (0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2)
    if not 0 < share < 1:
        return _quantiles(resampled, tails)
    bias = _NORMAL.inv_cdf(share)
    spread = jackknife.mean() - jackknife
    scale = float((spread**2).sum()) ** 1.5
    acceleration = float((spread**3).sum()) / (6 * scale) if scale > 0 else 0.0
    moved: list[float] = []
    for tail in tails:
        point = bias + _NORMAL.inv_cdf(tail)
        divisor = 1 - acceleration * point
        if divisor <= 0:
            return _quantiles(resampled, tails)
        moved.append(_NORMAL.cdf(bias + point / divisor))
    return _quantiles(resampled, (moved[0], moved[1]))


def _quantiles(values: _Values, tails: tuple[float, float]) -> tuple[float, float]:
    low, high = np.quantile(values, tails)
    return float(low), float(high)


def _jackknife(labels: _Labels, side: int) -> _Values:
    """Return macro-F1 without each row in turn, from the counts of all rows."""
    num_labels, wanted, answered = labels.num_labels, labels.wanted, labels.answered[side]
    if len(wanted) == 1:
        return np.zeros(1)
    hits, guesses, rows = (_count(part[None, :], num_labels)[0] for part in (labels.hits(side), answered, wanted))
    score = 2 * hits / (guesses + rows)
    right = answered == wanted
    rows_left = rows[wanted] - 1
    own = 2 * (hits[wanted] - right) / np.maximum(guesses[wanted] - right + rows_left, 1)
    total = score.sum() - score[wanted] + np.where(rows_left > 0, own, 0.0)
    stray = ~right & (answered < num_labels)
    named = np.where(stray, answered, 0)
    fewer = 2 * hits[named] / np.maximum(guesses[named] - 1 + rows[named], 1)
    total += np.where(stray, fewer - score[named], 0.0)
    return total / np.maximum(num_labels - (rows_left == 0), 1)
