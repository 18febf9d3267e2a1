"""A table of any number of rows of which only those on the screen are kept and drawn. Reads nothing itself."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from agent.tui.viewmodels.rows import Column, RowCells

PAGE = 100
"""Rows read at once."""
_MAX_PAGES = 20
_GAP = 2


class RowsTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows in one line each under a head, with a cursor.

    Args:
        columns: what stands in them.
        id: of the widget.
    """

    DEFAULT_CSS = """
    RowsTable {
        height: 1fr;
        min-height: 3;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
    }
    RowsTable > .rows-table--head { text-style: bold; color: $text-muted; }
    RowsTable > .rows-table--cursor { background: $boost; }
    RowsTable:focus > .rows-table--cursor { background: $primary 30%; text-style: bold; }
    RowsTable > .rows-table--good { color: $text-success; }
    RowsTable > .rows-table--bad { color: $text-error; }
    RowsTable > .rows-table--quiet { color: $text-muted; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rows-table--head",
        "rows-table--cursor",
        "rows-table--good",
        "rows-table--bad",
        "rows-table--quiet",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Row up", show=False, id="rows.up"),
        Binding("down,j", "move(1)", "Row down", show=False, id="rows.down"),
        Binding("pageup", "move_page(-1)", "Page up", show=False, id="rows.page_up"),
        Binding("pagedown", "move_page(1)", "Page down", show=False, id="rows.page_down"),
        Binding("home,g", "move_to(0)", "First row", show=False, id="rows.first"),
        Binding("end,G", "move_to(-1)", "Last row", show=False, id="rows.last"),
        Binding("enter", "open", "Whole row", show=False, id="rows.open"),
    ]

    class PageWanted(Message):
        """Rows came into view that are not here."""

        def __init__(self, offset: int, limit: int) -> None:
            self.offset = offset
            self.limit = limit
            super().__init__()

    class Opened(Message):
        """A row shall be shown whole."""

        def __init__(self, index: int) -> None:
            self.index = index
            super().__init__()

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._pages: OrderedDict[int, tuple[RowCells, ...]] = OrderedDict()
        self.total = 0
        self.cursor = 0

    def begin(self, total: int, columns: Sequence[Column] | None = None) -> None:
        """Show another set of rows from its first on."""
        self._columns = tuple(columns) if columns is not None else self._columns
        self._pages.clear()
        self.total, self.cursor = total, 0
        self.virtual_size = Size(0, total + 1)
        self.scroll_to(y=0, animate=False)
        self.refresh()

    def put(self, offset: int, rows: Sequence[RowCells]) -> None:
        """Take rows that were wanted; `offset` is that of a page."""
        for start in range(0, len(rows), PAGE):
            number = (offset + start) // PAGE
            self._pages[number] = tuple(rows[start : start + PAGE])
            self._pages.move_to_end(number)
        while len(self._pages) > _MAX_PAGES:
            self._pages.popitem(last=False)
        self.refresh()

    def row(self, index: int) -> RowCells | None:
        """Return a row if it is here."""
        page = self._pages.get(index // PAGE, ())
        return page[index % PAGE] if index % PAGE < len(page) else None

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.go_to(self.cursor + by)

    def action_move_page(self, by: int) -> None:
        """Move the cursor by what is in view."""
        self.go_to(self.cursor + by * max(1, self.size.height - 2))

    def action_move_to(self, index: int) -> None:
        """Move the cursor to the first row, or with -1 to the last."""
        self.go_to(index if index >= 0 else self.total - 1)

    def action_open(self) -> None:
        """Ask for the row under the cursor."""
        if self.total:
            self.post_message(self.Opened(self.cursor))

    def go_to(self, index: int) -> None:
        """Put the cursor on a row and bring it into view."""
        self.cursor = max(0, min(index, self.total - 1))
        room = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + room:
            self.scroll_to(y=self.cursor - room + 1, animate=False)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for rows that came into view."""
        super().watch_scroll_y(old_value, new_value)
        self._want()

    def on_resize(self) -> None:
        """Ask for rows that came into view."""
        self._want()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on a row; a click on the cursor opens it."""
        line = event.get_content_offset(self)
        index = self.scroll_offset.y + line.y - 1 if line is not None and line.y > 0 else self.total
        if index >= self.total:
            return
        if index == self.cursor:
            self.action_open()
        else:
            self.go_to(index)

    def render_line(self, y: int) -> Strip:
        """Draw the head or a row."""
        if y == 0:
            titles = tuple(column.title for column in self._columns)
            return self._strip(titles, self.get_component_rich_style("rows-table--head"), None)
        index = self.scroll_offset.y + y - 1
        if index >= self.total:
            return Strip.blank(self._room(), self.rich_style)
        row = self.row(index)
        base = self.get_component_rich_style("rows-table--cursor") if index == self.cursor else self.rich_style
        if row is None:
            return self._strip(("…",), base, None)
        tone = None if row.tone == "plain" else self._tone(row.tone)
        return self._strip(row.cells, base, tone)

    def _tone(self, tone: str) -> Style:
        # only the foreground: the cursor's background stays
        return Style(color=self.get_component_rich_style(f"rows-table--{tone}").color)

    def _strip(self, texts: Sequence[str], base: Style, last: Style | None) -> Strip:
        segments: list[Segment] = []
        for number, (text, width) in enumerate(zip(texts, self._widths(), strict=False)):
            is_last = number == len(self._columns) - 1
            style = base + last if is_last and last is not None else base
            segments.append(Segment(fitted(text, width), style))
            if not is_last:
                segments.append(Segment(" " * _GAP, base))
        return Strip(segments).adjust_cell_length(self._room(), base)

    def _room(self) -> int:
        return self.scrollable_content_region.width

    def _widths(self) -> list[int]:
        room = self._room() - _GAP * (len(self._columns) - 1)
        room -= sum(column.width for column in self._columns if not column.share)
        flexible = [column for column in self._columns if column.share]
        shares = sum(column.share for column in flexible) or 1
        # where not even the least widths fit, all columns give way alike
        is_tight = sum(column.width for column in flexible) > room
        least = {column: 1 if is_tight else column.width for column in flexible}
        widths = {column: max(least[column], room * column.share // shares) for column in flexible}
        if flexible:
            widths[flexible[0]] += max(0, room - sum(widths.values()))
        for column in reversed(flexible):
            widths[column] -= min(max(0, sum(widths.values()) - room), widths[column] - least[column])
        return [widths.get(column, column.width) for column in self._columns]

    def _want(self) -> None:
        top = self.scroll_offset.y
        bottom = min(self.total, top + self.size.height) - 1
        if bottom < top:
            return
        missing = [number for number in range(top // PAGE, bottom // PAGE + 1) if number not in self._pages]
        if missing:
            self.post_message(self.PageWanted(missing[0] * PAGE, (missing[-1] - missing[0] + 1) * PAGE))


def fitted(text: str, width: int) -> str:
    """Return a text in exactly so many cells, a cut marked."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"
