"""The run pane on a screen: each kind of run, small and large, what keys ask for, and that it reads the directory."""

import math
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from agent.tui import run_machine
from agent.tui.messages import Failed, StopRunWanted
from agent.tui.viewmodels.run import MachineView, RunView
from agent.tui.widgets import run_pane
from agent.tui.widgets.loss_plot import LossPlot
from agent.tui.widgets.run_log import RunLog
from agent.tui.widgets.run_pane import RunPane
from specs.events import CheckpointSaved, Evaluated, Progress, Sample, Serving, Started
from specs.layout import ProjectLayout, RunLayout
from tests.fakes import run_folder as folder

SIZES = ((80, 24), (140, 40))
NASTY = "[/x] [=1] [bold]x \x1b[31mred \u202eabc\u200b 漢字 🎉 " + "y" * 100_000


class PaneScreen(Screen[None]):
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-narrow"), (110, "-wide")]

    def __init__(self, layout: ProjectLayout, run_id: str | None) -> None:
        super().__init__()
        self._layout = layout
        self._run_id = run_id

    def compose(self) -> ComposeResult:
        yield Static("header\nstages")
        pane = RunPane(self._layout)
        pane.follow(self._run_id)
        yield pane
        yield Static("prompt\n\n\nstatus\nkeys")

    def on_mount(self) -> None:
        self.query_one(RunPane).focus()


class PaneApp(App[None]):
    def __init__(self, layout: ProjectLayout, run_id: str | None = "r7") -> None:
        super().__init__()
        self._screen = PaneScreen(layout, run_id)
        self.heard: list[Any] = []

    def get_default_screen(self) -> Screen[None]:
        return self._screen

    def on_stop_run_wanted(self, message: StopRunWanted) -> None:
        self.heard.append(message)

    def on_failed(self, message: Failed) -> None:
        self.heard.append(message)


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fix what differs from machine to machine: time zone, terminal, what processes use."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TERM", "xterm-256color")
    time.tzset()
    monkeypatch.setattr(run_pane, "now", lambda: folder.BEGIN + 100)
    use = MachineView(cpu_percent=93.0, memory_bytes=812_000_000, peak_bytes=1_240_000_000)
    monkeypatch.setattr(run_machine.JobMeter, "read", lambda self, *, with_gpu: use)


def started(task: str = "train", resumed_from: int | None = None) -> Started:
    return Started.model_validate(
        {
            "time": folder.BEGIN,
            "task": task,
            "pid": 1,
            "device": "cpu",
            "dtype": "bf16",
            "threads": 2,
            "num_parameters": 10,
            "num_trainable": 10,
            "num_examples": 252,
            "total_steps": 500 if task == "train" else 0,
            "resumed_from": resumed_from,
        }
    )


def train(layout: ProjectLayout, steps: int = 312, run_id: str = "r7") -> RunLayout:
    """Write a training that stands at a step."""
    run = folder.make_run(layout, run_id)
    folder.launch(run)
    folder.tell(run, started())
    folder.write_log(run, "10:00:00 started train on cpu (bf16, threads: 2)", "UserWarning: [bold]use_cache[/bold]")
    for number in range(1, steps + 1):
        wave = 0.05 * math.sin(number) + 0.03 * math.cos(7 * number)
        folder.tell(run, folder.step(number, 0.4 + 2.2 * math.exp(-number / 80) + wave))
        at = folder.BEGIN + 2.9 * number
        if number % 50 == 0:
            folder.tell(run, Evaluated(time=at, step=number, metrics={"loss": 0.5 + 2.1 * math.exp(-number / 80)}))
        if number % 100 == 0:
            folder.tell(
                run,
                CheckpointSaved(time=at, step=number, path="x", size_bytes=4_300_000),
                Sample(time=at, step=number, prompt="My card is [lost].", completion="card", expected="lost_card"),
            )
    return run


async def until(pilot: Pilot[Any], holds: Callable[[], bool]) -> None:
    """Let the app work until something holds."""
    for _ in range(400):
        await pilot.pause(0.01)
        if holds():
            break
    else:
        raise AssertionError("waited too long")


async def settled(pilot: Pilot[Any], done: int | None = None) -> RunPane:
    """Wait until the pane has shown its run, and its plot is drawn."""
    pane = pilot.app.screen.query_one(RunPane)
    await until(pilot, lambda: pane.view is not None and (done is None or pane.view.done == done))
    assert pane.view is not None
    plot = pane.query_one(LossPlot)
    if pane.view.train.points and plot.display:
        await until(pilot, lambda: plot.size.height > 0 and len(plot.text_rows()) == plot.size.height)
        await until(pilot, lambda: "begins" not in plot.text_rows()[0])
    await pilot.pause(0.05)
    return pane


