"""The run pane: what a job does, read from its run directory while it works and after."""

import threading
from time import time as now
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Hide, Resize, Show
from textual.message import Message
from textual.widgets import Static

from agent.tui import run_words
from agent.tui.messages import Failed, StopRunWanted
from agent.tui.viewmodels.run import LogLine, RunView
from agent.tui.widgets.loss_plot import MIN_ROWS, LossPlot
from agent.tui.widgets.run_log import RunLog
from specs.layout import ProjectLayout

_SHOWN_EVERY_S = 0.5
_HIDDEN_EVERY_S = 5.0
_EMPTY = "No run yet. Training, evaluation and serving show here once a step is approved."
_SAMPLE_FROM_ROWS = 24
_LOG_FROM_ROWS = 29


class RunLine(Static):
    """One line or a few, in plain text of several colours."""

    def __init__(self, id: str) -> None:
        super().__init__("", markup=False, id=id)
        self._parts: list[run_words.Part] = []

    def put(self, parts: list[run_words.Part]) -> None:
        """Show parts; the line is away while there are none."""
        self.display = bool(parts)
        if parts == self._parts:
            return
        # A new layout of the whole screen costs more than all the rest, and only texts that wrap can need one.
        is_same_height = parts and _num_rows(parts) == _num_rows(self._parts) and self.styles.text_wrap == "nowrap"
        self._parts = parts
        self.update(Content.assemble(*parts), layout=not is_same_height)


class Pace:
    """Paces the looks of one thread at one run: often while it is seen, seldom while not, until it is ended."""

    def __init__(self, *, is_shown: bool = False, is_running: bool = False) -> None:
        self.is_shown = is_shown
        self.is_running = is_running
        self._wake = threading.Event()

    @property
    def pause_s(self) -> float:
        """Return the time between two looks."""
        return _SHOWN_EVERY_S if self.is_shown else _HIDDEN_EVERY_S

    def show(self, is_shown: bool) -> None:
        """Take note of whether the run is seen."""
        self.is_shown = is_shown
        if is_shown:
            self._wake.set()

    def hurry(self) -> None:
        """Have the next look now."""
        self._wake.set()

    def end(self) -> None:
        """Have no more looks."""
        self.is_running = False
        self._wake.set()

    def wait(self) -> None:
        """Wait until the next look is due; what happened during the last one makes it due at once."""
        self._wake.wait(self.pause_s)
        self._wake.clear()


