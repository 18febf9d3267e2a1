"""The rows of the list of runs."""

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from agent.tui.run_words import job_cells
from agent.tui.viewmodels.run import JobRow

_TITLES = ("run", "step", "state", "progress", "time", "")
_WIDTHS = (7, 12, 13, 13, 11)


class JobsTable(ScrollView, can_focus=True):
    """Rows of runs; only those in sight are drawn."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "jobs-table--cursor",
        "jobs-table--title",
        "jobs-table--running",
        "jobs-table--succeeded",
        "jobs-table--failed",
        "jobs-table--stopped",
    }
    DEFAULT_CSS = """
    JobsTable { height: 1fr; background: transparent; overflow-x: hidden; scrollbar-size-vertical: 1; }
    JobsTable .jobs-table--cursor {
        color: $block-cursor-foreground;
        background: $block-cursor-background;
        text-style: $block-cursor-text-style;
    }
    JobsTable .jobs-table--running { color: $primary; }
    JobsTable .jobs-table--succeeded { color: $success; }
    JobsTable .jobs-table--failed { color: $error; }
    JobsTable .jobs-table--stopped { color: $warning; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False, id="jobs.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="jobs.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="jobs.pagedown"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="jobs.pageup"),
        Binding("g,home", "move(-1000000)", "First", show=False, id="jobs.first"),
        Binding("G,end", "move(1000000)", "Last", show=False, id="jobs.last"),
        Binding("enter", "open", "Open", id="jobs.open"),
    ]

    class Opened(Message):
        """A row was chosen."""

    class Moved(Message):
        """Another row is under the cursor, or it says something else."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: tuple[JobRow, ...] = ()
        self._cursor = 0

    @property
    def current(self) -> JobRow | None:
        """Return the row under the cursor."""
        return self._rows[self._cursor] if self._rows else None

    def show(self, rows: tuple[JobRow, ...]) -> None:
        """Show rows; the cursor stays on its run."""
        if rows == self._rows:
            return
        current = self.current
        self._rows = rows
        places = {row.run_id: place for place, row in enumerate(rows)}
        self._cursor = places.get(current.run_id, 0) if current is not None else 0
        self.virtual_size = Size(0, len(rows))
        self.refresh()
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        """Return one row."""
        place = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if place >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[place]
        base = self.rich_style
        if place == self._cursor:
            base += self.get_component_rich_style("jobs-table--cursor", partial=True)
        name = {"lost": "stopped", "waiting": ""}.get(row.state, row.state)
        is_toned = name and place != self._cursor
        state = base + self.get_component_rich_style(f"jobs-table--{name}", partial=True) if is_toned else base
        mark = "›" if place == self._cursor else " "
        segments = [Segment(f"{mark} ", base), *_segments(job_cells(row), width - 2, base, state)]
        return Strip(segments).adjust_cell_length(width, base)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        if self._rows:
            self._cursor = min(len(self._rows) - 1, max(0, self._cursor + by))
            self.scroll_to_region(Region(0, self._cursor, 1, 1), animate=False, force=True)
            self.refresh()
            self.post_message(self.Moved())

    def action_page(self, by: int) -> None:
        """Move the cursor by a screenful."""
        self.action_move(by * max(1, self.size.height - 1))

    def action_open(self) -> None:
        """Open the run under the cursor."""
        if self._rows:
            self.post_message(self.Opened())

    def on_click(self, event: Click) -> None:
        """Move the cursor to the row, or open it when it is there already."""
        place = event.y + self.scroll_offset.y
        if place == self._cursor:
            self.action_open()
        elif place < len(self._rows):
            self.action_move(place - self._cursor)


def titles() -> str:
    """Return the line above the rows."""
    return "  " + "".join(name.ljust(width) for name, width in zip(_TITLES, _WIDTHS, strict=False))


def _segments(cells: tuple[str, ...], width: int, base: Style, state: Style) -> list[Segment]:
    segments: list[Segment] = []
    for place, text in enumerate(cells):
        room = _WIDTHS[place] if place < len(_WIDTHS) else max(0, width - sum(_WIDTHS))
        strip = Strip([Segment(text, state if place == 2 else base)])
        shown = strip if strip.cell_length < room or place == len(_WIDTHS) else strip.crop(0, room - 1)
        segments.extend(shown.adjust_cell_length(room, base))
    return segments
