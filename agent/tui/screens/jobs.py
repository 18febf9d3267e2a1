"""The list of runs: what works, what has ended and how, with the way into each."""

import threading
import time
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from agent.tui.messages import Failed, RunOpened, StopRunWanted
from agent.tui.screens.dialog import Dialog
from agent.tui.viewmodels.run import JobRow, LogLine
from agent.tui.widgets.jobs_table import JobsTable, titles
from agent.tui.widgets.run_log import RunLog
from specs.layout import ProjectLayout

_EVERY_S = 1.0
_EMPTY = "No runs yet. A run appears here when a step of the plan is approved and starts."
_KEYS = "↑↓ move · Enter open · l log · x stop (asks first) · Esc close"
_LOG_KEYS = "↑↓ scroll · l or Esc back to the runs"


class JobsScreen(Dialog[RunOpened | None]):
    """Shows the runs of a project, newest first; closes with the run to open, or None.

    Args:
        layout: the project.
    """

    DEFAULT_CSS = """
    JobsScreen { align: center middle; }
    JobsScreen #jobs-box {
        width: 100%; max-width: 130; height: 90%; padding: 0 1; border: round $primary; background: $surface;
    }
    JobsScreen.-narrow #jobs-box { height: 100%; }
    JobsScreen #jobs-titles { height: auto; color: $text-muted; }
    JobsScreen #jobs-note { height: auto; max-height: 4; }
    JobsScreen #jobs-keys { height: auto; color: $text-muted; }
    JobsScreen RunLog { display: none; }
    JobsScreen.-log RunLog { display: block; overflow-x: auto; }
    JobsScreen.-log JobsTable, JobsScreen.-log #jobs-note { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f3", "back", "Close", id="jobs.close"),
        Binding("l", "log", "Log", id="jobs.log"),
        Binding("x", "stop", "Stop", id="jobs.stop"),
    ]

    class Found(Message):
        """Rows were read, newest first; `is_all` when no more follow."""

        def __init__(self, rows: tuple[JobRow, ...], *, is_all: bool) -> None:
            self.rows = rows
            self.is_all = is_all
            super().__init__()

    class LogRead(Message):
        """The end of a run's log."""

        def __init__(self, run_id: str, lines: tuple[LogLine, ...]) -> None:
            self.run_id = run_id
            self.lines = lines
            super().__init__()

    def __init__(self, layout: ProjectLayout) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
        self._layout = layout
        self._ended = threading.Event()

    def compose(self) -> ComposeResult:
        """Lay out titles, rows and keys."""
        with Vertical(id="jobs-box"):
            yield Static("", markup=False, id="jobs-titles")
            yield JobsTable()
            yield RunLog()
            yield Static("", markup=False, id="jobs-note")
            yield Static(_KEYS, markup=False, id="jobs-keys")

    def on_mount(self) -> None:
        """Begin to read."""
        self.query_one("#jobs-box", Vertical).border_title = "Jobs"
        self.query_one("#jobs-titles", Static).update("Reading the runs.")
        self.query_one(JobsTable).focus()
        self._read()

    def on_unmount(self) -> None:
        """Let the thread end at once."""
        self._ended.set()

    @on(Found)
    def show_rows(self, message: Found) -> None:
        """Show what was read."""
        table = self.query_one(JobsTable)
        table.show(message.rows)
        if message.rows and not self.has_class("-log"):
            self.query_one("#jobs-titles", Static).update(titles())
        elif message.is_all and not message.rows:
            self.query_one("#jobs-titles", Static).update(_EMPTY)

    @on(LogRead)
    def show_log(self, message: LogRead) -> None:
        """Show a run's log in place of the rows."""
        self.set_class(True, "-log")
        log = self.query_one(RunLog)
        log.clear()
        log.add(message.lines or (LogLine(None, "event", "This run has written nothing yet."),))
        log.focus()
        self.query_one("#jobs-titles", Static).update(f"Log of run {message.run_id}")
        self.query_one("#jobs-keys", Static).update(_LOG_KEYS)

    @on(JobsTable.Moved)
    def show_note(self) -> None:
        """Show the note of the run under the cursor whole; its row may cut it."""
        row = self.query_one(JobsTable).current
        self.query_one("#jobs-note", Static).update(row.note if row is not None else "")

    @on(JobsTable.Opened)
    def open_run(self) -> None:
        """Close with the run under the cursor."""
        row = self.query_one(JobsTable).current
        self.dismiss(RunOpened(row.run_id) if row is not None else None)

    def action_back(self) -> None:
        """Close the log, else the list."""
        if not self.has_class("-log"):
            self.dismiss(None)
            return
        self.set_class(False, "-log")
        self.query_one(JobsTable).focus()
        self.query_one("#jobs-titles", Static).update(titles())
        self.query_one("#jobs-keys", Static).update(_KEYS)

    def action_log(self) -> None:
        """Show the log of the run under the cursor, or the runs again."""
        row = self.query_one(JobsTable).current
        if self.has_class("-log"):
            self.action_back()
        elif row is not None:
            self._read_log(row.run_id)

    def action_stop(self) -> None:
        """Ask for the run under the cursor to be stopped."""
        row = self.query_one(JobsTable).current
        if row is not None and row.state in ("waiting", "running") and not self.has_class("-log"):
            self.post_message(StopRunWanted(row.run_id))

    @work(thread=True, exclusive=True, group="jobs")
    def _read(self) -> None:
        """Read the runs, again every second while one of them works."""
        from agent.tui.run_follow import JobList

        jobs, rows = JobList(self._layout), ()
        while not self._ended.is_set():
            fresh: list[JobRow] = []
            for chunk in jobs.chunks():
                if self._ended.is_set():
                    return
                fresh.extend(chunk)
                if len(fresh) > len(rows):
                    # The first time rows appear as they are read.
                    self.post_message(self.Found(tuple(fresh), is_all=False))
            rows = tuple(fresh)
            self.post_message(self.Found(rows, is_all=True))
            if not any(row.state in ("waiting", "running") for row in rows):
                return
            self._ended.wait(_EVERY_S)

    @work(thread=True, exclusive=True, group="log")
    def _read_log(self, run_id: str) -> None:
        from agent.tui.run_follow import RunFollower
        from tools.errors import ToolError

        try:
            look = RunFollower(self._layout, run_id, time.time).look()
        except ToolError as error:
            self.post_message(Failed(error.message, error.hint))
        else:
            self.post_message(self.LogRead(run_id, look.lines))
