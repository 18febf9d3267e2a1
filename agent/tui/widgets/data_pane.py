"""The prepared data: its quality report above, all rows with their sources below."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from agent.tui.data_source import CHOICES, DatasetRowSource, read_data
from agent.tui.viewmodels.data import DataView
from agent.tui.viewmodels.results import Absent
from agent.tui.viewmodels.rows import Column
from agent.tui.widgets.data_text import data_content
from agent.tui.widgets.rows_area import RowsArea, RowsPane
from specs.layout import ProjectLayout

_HINT = "1 training · 2 validation · 3 test · s search · Enter row"
_COLUMNS = (Column("#", 0, 6), Column("source", 0, 20), Column("prompt", 3, 16), Column("completion", 2, 10))
_NAMES = tuple(name for name, _ in CHOICES)


class DataPane(RowsPane):
    """The data of the latest plan. Call `reload` when it is shown.

    Args:
        layout: the project.
        id: of the widget.
    """

    DEFAULT_CSS = """
    DataPane { height: 1fr; }
    DataPane > #data-message { display: none; padding: 1; }
    DataPane > #data-report { height: auto; max-height: 60%; padding: 0 1; scrollbar-size-vertical: 1; }
    DataPane > #data-report > Static { height: auto; }
    DataPane > #data-report:focus { background: $boost; }
    DataPane > RowsArea { padding: 0 1; border-top: solid $panel; }
    DataPane > #data-keys { height: 1; padding: 0 1; color: $text-muted; }
    DataPane.-empty > * { display: none; }
    DataPane.-empty > #data-message { display: block; }
    DataPane.-narrow.-reading-rows > #data-report { max-height: 3; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "choose('train')", "Training rows", show=False, id="data.train"),
        Binding("2", "choose('validation')", "Validation rows", show=False, id="data.validation"),
        Binding("3", "choose('test')", "Test rows", show=False, id="data.test"),
        Binding("right", "switch(1)", "Next rows", show=False, id="data.next"),
        Binding("left", "switch(-1)", "Rows before", show=False, id="data.before"),
    ]

    class _Loaded(Message):
        def __init__(self, found: DataView | Absent) -> None:
            self.found = found
            super().__init__()

    def __init__(self, layout: ProjectLayout, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._layout = layout
        self._view: DataView | None = None

    def compose(self) -> ComposeResult:
        """Make the parts."""
        yield Static("Reading the prepared data…", markup=False, id="data-message")
        with VerticalScroll(id="data-report"):
            yield Static("", markup=False, id="data-text")
        yield RowsArea(_COLUMNS, id="data-rows")
        yield Static(_HINT, markup=False, id="data-keys")

    def on_mount(self) -> None:
        """Show nothing yet."""
        self.add_class("-empty")

    def on_resize(self, event: events.Resize) -> None:
        """Draw the bars for the new width."""
        self.set_class(self.screen.has_class("-narrow"), "-narrow")
        self._draw()

    def on_descendant_focus(self) -> None:
        """Give the rows the room while they are read on a small screen."""
        self.set_class(self.query_one(RowsArea).has_pseudo_class("focus-within"), "-reading-rows")

    def reload(self) -> None:
        """Read the report again, in a thread."""
        self.run_worker(self._read, thread=True, exclusive=True, group="data")

    def action_choose(self, choice: str) -> None:
        """Show the rows of a split."""
        area = self.query_one(RowsArea)
        if self._view is not None:
            area.choose(choice)
            area.table.focus()

    def action_switch(self, by: int) -> None:
        """Show the rows of the next split."""
        now = self.query_one(RowsArea).choice
        if now in _NAMES:
            self.action_choose(_NAMES[(_NAMES.index(now) + by) % len(_NAMES)])

    def on_data_pane__loaded(self, event: _Loaded) -> None:
        """Show what was read."""
        event.stop()
        found = event.found
        self.set_class(isinstance(found, Absent), "-empty")
        if isinstance(found, Absent):
            self._view = None
            self.query_one("#data-message", Static).update(Content.assemble((found.message, "bold"), "\n", found.hint))
            return
        is_new = self._view is None or self._view.folder != found.folder
        self._view = found
        self._draw()
        if is_new:
            # the rows of a version never change; the same ones keep their place
            self.query_one(RowsArea).show(DatasetRowSource(found.folder), _NAMES[0])

    def _draw(self) -> None:
        if self._view is not None and self.size.width:
            text = data_content(self._view, self.size.width - 4)
            self.query_one("#data-text", Static).update(text)

    def _read(self) -> None:
        from specs.errors import TailorError

        try:
            found = read_data(self._layout)
        except TailorError as error:
            found = Absent(error.message, error.hint)
        self.post_message(self._Loaded(found))
