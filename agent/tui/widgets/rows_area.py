"""A table of rows with choices, text search and whole rows; its rows come from a source that is read in threads."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, cast

from textual import getters
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from agent.tui.screens.row import RowScreen
from agent.tui.viewmodels.rows import Column, RowsFound, RowSource, RowWhole
from agent.tui.widgets.rows_table import PAGE, RowsTable


class SearchField(Input):
    """Where the text is typed that rows must hold."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave", show=False, id="rows.leave_search")]

    class Left(Message):
        """The search was given up."""

    def action_leave(self) -> None:
        """Give the search up."""
        self.post_message(self.Left())


class RowsArea(Vertical):
    """The rows of one choice of a source.

    Args:
        columns: what stands in the table; `show` may bring others.
        id: of the widget.
    """

    DEFAULT_CSS = """
    RowsArea { height: 1fr; }
    RowsArea > #rows-title { height: auto; max-height: 4; }
    RowsArea > SearchField { height: 1; border: none; padding: 0; display: none; background: $boost; }
    RowsArea > SearchField:focus { border: none; }
    RowsArea.-searching > SearchField { display: block; }
    """
    app = getters.app(cast("type[App[object]]", App))

    class _Paged(Message):
        def __init__(self, ticket: int, offset: int, found: RowsFound) -> None:
            self.ticket = ticket
            self.offset = offset
            self.found = found
            super().__init__()

    class _Whole(Message):
        def __init__(self, row: RowWhole) -> None:
            self.row = row
            super().__init__()

    class _Refused(Message):
        def __init__(self, ticket: int, message: str) -> None:
            self.ticket = ticket
            self.message = message
            super().__init__()

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._source: RowSource | None = None
        self._lock = threading.Lock()
        self._latest: dict[str, int] = {}
        self._ticket = 0
        self._is_new = False
        self.choice = ""
        self.contains = ""

    def compose(self) -> ComposeResult:
        """Make the parts."""
        yield Static("", markup=False, id="rows-title")
        yield SearchField(placeholder="Text to look for, Enter to search, Esc to show all", id="rows-search")
        yield RowsTable(self._columns, id="rows-table")

    @property
    def has_rows(self) -> bool:
        """Whether there is something to show."""
        return self._source is not None and self.display

    @property
    def table(self) -> RowsTable:
        """Return the table."""
        return self.query_one(RowsTable)

    def show(self, source: RowSource, choice: str, columns: Sequence[Column] | None = None) -> None:
        """Show the rows of a source from the first on."""
        self._columns = tuple(columns) if columns is not None else self._columns
        self._source = source
        self.contains = ""
        self.remove_class("-searching")
        self.choose(choice)

    def choose(self, choice: str) -> None:
        """Show another choice of the source; the searched text stays."""
        self.choice = choice
        self._is_new = True
        self._ticket += 1
        self._say("Reading the rows…" if not self.contains else "Searching…")
        self._read(0, 2 * PAGE)

    def search(self) -> None:
        """Open the search field."""
        self.add_class("-searching")
        self.query_one(SearchField).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search."""
        event.stop()
        self._look_for(event.value.strip())

    def on_search_field_left(self, event: SearchField.Left) -> None:
        """Show all rows again."""
        event.stop()
        self._look_for("")

    def on_rows_table_page_wanted(self, event: RowsTable.PageWanted) -> None:
        """Read rows that came into view."""
        event.stop()
        self._read(event.offset, event.limit)

    def on_rows_table_opened(self, event: RowsTable.Opened) -> None:
        """Read a row whole; one of rows that are about to be replaced is not meant any more."""
        event.stop()
        if (source := self._source) is None or self._is_new:
            return
        read = partial(source.whole, self.choice, self.contains, event.index)
        self._work("whole", self._ticket, lambda: self._Whole(read()))

    def on_rows_area__paged(self, event: _Paged) -> None:
        """Take rows."""
        event.stop()
        if event.ticket != self._ticket:
            return
        if self._is_new:
            self._is_new = False
            self.table.begin(event.found.total, self._columns)
        self.table.put(event.offset, event.found.rows)
        none = "" if event.found.total else "  (no such row)"
        self.query_one("#rows-title", Static).update(self._title(event.found) + Content(none))

    def on_rows_area__whole(self, event: _Whole) -> None:
        """Show a row over the screen."""
        event.stop()
        self.app.push_screen(RowScreen(event.row), self._go_on)

    def on_rows_area__refused(self, event: _Refused) -> None:
        """Say why there are no rows."""
        event.stop()
        if event.ticket == self._ticket:
            self._is_new = False
            self.table.begin(0)
            self._say(event.message)

    def _go_on(self, by: int | None) -> None:
        if by and 0 <= self.table.cursor + by < self.table.total:
            self.table.go_to(self.table.cursor + by)
            self.table.action_open()

    def _look_for(self, text: str) -> None:
        field = self.query_one(SearchField)
        field.value = text
        self.set_class(bool(text), "-searching")
        self.table.focus()
        if text != self.contains:
            self.contains = text
            self.choose(self.choice)

    def _read(self, offset: int, limit: int) -> None:
        if (source := self._source) is None:
            return
        ticket = self._ticket
        read = partial(source.page, self.choice, self.contains, offset, limit)
        self._work("page", ticket, lambda: self._Paged(ticket, offset, read()))

    def _work(self, group: str, ticket: int, read: Callable[[], Message]) -> None:
        number = self._latest[group] = self._latest.get(group, 0) + 1

        def in_thread() -> None:
            from specs.errors import TailorError

            with self._lock:
                # a thread cannot be cancelled, but what nobody waits for any more is not begun
                if self._latest[group] != number:
                    return
                try:
                    told = read()
                except TailorError as error:
                    told = self._Refused(ticket, str(error))
            self.post_message(told)

        self.run_worker(in_thread, thread=True, exclusive=True, group=group)

    def _say(self, text: str) -> None:
        self.query_one("#rows-title", Static).update(Content(text))

    def _title(self, found: RowsFound) -> Content:
        parts = [
            Content.styled(f"▸{title} {number:,}", "bold") if name == self.choice else Content(f" {title} {number:,}")
            for name, title, number in found.counts
        ]
        line = Content("  ").join(parts)
        return Content.styled(f"{found.total:,} found in ", "bold") + line if self.contains else line


class RowsPane(Vertical):
    """A pane with rows below what it tells of them: their keys hold wherever the focus is in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "search", "Search the rows", show=False, id="rows.search"),
        Binding("enter", "rows", "Go to the rows", show=False, id="rows.focus"),
    ]

    def action_search(self) -> None:
        """Look for a text in the rows."""
        if (area := self.query_one(RowsArea)).has_rows:
            area.search()

    def action_rows(self) -> None:
        """Give the keys to the rows."""
        if (area := self.query_one(RowsArea)).has_rows:
            area.table.focus()