class RunPane(Vertical, can_focus=True):
    """Follows one run.

    Args:
        layout: the project whose runs are shown.
        id: of the widget.
    """

    DEFAULT_CSS = """
    RunPane { height: 1fr; width: 1fr; padding: 0 1; }
    RunPane:focus { background-tint: $foreground 3%; }
    RunPane RunLine { height: auto; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    RunPane #run-ending { text-wrap: wrap; max-height: 6; }
    RunPane #run-work { margin-top: 1; text-wrap: wrap; }
    RunPane #run-sample { margin-top: 1; }
    RunPane #run-rule { height: 1; border-top: solid $panel; }
    RunPane RunLog { height: 5; }
    RunPane.-bare LossPlot, RunPane.-log LossPlot { display: none; }
    RunPane.-bare RunLog { display: none; }
    RunPane.-bare #run-head { text-wrap: wrap; }
    RunPane.-log RunLog, RunPane.-rows RunLog, RunPane.-low RunLog { height: 1fr; }
    RunPane.-low LossPlot { height: 1; }
    RunPane.-log RunLog { overflow-x: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "stop", "Stop", id="run.stop"),
        Binding("p", "stop", "Pause: save and stop", id="run.pause"),
        Binding("s", "scale", "Log scale", id="run.scale"),
        Binding("l", "log", "Log", id="run.log"),
        Binding("left_square_bracket", "other(-1)", "Run before", id="run.before"),
        Binding("right_square_bracket", "other(1)", "Run after", id="run.after"),
    ]

    class Looked(Message):
        """A look at the run directory found something."""

        def __init__(self, view: RunView, lines: tuple[LogLine, ...], *, is_first: bool) -> None:
            self.view = view
            self.lines = lines
            self.is_first = is_first
            super().__init__()

    class Chosen(Message):
        """Another run of the project shall be shown."""

        def __init__(self, run_id: str) -> None:
            self.run_id = run_id
            super().__init__()

    def __init__(self, layout: ProjectLayout, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._layout = layout
        self._run_id: str | None = None
        self._view: RunView | None = None
        self.pace = Pace()
        """Of the thread that looks at the run directory."""

    @property
    def view(self) -> RunView | None:
        """Return the run as it is shown, None before the first look."""
        return self._view

    def compose(self) -> ComposeResult:
        """Lay out the lines; which of them show depends on the run and the height."""
        yield RunLine("run-head")
        yield RunLine("run-work")
        yield LossPlot()
        for name in ("figures", "machine", "best", "ending", "sample"):
            yield RunLine(f"run-{name}")
        yield Static("", markup=False, id="run-rule")
        yield RunLog()

    def on_mount(self) -> None:
        """Say that there is nothing yet, or begin with the run that was named before."""
        if self._run_id is None:
            self._draw()
        else:
            self._begin()

    def on_unmount(self) -> None:
        """Let the thread end at once."""
        self.pace.end()

    @on(Show)
    @on(Hide)
    def notice_visibility(self, event: Show | Hide) -> None:
        """Look often while the pane is seen, seldom while it is not."""
        self.pace.show(isinstance(event, Show))

    def on_resize(self, event: Resize) -> None:
        """Show what fits."""
        self._draw()

    def follow(self, run_id: str | None) -> None:
        """Show a run from its beginning, or that there is none."""
        if run_id == self._run_id and self.pace.is_running:
            self.pace.hurry()
            return
        self._run_id, self._view = run_id, None
        if not self.is_mounted:
            return
        if run_id is None:
            self.pace.end()
            self.query_one(RunLog).clear()
            self._draw()
        else:
            self._begin()

    def refresh_now(self) -> None:
        """Look at once; a run that had ended is followed again, for it may have been taken up."""
        if self.pace.is_running:
            self.pace.hurry()
        elif self._run_id is not None and self.is_mounted:
            self._begin()

    def on_run_pane_looked(self, message: Looked) -> None:
        """Draw what was found."""
        message.stop()
        if message.view.run_id != self._run_id:
            return
        is_other = self._view is None or self._view.state != message.view.state
        self._view = message.view
        if is_other:
            self.refresh_bindings()
        log = self.query_one(RunLog)
        if message.is_first:
            log.clear()
        log.add(message.lines)
        self._draw()

    def on_run_pane_chosen(self, message: Chosen) -> None:
        """Show the run before or after."""
        message.stop()
        self.follow(message.run_id)

    def action_stop(self) -> None:
        """Ask for the run to be stopped; training saves a checkpoint and can go on later."""
        if self._view is not None and not self._view.is_over:
            self.post_message(StopRunWanted(self._view.run_id))

    def action_scale(self) -> None:
        """Change between linear and logarithmic scale."""
        self.query_one(LossPlot).toggle_log()

    def action_log(self) -> None:
        """Let the log fill the pane, or back."""
        self._draw(log=not self.has_class("-log"))
        log = self.query_one(RunLog)
        if self.has_class("-log"):
            log.focus()
        else:
            self.focus()

    @work(thread=True, exclusive=True, group="other")
    def action_other(self, by: int) -> None:
        """Show the run before or after this one."""
        from agent.tui.run_follow import run_ids

        known = run_ids(self._layout)
        place = known.index(self._run_id) + by if self._run_id in known else len(known) - 1
        if known and 0 <= place < len(known):
            self.post_message(self.Chosen(known[place]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what the run can do."""
        if action == "stop":
            return self._view is not None and not self._view.is_over
        if action == "scale":
            return self._view is not None and self._view.task == "train"
        return True

    def _begin(self) -> None:
        self.pace.end()
        self.pace = Pace(is_shown=self.pace.is_shown, is_running=True)
        self._follow_run(self._run_id or "", self.pace)

    @work(thread=True, exclusive=True, group="follow")
    def _follow_run(self, run_id: str, pace: Pace) -> None:
        """Look at the run directory until the run has ended; the one thread of this pane."""
        from agent.tui.run_follow import RunFollower
        from tools.errors import ToolError

        follower = RunFollower(self._layout, run_id)
        shown: RunView | None = None
        try:
            while pace.is_running:
                look = follower.look()
                if look.view != shown or look.lines:
                    self.post_message(self.Looked(look.view, look.lines, is_first=shown is None))
                    shown = look.view
                if look.view.is_over:
                    break
                pace.wait()
        except ToolError as error:
            self.post_message(Failed(error.message, error.hint))
        finally:
            pace.end()

    def _draw(self, *, log: bool | None = None) -> None:
        """Draw the run as it stands, as much of it as fits."""
        view, (width, height) = self._view, self.content_size
        is_log = self.has_class("-log") if log is None else log
        is_train = view is not None and view.task == "train"
        self.set_class(is_log, "-log")
        self.set_class(view is None, "-bare")
        self.set_class(not is_train, "-rows")
        plot = self.query_one(LossPlot)
        lines = pane_lines(view, width, height, ascii_only=plot.ascii_only)
        for line in self.query(RunLine):
            line.put(lines.get(str(line.id), []) if not is_log or line.id == "run-head" else [])
        plot.display = is_train and not is_log
        # Where the curve would be too low to be read it is one row, and the log has the rest.
        is_low = is_train and height - sum(_num_rows(parts) for parts in lines.values()) < MIN_ROWS
        self.set_class(is_low, "-low")
        has_log = is_log or not is_train or is_low or height >= _LOG_FROM_ROWS
        self.query_one(RunLog).display = view is not None and has_log
        self.query_one("#run-rule", Static).display = view is not None and has_log
        if view is not None:
            plot.show(view.train, view.evals)


def _num_rows(parts: list[run_words.Part]) -> int:
    return 1 + sum(text.count("\n") for text, _ in parts) if parts else 0


def pane_lines(
    view: RunView | None, width: int, height: int, *, ascii_only: bool = False
) -> dict[str, list[run_words.Part]]:
    """Return what each line of the pane says; a line that is not named is away."""
    if view is None:
        return {"run-head": [(_EMPTY, "$foreground-muted")]}
    lines = {"run-head": run_words.head(view, width), "run-ending": run_words.ending(view)}
    lines["run-machine"] = run_words.machine(view, width, ascii_only=ascii_only)
    lines["run-best"] = run_words.best(view, width)
    match view.task:
        case "train":
            lines["run-figures"] = run_words.figures(view, width, ascii_only=ascii_only)
            if height >= _SAMPLE_FROM_ROWS:
                lines["run-sample"] = run_words.sample(view, width)
        case "generate":
            lines["run-work"] = run_words.rows_done(view, width, ascii_only=ascii_only)
        case "serve":
            lines["run-work"] = run_words.serving(view, now())
    return lines