async def drawn(pilot: Pilot[Any]) -> None:
    """Wait until the pane has shown its run and the screen has stood still for longer than the plot may wait."""
    await settled(pilot)
    before, num_same = None, 0
    for _ in range(100):
        await pilot.pause(0.05)
        rows = [strip.text for strip in pilot.app.screen._compositor.render_strips()]
        num_same = num_same + 1 if rows == before else 0
        before = rows
        if num_same == 5:
            return
    raise AssertionError("the screen did not come to rest")


@pytest.mark.parametrize("size", SIZES)
def test_pane_shows_training(
    layout: ProjectLayout, live: Any, drive: Any, screen_text: Any, screen_snapshot: SnapshotAssertion, size: Any
) -> None:
    live(train(layout))

    async def script(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        assert screen_text(pilot.app) == screen_snapshot(name=f"training-{size[0]}")

    freeze_seconds(layout)
    drive(PaneApp(layout), script, size)


def freeze_seconds(layout: ProjectLayout) -> None:
    """Let the launch have begun 15 minutes before now, so that the time spent reads the same for 18 s."""
    begun = time.time() - 900
    run = layout.run("r7")
    offset = 0
    (run.run_dir / "started-1").write_text(f'{{"time": {begun}, "events_offset": {offset}}}')


@pytest.mark.parametrize("size", SIZES)
def test_pane_shows_rows_being_answered(
    layout: ProjectLayout, live: Any, drive: Any, screen_text: Any, screen_snapshot: SnapshotAssertion, size: Any
) -> None:
    run = folder.make_run(layout, "r7", folder.GENERATE, "evaluate")
    told = Progress(time=folder.BEGIN + 15, done=120, total=252, elapsed_s=15)
    folder.tell(run, started("generate"), told)
    live(run)

    async def script(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        assert screen_text(pilot.app) == screen_snapshot(name=f"evaluating-{size[0]}")

    freeze_seconds(layout)
    drive(PaneApp(layout), script, size)


@pytest.mark.parametrize("size", SIZES)
def test_pane_shows_serving(
    layout: ProjectLayout, live: Any, drive: Any, screen_text: Any, screen_snapshot: SnapshotAssertion, size: Any
) -> None:
    run = folder.make_run(layout, "r7", folder.SERVE, "deploy")
    url, models = "http://127.0.0.1:36383/v1", ("seedling", "tickets@1")
    folder.tell(
        run, started("serve"), Serving(time=folder.BEGIN, url=url, models=models, expires_at=folder.BEGIN + 3600)
    )
    live(run)

    async def script(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        assert screen_text(pilot.app) == screen_snapshot(name=f"serving-{size[0]}")

    freeze_seconds(layout)
    drive(PaneApp(layout), script, size)


@pytest.mark.parametrize("size", SIZES)
def test_pane_shows_why_a_training_failed(
    layout: ProjectLayout, drive: Any, screen_text: Any, screen_snapshot: SnapshotAssertion, size: Any
) -> None:
    run = train(layout)
    hint = "Set batch_size to 4 in spec.yaml, then say `go on`."
    folder.tell(run, folder.finished("failed", "The memory was used up in step 313.", hint, folder.BEGIN + 906))
    folder.end(run, rc=1, time=folder.BEGIN + 907)

    async def script(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        assert screen_text(pilot.app) == screen_snapshot(name=f"failed-{size[0]}")

    drive(PaneApp(layout), script, size)


@pytest.mark.parametrize("size", SIZES)
def test_pane_says_that_there_is_no_run(
    layout: ProjectLayout, drive: Any, screen_text: Any, screen_snapshot: SnapshotAssertion, size: Any
) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        assert screen_text(pilot.app) == screen_snapshot(name=f"empty-{size[0]}")

    drive(PaneApp(layout, None), script, size)


def test_pane_is_drawn_in_ascii_without_colour(
    layout: ProjectLayout,
    live: Any,
    drive: Any,
    screen_text: Any,
    screen_snapshot: SnapshotAssertion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    live(train(layout))

    async def script(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        assert screen_text(pilot.app) == screen_snapshot(name="ascii-80")

    freeze_seconds(layout)
    drive(PaneApp(layout), script)


def test_pane_shows_the_curve_in_one_row_and_the_log_when_it_is_low(
    layout: ProjectLayout, live: Any, drive: Any, screen_text: Any, screen_snapshot: SnapshotAssertion
) -> None:
    live(train(layout))

    async def script(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        assert screen_text(pilot.app) == screen_snapshot(name="training-60")

    freeze_seconds(layout)
    drive(PaneApp(layout), script, (60, 20))


def test_pane_shows_the_whole_curve_and_log_when_it_is_opened_again(
    layout: ProjectLayout, live: Any, drive: Any
) -> None:
    run = train(layout, 20)
    live(run)
    seen: list[tuple[RunView, list[str]]] = []

    async def script(pilot: Pilot[Any]) -> None:
        pane = await settled(pilot)
        assert pane.view is not None
        seen.append((pane.view, list(pane.query_one(RunLog).lines)))

    drive(PaneApp(layout), script, (140, 40))
    folder.tell(run, *(folder.step(number, 1.0) for number in range(21, 41)))
    drive(PaneApp(layout), script, (140, 40))
    (first, first_log), (second, second_log) = seen
    assert [point[0] for point in first.train.points] == list(range(1, 21))
    assert second.train.points[:20] == first.train.points
    assert [point[0] for point in second.train.points] == list(range(1, 41))
    assert second_log[: len(first_log)] == first_log
    assert len(second_log) == len(first_log) + 20
    assert any("UserWarning: [bold]use_cache[/bold]" in line for line in second_log)


def test_pane_follows_a_run_that_is_being_written(layout: ProjectLayout, live: Any, drive: Any) -> None:
    run = train(layout, 3)
    live(run)
    go = threading.Event()

    def work() -> None:
        go.wait(10)
        for number in range(4, 31):
            folder.tell(run, folder.step(number, 1.0))
        folder.tell(run, folder.finished("succeeded", "Trained 30 steps."))
        folder.end(run)

    async def script(pilot: Pilot[Any]) -> None:
        pane = await settled(pilot, 3)
        go.set()
        worker.join()
        await until(pilot, lambda: pane.view is not None and pane.view.is_over)
        assert pane.view is not None
        assert (pane.view.done, pane.view.message) == (30, "Trained 30 steps.")
        assert [point[0] for point in pane.view.train.points] == list(range(1, 31))
        await until(pilot, lambda: not pane.pace.is_running)

    worker = threading.Thread(target=work)
    worker.start()
    drive(PaneApp(layout), script)


def test_pane_follows_again_when_an_ended_run_was_taken_up(layout: ProjectLayout, live: Any, drive: Any) -> None:
    run = train(layout, 3)
    folder.tell(run, folder.finished("stopped", "Stopped on request."))
    folder.end(run, rc=4)

    async def script(pilot: Pilot[Any]) -> None:
        pane = await settled(pilot, 3)
        await until(pilot, lambda: not pane.pace.is_running)
        folder.launch(run, 2, folder.BEGIN + 100)
        folder.tell(run, started(resumed_from=3), folder.step(4, 1.0))
        live(run)
        pane.refresh_now()
        await until(pilot, lambda: pane.view is not None and pane.view.state == "running")
        assert pane.view is not None
        assert pane.view.done == 4

    drive(PaneApp(layout), script)


def test_pane_survives_hostile_text_everywhere(layout: ProjectLayout, live: Any, drive: Any, screen_text: Any) -> None:
    run = train(layout, 20)
    folder.tell(run, Sample(time=folder.BEGIN, step=20, prompt=NASTY, completion=NASTY, expected="漢" * 500))
    folder.write_log(run, NASTY, "[/]")
    folder.tell(run, folder.finished("failed", NASTY, NASTY))
    folder.end(run, rc=1)

    async def script(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        shown = screen_text(pilot.app)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "answer  [/x] [=1] [bold]x \\x1b[31mred \\u202eabc" in shown
        assert "✗ [/x] [=1] [bold]x \\x1b[31mred" in shown

    drive(PaneApp(layout), script, (140, 40))


def test_pane_posts_a_wish_to_stop_and_stops_nothing_itself(layout: ProjectLayout, live: Any, drive: Any) -> None:
    run = train(layout, 3)
    live(run)
    app = PaneApp(layout)

    async def script(pilot: Pilot[Any]) -> None:
        await settled(pilot, 3)
        await pilot.press("x", "p")
        await pilot.pause()
        assert [message.run_id for message in app.heard] == ["r7", "r7"]
        assert not run.stop_path.exists()

    drive(app, script)


def test_pane_offers_no_stop_when_the_run_has_ended(layout: ProjectLayout, drive: Any) -> None:
    run = train(layout, 3)
    folder.tell(run, folder.finished())
    folder.end(run)
    app = PaneApp(layout)

    async def script(pilot: Pilot[Any]) -> None:
        pane = await settled(pilot, 3)
        await pilot.press("x")
        await pilot.pause()
        assert app.heard == []
        assert pane.check_action("stop", ()) is False

    drive(app, script)


def test_pane_changes_the_scale_and_the_log_by_keys(
    layout: ProjectLayout, live: Any, drive: Any, screen_text: Any
) -> None:
    live(train(layout))

    async def script(pilot: Pilot[Any]) -> None:
        pane = await settled(pilot)
        await pilot.press("s")
        await pilot.pause()
        assert "loss, logarithmic" in screen_text(pilot.app)
        await pilot.press("l")
        await pilot.pause()
        shown = screen_text(pilot.app)
        assert not pane.query_one(LossPlot).display
        assert "step 312 · loss" in shown
        assert "Run r7" in shown
        await pilot.press("g")
        await pilot.pause()
        assert "22:13:20   started on cpu" in screen_text(pilot.app)
        await pilot.press("l")
        await pilot.pause()
        assert pane.query_one(LossPlot).display
        assert "loss, logarithmic" in screen_text(pilot.app)

    drive(PaneApp(layout), script)


def test_log_stays_where_the_person_scrolled_and_else_at_the_end(layout: ProjectLayout, live: Any, drive: Any) -> None:
    run = train(layout, 50)
    live(run)

    async def script(pilot: Pilot[Any]) -> None:
        pane = await settled(pilot, 50)
        log = pane.query_one(RunLog)
        await pilot.press("l")
        await until(pilot, lambda: log.max_scroll_y > 0 and log.scroll_offset.y == log.max_scroll_y)
        folder.tell(run, *(folder.step(number, 1.0) for number in range(51, 61)))
        pane.refresh_now()
        await until(pilot, lambda: len(log.lines) == 63 and log.scroll_offset.y == log.max_scroll_y)
        await pilot.press("g")
        await until(pilot, lambda: log.scroll_offset.y == 0)
        folder.tell(run, *(folder.step(number, 1.0) for number in range(61, 71)))
        pane.refresh_now()
        await until(pilot, lambda: len(log.lines) == 73)
        await pilot.pause(0.05)
        assert log.scroll_offset.y == 0
        await pilot.press("G")
        await until(pilot, lambda: log.scroll_offset.y == log.max_scroll_y)

    drive(PaneApp(layout), script)


def test_pane_walks_through_the_runs_by_keys(layout: ProjectLayout, drive: Any) -> None:
    for run_id in ("r2", "r7", "r10"):
        run = train(layout, 2, run_id)
        folder.tell(run, folder.finished())
        folder.end(run)

    async def script(pilot: Pilot[Any]) -> None:
        pane = await settled(pilot, 2)
        for key, run_id in (("]", "r10"), ("]", "r10"), ("[", "r7"), ("[", "r2")):
            await pilot.press(key)
            await pilot.app.workers.wait_for_complete()
            await until(pilot, lambda run_id=run_id: pane.view is not None and pane.view.run_id == run_id)
        assert len(pane.query_one(RunLog).lines) == 5

    drive(PaneApp(layout), script, (140, 40))


def test_pane_says_so_when_the_run_is_not_there(layout: ProjectLayout, drive: Any) -> None:
    app = PaneApp(layout, "r99")

    async def script(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: bool(app.heard))
        assert app.heard[0].message == "There is no run r99."

    drive(app, script)


def test_pane_looks_seldom_while_it_is_hidden(layout: ProjectLayout, live: Any, drive: Any) -> None:
    run = train(layout, 3)
    live(run)

    async def script(pilot: Pilot[Any]) -> None:
        pane = await settled(pilot, 3)
        assert pane.pace.pause_s == 0.5
        pane.display = False
        await until(pilot, lambda: pane.pace.pause_s == 5.0)
        pane.display = True
        await until(pilot, lambda: pane.pace.pause_s == 0.5)
        folder.tell(run, folder.step(4, 1.0))
        pane.refresh_now()
        await until(pilot, lambda: pane.view is not None and pane.view.done == 4)

    drive(PaneApp(layout), script)


def test_pane_leaves_no_thread_behind_when_the_app_ends(layout: ProjectLayout, live: Any, drive: Any) -> None:
    live(train(layout, 3))
    panes: list[RunPane] = []

    async def script(pilot: Pilot[Any]) -> None:
        panes.append(await settled(pilot, 3))

    drive(PaneApp(layout), script)
    # asyncio waits for its threads when a loop ends, so this is reached only when the pane's has ended.
    assert not panes[0].pace.is_running
