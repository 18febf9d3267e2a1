"""Measures the run pane: processor time of one update of the loss curve, and of the pane while a job tells one step a
second. Goals: 20 ms an update with 100,000 points at 70×20; under 3 % of one core.

    OMP_NUM_THREADS=1 python -m tests.bench.screen_plot [SECONDS]
"""

import asyncio
import fcntl
import math
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from textual.app import App, ComposeResult

from agent.tui import loss_chart
from agent.tui.run_curve import CurveDraft
from agent.tui.viewmodels.run import Curve
from agent.tui.widgets.loss_plot import LossPlot
from agent.tui.widgets.run_pane import RunPane
from specs.layout import ProjectLayout
from tests.fakes import run_folder

UPDATES = 50
SIZE = (70, 20)


class OneWidget(App[None]):
    def __init__(self, widget: Any) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


def loss(step: int, scale: float) -> float:
    """Return a falling, noisy value."""
    return 0.4 + 2.2 * math.exp(-step / scale) + 0.05 * math.sin(step * 12.9898)


def curve(num_points: int) -> Curve:
    """Return a training of so many logged steps, thinned as the pane thins it."""
    draft = CurveDraft(Curve())
    for step in range(1, num_points + 1):
        draft.add(step, loss(step, num_points / 4))
    return draft.curve()


async def update_ms(num_points: int) -> float:
    """Return the processor time of one new point: drawing, and the rows on their way to the terminal."""
    ticks = iter(range(10**6))
    plot = LossPlot(ascii_only=False, clock=lambda: float(next(ticks)))
    draft = CurveDraft(curve(num_points))
    evals = Curve(1, tuple((num_points * part // 10, 0.5 + part / 20) for part in range(1, 11)))
    app = OneWidget(plot)
    async with app.run_test(size=SIZE) as pilot:
        plot.show(draft.curve(), evals)
        await app.workers.wait_for_complete()
        await pilot.pause()
        begun = time.process_time()
        for number in range(UPDATES):
            draft.add(num_points + number, 0.4)
            plot.show(draft.curve(), evals)
            for row in range(SIZE[1]):
                plot.render_line(row)
        return (time.process_time() - begun) / UPDATES * 1000


async def pane_percent(seconds: float) -> float:
    """Return the share of one core that the pane takes while a job tells a step a second."""
    with tempfile.TemporaryDirectory() as root:
        layout = ProjectLayout(Path(root))
        run = run_folder.make_run(layout, "r1")
        run_folder.launch(run, 1, time.time())
        run_folder.tell(run, *(run_folder.step(step, loss(step, 80)) for step in range(1, 300)))
        ended = threading.Event()

        def work() -> None:
            step = 300
            while not ended.wait(1.0):
                run_folder.tell(run, run_folder.step(step, loss(step, 80)))
                step += 1

        with run_folder.lock(run).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            pane = RunPane(layout)
            pane.follow("r1")
            app = OneWidget(pane)
            async with app.run_test(size=(110, 40)):
                worker = threading.Thread(target=work)
                worker.start()
                await asyncio.sleep(3)
                begun, wall = time.process_time(), time.monotonic()
                await asyncio.sleep(seconds)
                used, wall = time.process_time() - begun, time.monotonic() - wall
                ended.set()
                worker.join()
            return 100 * used / wall


def main() -> None:
    """Print the figures."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    begun = time.process_time()
    loss_chart.load()
    print(f"import of plotext: {(time.process_time() - begun) * 1000:.0f} ms CPU (in a thread, when the pane opens)")
    for num_points in (100, 10_000, 100_000):
        print(f"update with {num_points:>7,} points at 70×20: {asyncio.run(update_ms(num_points)):.1f} ms CPU")
    print(f"pane with a step a second: {asyncio.run(pane_percent(seconds)):.1f} % of one core ({os.cpu_count()} cores)")


if __name__ == "__main__":
    main()
