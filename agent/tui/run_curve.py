"""Thins a series of points as it grows. Numbers only."""

from collections.abc import Iterable
from itertools import groupby

from agent.tui.viewmodels.run import Curve, Point

MAX_POINTS = 2048
"""A wider terminal than 500 columns is not expected; above this many points neighbours share buckets twice as wide."""


class CurveDraft:
    """A curve that is being added to."""

    def __init__(self, curve: Curve) -> None:
        self._width = curve.width
        self._points = list(curve.points)

    def add(self, step: int, value: float) -> None:
        """Add a point; it replaces those at or after its step."""
        if self._points and step <= self._points[-1][0]:
            self.cut(step - 1)
        points = self._points
        bucket = step // self._width
        start = len(points)
        while start > 0 and points[start - 1][0] // self._width == bucket:
            start -= 1
        points[start:] = _thinned([*points[start:], (step, value)])
        if len(points) > MAX_POINTS:
            self._widen()

    def cut(self, step: int) -> None:
        """Drop the points after a step."""
        points = self._points
        while points and points[-1][0] > step:
            points.pop()

    def curve(self) -> Curve:
        """Return what it has become."""
        return Curve(self._width, tuple(self._points))

    def _widen(self) -> None:
        while len(self._points) > MAX_POINTS // 2:
            self._width *= 2
            self._points = regrouped(self._points, self._width)


def regrouped(points: Iterable[Point], width: int) -> list[Point]:
    """Return the first, lowest, highest and last point of each bucket of `width` steps."""
    kept: list[Point] = []
    for _, group in groupby(points, key=lambda point: point[0] // width):
        kept.extend(_thinned(list(group)))
    return kept


def _thinned(group: list[Point]) -> list[Point]:
    if len(group) <= 3:
        return group
    lowest = min(group, key=lambda point: point[1])
    highest = max(group, key=lambda point: point[1])
    return sorted({group[0], lowest, highest, group[-1]})
