"""The log of a run: a bounded number of lines, the newest last, written in batches."""

import time
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Log

from agent.tui.viewmodels.run import LineKind, LogLine

MAX_LINES = 2000
_MARKS: dict[LineKind, str] = {"event": " ", "saved": "✓", "warning": "!", "error": "✗", "output": "│"}


class RunLog(Log):
    """Shows log lines; it stays at the end until the person scrolls back."""

    DEFAULT_CSS = """
    RunLog { height: 1fr; background: transparent; overflow-x: hidden; scrollbar-size-vertical: 1; }
    RunLog:focus { background-tint: $foreground 3%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False, id="log.down"),
        Binding("k", "scroll_up", "Up", show=False, id="log.up"),
        Binding("g", "scroll_home", "Top", show=False, id="log.top"),
        Binding("G,end", "scroll_end", "End", show=False, id="log.end"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(max_lines=MAX_LINES, id=id)

    def on_mount(self) -> None:
        """Stay at the end, also when the height changes, until the person scrolls back."""
        self.anchor()

    def add(self, lines: Iterable[LogLine]) -> None:
        """Append lines."""
        batch = [_worded(line) for line in lines][-MAX_LINES:]
        if batch:
            self.write_lines(batch, scroll_end=False)
            if not self._anchor_released:
                self.scroll_end(animate=False, immediate=True, x_axis=False)


def _worded(line: LogLine) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(line.time)) if line.time is not None else " " * 8
    # One line in the record is one line here: a break inside it shows as what it is.
    text = line.text.replace("\n", "\\n").replace("\r", "\\r")
    return f"{clock} {_MARKS[line.kind]} {text}"
