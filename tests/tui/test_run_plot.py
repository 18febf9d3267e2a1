"""The loss curve in cells: legible small and large, without colour, without braille, with very many points."""

import math
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from agent.tui import loss_chart
from agent.tui.loss_chart import ChartStyle, draw, sparkline, thinned
from agent.tui.viewmodels.run import Curve, Point
from agent.tui.widgets import loss_plot
from agent.tui.widgets.loss_plot import LossPlot


def curve(count: int, last: int = 311) -> tuple[Point, ...]:
    chance = random.Random(3)
    steps = [1 + round(index * (last - 1) / max(1, count - 1)) for index in range(count)]
    return tuple((step, 0.4 + 2.2 * math.exp(-step / (last / 4)) + chance.gauss(0, 0.03)) for step in steps)


EVALS = tuple((step, 0.5 + 2.2 * math.exp(-step / 80)) for step in range(50, 311, 50))


def text(rows: list[list[loss_chart.Run]]) -> list[str]:
    return ["".join(part for part, _ in row) for row in rows]


def test_chart_fills_its_size_and_names_first_and_last_step() -> None:
    rows = text(draw(curve(311), EVALS, 70, 14))
    assert len(rows) == 14
    assert {len(row) for row in rows} == {70}
    assert rows[-1].split()[0] == "1"
    assert rows[-1].split()[-1] == "311"
    assert [label for row in rows if (label := row[:4].strip(" ┤│┌└"))] == ["2.5", "2.0", "1.5", "1.0", "0.5"]


def test_chart_marks_training_and_validation_with_different_marks_and_roles() -> None:
    rows = draw(curve(311), EVALS, 70, 14)
    evals = "".join(part for row in rows for part, role in row if role == "eval")
    train = "".join(part for row in rows for part, role in row if role == "train")
    assert evals == "•" * len(EVALS)
    assert train
    assert all(0x2800 <= ord(character) <= 0x28FF for character in train)


def test_chart_is_all_ascii_when_asked() -> None:
    rows = text(draw(curve(311), EVALS, 70, 14, ChartStyle(ascii_only=True)))
    assert all(row.isascii() for row in rows)
    assert "".join(rows).count("o") == len(EVALS)


def test_chart_keeps_a_single_spike_among_100000_points() -> None:
    points = [(step, 1.0) for step in range(1, 100_001)]
    points[50_000] = (50_001, 9.0)
    kept = thinned(points, 70)
    assert len(kept) <= 2 * 70 + 2
    assert (50_001, 9.0) in kept
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert "8" in "".join(row[:4] for row in text(draw(points, (), 70, 14)))


def test_chart_on_a_logarithmic_scale_leaves_out_what_is_not_above_zero() -> None:
    points = [(1, 100.0), (2, 10.0), (3, 0.0), (4, 1.0), (5, 0.1)]
    rows = text(draw(points, (), 70, 14, ChartStyle(is_log=True)))
    labels = [label for row in rows if (label := row[:4].strip(" ┤│┌└"))]
    assert labels == ["100", "30", "10", "3", "1", "0.3", "0.1"]
    assert draw([(1, 0.0)], (), 70, 14, ChartStyle(is_log=True)) == []


@pytest.mark.parametrize("points", [[(1, 2.0)], [(5, 1.0), (6, 1.0)], [(1, 0.0)], [(1, -3.0), (2, 1e9)]])
def test_chart_draws_when_there_is_hardly_anything_to_draw(points: list[Point]) -> None:
    assert len(draw(points, (), 40, 12)) == 12


def test_sparkline_falls_with_the_loss() -> None:
    assert sparkline([(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)], 4) == "█▆▃▁"
    assert sparkline([(1, 4.0), (4, 1.0)], 4, ascii_only=True) == "#  ."
    assert sparkline([], 4) == ""


class PlotApp(App[None]):
    def __init__(self, height: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._height = height
        self._clock = clock

    def compose(self) -> ComposeResult:
        plot = LossPlot(ascii_only=False, clock=self._clock)
        plot.styles.height = self._height
        yield plot


async def drawn(pilot: Pilot[Any]) -> LossPlot:
    plot = pilot.app.query_one(LossPlot)
    plot.show(Curve(1, curve(311)), Curve(1, EVALS))
    await pilot.app.workers.wait_for_complete()
    await pilot.pause(0.2)
    return plot


def test_plot_is_drawn_with_the_theme_and_without_a_second_drawing_for_the_same_curve(
    drive: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    loss_chart.load()
    calls: list[int] = []
    real = loss_chart.draw

    def counted(*args: Any) -> Any:
        calls.append(1)
        return real(*args)

    monkeypatch.setattr(loss_chart, "draw", counted)

    async def script(pilot: Pilot[Any]) -> None:
        plot = await drawn(pilot)
        seen = len(calls)
        plot.show(Curve(1, curve(311)), Curve(1, EVALS))
        await pilot.pause(0.2)
        assert len(calls) == seen
        colours = {str(segment.style.color) for y in range(14) for segment in plot.render_line(y) if segment.style}
        assert len(colours) >= 3

    drive(PlotApp(14), script)


def test_plot_is_drawn_at_most_five_times_a_second(drive: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    calls: list[int] = []
    monkeypatch.setattr(loss_chart, "draw", lambda *args: calls.append(1) or [[("x", "train")]])

    async def script(pilot: Pilot[Any]) -> None:
        plot = await drawn(pilot)
        before = len(calls)
        for number in range(2, 50):
            plot.show(Curve(1, curve(number)), Curve())
        assert len(calls) == before
        now[0] += 0.2
        plot.show(Curve(1, curve(60)), Curve())
        assert len(calls) == before + 1

    drive(PlotApp(14, lambda: now[0]), script)


def test_plot_is_one_row_of_bars_when_it_is_low(drive: Callable[..., None], screen_text: Callable[..., str]) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        lines = screen_text(pilot.app).splitlines()
        assert lines[0].startswith("loss ██▇▇")
        assert lines[0].endswith(" 0.50")
        assert lines[1] == ""

    drive(PlotApp(9), script)


def test_plot_says_so_when_there_is_no_curve_yet(drive: Callable[..., None], screen_text: Callable[..., str]) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert screen_text(pilot.app).startswith("The curve begins with the first step.")

    drive(PlotApp(14), script)


@pytest.mark.parametrize(
    ("encoding", "terminal", "lacks"),
    [("UTF-8", "xterm-256color", False), ("ISO-8859-1", "xterm", True), ("utf8", "linux", True)],
)
def test_plot_does_without_braille_where_the_terminal_lacks_it(
    monkeypatch: pytest.MonkeyPatch, encoding: str, terminal: str, lacks: bool
) -> None:
    monkeypatch.setattr(loss_plot.locale, "getpreferredencoding", lambda _: encoding)
    monkeypatch.setenv("TERM", terminal)
    assert loss_plot.lacks_braille() is lacks
