"""The list of runs: order, words, keys, the way into a run, its log, and the wish to stop it."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.app import App
from textual.pilot import Pilot

from agent.tui.messages import RunOpened, StopRunWanted
from agent.tui.screens.jobs import JobsScreen
from agent.tui.viewmodels.run import JobRow
from agent.tui.widgets.jobs_table import JobsTable
from agent.tui.widgets.run_log import RunLog
from specs.events import Progress, Serving
from specs.layout import ProjectLayout, RunLayout
from tests.fakes import run_folder as folder

SIZES = ((80, 24), (140, 40))


class JobsApp(App[None]):
    def __init__(self, layout: ProjectLayout) -> None:
        super().__init__()
        self._layout = layout
        self.closed_with: list[RunOpened | None] = []
        self.heard: list[str] = []

    def on_mount(self) -> None:
        self.push_screen(JobsScreen(self._layout), self.closed_with.append)

    def on_stop_run_wanted(self, message: StopRunWanted) -> None:
        self.heard.append(message.run_id)


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def ended(layout: ProjectLayout, run_id: str, state: str = "succeeded", message: str = "Done.") -> RunLayout:
    run = folder.make_run(layout, run_id, folder.GENERATE, "baseline")
    folder.launch(run)
    told = Progress(time=folder.BEGIN + 5, done=252, total=252, elapsed_s=5)
    folder.tell(run, told, folder.finished(state, message))
    folder.end(run, rc={"succeeded": 0, "failed": 1, "stopped": 4}[state])
    return run


def project(layout: ProjectLayout) -> RunLayout:
    """Write five runs: one of each state that a person meets; return the one that serves."""
    ended(layout, "r1")
    ended(layout, "r2", "failed", "[/x] \x1b[31mThe memory was used up \u202e漢字 🎉. " + "y" * 100_000)
    trained = folder.make_run(layout, "r3")
    folder.launch(trained)
    folder.tell(trained, folder.step(312, 0.43), folder.finished("stopped", "Stopped on request."))
    folder.end(trained, rc=4)
    folder.make_run(layout, "r4", step="train-2")
    serving = folder.make_run(layout, "r10", folder.SERVE, "deploy")
    folder.launch(serving, time=time.time() - 600)
    url = "http://127.0.0.1:36383/v1"
    folder.tell(serving, Serving(time=folder.BEGIN, url=url, models=("a",), expires_at=folder.BEGIN + 60))
    return serving


async def until(pilot: Pilot[Any], holds: Callable[[], bool]) -> None:
    """Let the app work until something holds."""
    for _ in range(400):
        await pilot.pause(0.01)
        if holds():
            break
    else:
        raise AssertionError("waited too long")


async def table_of(pilot: Pilot[Any], count: int) -> JobsTable:
    """Wait until the list has its rows."""
    table = pilot.app.screen.query_one(JobsTable)
    await until(pilot, lambda: table.virtual_size.height == count)
    return table


@pytest.mark.parametrize("size", SIZES)
def test_jobs_shows_runs_newest_first(
    layout: ProjectLayout, live: Any, drive: Any, screen_text: Any, screen_snapshot: SnapshotAssertion, size: Any
) -> None:
    live(project(layout))

    async def script(pilot: Pilot[Any]) -> None:
        await table_of(pilot, 5)
        await pilot.pause(0.05)
        assert screen_text(pilot.app) == screen_snapshot(name=f"jobs-{size[0]}")

    drive(JobsApp(layout), script, size)


@pytest.mark.parametrize("size", SIZES)
def test_jobs_says_that_there_are_none(
    layout: ProjectLayout, drive: Any, screen_text: Any, screen_snapshot: SnapshotAssertion, size: Any
) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "No runs yet" in screen_text(pilot.app))
        await pilot.press("enter", "x", "l", "j")
        assert screen_text(pilot.app) == screen_snapshot(name=f"jobs-empty-{size[0]}")

    drive(JobsApp(layout), script, size)


def test_jobs_opens_the_run_under_the_cursor(layout: ProjectLayout, live: Any, drive: Any) -> None:
    live(project(layout))
    app = JobsApp(layout)

    async def script(pilot: Pilot[Any]) -> None:
        table = await table_of(pilot, 5)
        places: list[str] = []
        for key in ("j", "down", "k", "G", "g", "G", "up"):
            await pilot.press(key)
            assert table.current is not None
            places.append(table.current.run_id)
        assert places == ["r4", "r3", "r4", "r1", "r10", "r1", "r2"]
        await pilot.press("enter")
        await pilot.pause()
        assert [found.run_id for found in app.closed_with if found is not None] == ["r2"]

    drive(app, script)


def test_jobs_shows_the_reason_whole_when_the_row_cuts_it(layout: ProjectLayout, drive: Any, screen_text: Any) -> None:
    reason = "The memory was used up in step 313; a smaller batch or a shorter max_length would fit this machine."
    ended(layout, "r1", "failed", reason)

    async def script(pilot: Pilot[Any]) -> None:
        await table_of(pilot, 1)
        await pilot.pause(0.05)
        words = " ".join(screen_text(pilot.app).replace("│", " ").split())
        assert reason in words

    drive(JobsApp(layout), script)


def test_jobs_opens_a_run_on_the_second_click(layout: ProjectLayout, live: Any, drive: Any) -> None:
    live(project(layout))
    app = JobsApp(layout)

    async def script(pilot: Pilot[Any]) -> None:
        await table_of(pilot, 5)
        await pilot.click(JobsTable, offset=(4, 2))
        await pilot.pause()
        assert app.closed_with == []
        await pilot.click(JobsTable, offset=(4, 2))
        await pilot.pause()
        assert [found.run_id for found in app.closed_with if found is not None] == ["r3"]

    drive(app, script)


def test_jobs_closes_without_a_run_on_escape(layout: ProjectLayout, drive: Any) -> None:
    ended(layout, "r1")
    app = JobsApp(layout)

    async def script(pilot: Pilot[Any]) -> None:
        await table_of(pilot, 1)
        await pilot.press("escape")
        await pilot.pause()
        assert app.closed_with == [None]

    drive(app, script)


def test_jobs_asks_to_stop_only_what_runs_and_stops_nothing_itself(
    layout: ProjectLayout, live: Any, drive: Any
) -> None:
    serving = project(layout)
    live(serving)
    app = JobsApp(layout)

    async def script(pilot: Pilot[Any]) -> None:
        await table_of(pilot, 5)
        await pilot.press("x", "G", "x")
        await pilot.pause()
        assert app.heard == ["r10"]
        assert not serving.stop_path.exists()

    drive(app, script)


def test_jobs_shows_a_log_and_comes_back(layout: ProjectLayout, live: Any, drive: Any, screen_text: Any) -> None:
    live(project(layout))
    folder.write_log(layout.run("r1"), "UserWarning: [/x] \x1b[2J")

    async def script(pilot: Pilot[Any]) -> None:
        table = await table_of(pilot, 5)
        await pilot.press("G", "l")
        log = pilot.app.screen.query_one(RunLog)
        await until(pilot, lambda: len(log.lines) == 3)
        await pilot.pause(0.05)
        shown = screen_text(pilot.app)
        assert "Log of run r1" in shown
        assert "UserWarning: [/x] \\x1b[2J" in shown
        assert "252 of 252 rows" in shown
        await pilot.press("escape")
        await pilot.pause()
        assert table.display
        assert table.current is not None and table.current.run_id == "r1"
        assert "run    step" in screen_text(pilot.app)

    drive(JobsApp(layout), script)


def test_jobs_shows_a_new_run_while_one_works(layout: ProjectLayout, live: Any, drive: Any) -> None:
    live(project(layout))

    async def script(pilot: Pilot[Any]) -> None:
        table = await table_of(pilot, 5)
        await pilot.press("j")
        ended(layout, "r11")
        await until(pilot, lambda: table.virtual_size.height == 6)
        assert table.current is not None and table.current.run_id == "r4"

    drive(JobsApp(layout), script)


def test_jobs_table_draws_only_what_is_in_sight_of_1000_rows(drive: Any, screen_text: Any) -> None:
    rows = tuple(
        JobRow(f"r{number}", "train", "train", "succeeded", 5, 5, 60.0, folder.BEGIN, "seedling")
        for number in range(1000, 0, -1)
    )

    class TableApp(App[None]):
        def compose(self) -> Any:
            yield JobsTable()

    async def script(pilot: Pilot[Any]) -> None:
        table = pilot.app.query_one(JobsTable)
        table.show(rows)
        table.focus()
        await pilot.pause()
        assert screen_text(pilot.app).splitlines()[0].startswith("› r1000  train")
        await pilot.press("G")
        await pilot.pause()
        assert screen_text(pilot.app).splitlines()[23].startswith("› r1     train")
        assert len(table.children) == 0

    drive(TableApp(), script)
