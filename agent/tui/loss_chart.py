"""Draws the loss curve into cells with plotext. Text and roles only: colours are the widget's business."""

import importlib
import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from agent.tui.viewmodels.run import Point

Role: TypeAlias = Literal["", "train", "eval", "axis"]
Run: TypeAlias = tuple[str, Role]
"""Text of one role within a row."""

_ROLES: tuple[Role, ...] = ("", "train", "eval", "axis")
_LOCK = threading.Lock()
"""The library draws on one figure of its own."""
_CODES = re.compile(r"\x1b\[([0-9;]*)m")
_ASCII = str.maketrans({"─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "┤": "+", "├": "+", "┬": "+"})
_SPARKS = " ▁▂▃▄▅▆▇█"
_ASCII_SPARKS = " ._-~=+*#"
_MARGIN = 0.04


@dataclass(frozen=True)
class ChartStyle:
    """How a chart is drawn."""

    is_log: bool = False
    ascii_only: bool = False

    @property
    def markers(self) -> tuple[str, str]:
        """Return the markers of training and validation."""
        return (".", "o") if self.ascii_only else ("braille", "•")


def load() -> None:
    """Import the drawing library. For a thread: it takes a tenth of a second and more."""
    importlib.import_module("plotext")


def thinned(points: Sequence[Point], columns: int) -> list[Point]:
    """Return the lowest and the highest point of each column, and the first and last point of all."""
    if len(points) <= 2 * columns:
        return list(points)
    first, last = points[0][0], points[-1][0]
    span = max(1, last - first)
    low: dict[int, Point] = {}
    high: dict[int, Point] = {}
    for point in points:
        column = (point[0] - first) * columns // (span + 1)
        if column not in low or point[1] < low[column][1]:
            low[column] = point
        if column not in high or point[1] > high[column][1]:
            high[column] = point
    return sorted({points[0], *low.values(), *high.values(), points[-1]})


def draw(
    train: Sequence[Point], evals: Sequence[Point], width: int, height: int, style: ChartStyle = ChartStyle()
) -> list[list[Run]]:
    """Return the rows of a chart of two series, at least one of which has a point."""
    scale = math.log10 if style.is_log else float
    shown = [
        [(step, scale(value)) for step, value in thinned(points, width) if value > 0 or not style.is_log]
        for points in (train, evals)
    ]
    everything = shown[0] + shown[1]
    if not everything:
        return []
    x_low, x_high = min(point[0] for point in everything), max(point[0] for point in everything)
    y_low, y_high = min(point[1] for point in everything), max(point[1] for point in everything)
    pad = (y_high - y_low) * _MARGIN or abs(y_high) * _MARGIN or 1.0
    # a loss near zero ends on the axis, not below it
    is_near_zero = not style.is_log and 0 <= y_low <= pad * 2
    y_low, y_high = 0.0 if is_near_zero else y_low - pad, y_high + pad
    x_high = max(x_high, x_low + 1)
    with _LOCK:
        plotext: Any = importlib.import_module("plotext")
        figure = _figure(plotext, width, height)
        for points, marker, code in zip(shown, style.markers, (1, 2), strict=True):
            if points:
                pixel = plotext.pixel(foreground=code)
                signal = figure.signal(
                    [point[0] for point in points],
                    [point[1] for point in points],
                    marker=plotext.marker(marker, pixel),
                )
                figure.draw(signal.lines(code == 1))
        _ruler(plotext, figure, "x", (x_low, x_high), _steps(x_low, x_high, width))
        _ruler(plotext, figure, "y", (y_low, y_high), _values(y_low, y_high, height, is_log=style.is_log))
        text: str = figure.build().string()
    rows = [_runs(line) for line in text.rstrip("\n").split("\n")]
    return [[(part.translate(_ASCII), role) for part, role in row] for row in rows] if style.ascii_only else rows


def sparkline(points: Sequence[Point], width: int, *, ascii_only: bool = False) -> str:
    """Return a series as one row of bars, the highest value the tallest."""
    if not points or width < 1:
        return ""
    levels = _ASCII_SPARKS if ascii_only else _SPARKS
    first, span = points[0][0], max(1, points[-1][0] - points[0][0])
    columns: dict[int, float] = {}
    for step, value in points:
        columns[(step - first) * width // (span + 1)] = value
    low, high = min(columns.values()), max(columns.values())
    scale = (len(levels) - 2) / (high - low) if high > low else 0.0
    return "".join(
        levels[1 + round((columns[column] - low) * scale)] if column in columns else " " for column in range(width)
    )


def _figure(plotext: Any, width: int, height: int) -> Any:
    # The size is the widget's, whatever the terminal's may be.
    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear()
    figure.plot_size(width, height)
    figure.theme("colorless")
    figure.legend(False)
    figure.axes(pixel=plotext.pixel(foreground=3))
    return figure


def _ruler(
    plotext: Any, figure: Any, axis: str, limits: tuple[float, float], ticks: tuple[list[float], list[str]]
) -> None:
    ruler = figure.ruler(axis)
    ruler.lim(*limits)
    ruler.ticks(*ticks)
    ruler.pixel(plotext.pixel(foreground=3))


def _steps(low: float, high: float, width: int) -> tuple[list[float], list[str]]:
    positions = _round_numbers(low, high, max(2, width // 14), least=1.0)
    # The first and the last step are what a person looks for.
    gap = (high - low) / max(1, width) * 6
    inner = [position for position in positions if low + gap < position < high - gap]
    chosen = [low, *inner, high]
    return chosen, [f"{position:.0f}" for position in chosen]


def _values(low: float, high: float, height: int, *, is_log: bool) -> tuple[list[float], list[str]]:
    count = max(3, height // 2)
    if is_log:
        values = _log_values(10**low, 10**high, count)
        return [math.log10(value) for value in values], [f"{value:.3g}" for value in values]
    positions = _round_numbers(low, high, count)
    step = positions[1] - positions[0] if len(positions) > 1 else 1.0
    decimals = max(0, min(6, -math.floor(math.log10(step) + 1e-9)))
    return positions, [f"{value:.{decimals}f}" for value in positions]


def _log_values(low: float, high: float, count: int) -> list[float]:
    if high / low < 10:
        return [value for value in _round_numbers(low, high, count) if value > 0]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**power for power in powers for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) <= count:
            break
    return found[:: -(-len(found) // count)]


def _round_numbers(low: float, high: float, count: int, least: float = 0.0) -> list[float]:
    """Return about `count` round numbers between two values."""
    rough = max((high - low) / count, least, 1e-12)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    begin = math.ceil(low / step - 1e-9)
    return [number * step for number in range(begin, math.floor(high / step + 1e-9) + 1)]


def _runs(line: str) -> list[Run]:
    runs: list[Run] = []
    role: Role = ""
    position = 0
    for match in _CODES.finditer(line):
        if match.start() > position:
            runs.append((line[position : match.start()], role))
        position = match.end()
        codes = match[1].split(";")
        if codes[:2] == ["38", "5"]:
            role = _ROLES[int(codes[2])] if int(codes[2]) < len(_ROLES) else ""
        elif codes == ["0"]:
            role = ""
    if position < len(line):
        runs.append((line[position:], role))
    return runs
