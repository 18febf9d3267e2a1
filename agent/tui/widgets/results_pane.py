"""What was measured: the verdict and its figures above, every test row with both answers below."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from agent.tui.results_source import MeasuredRowSource, read_results
from agent.tui.viewmodels.results import Absent, ResultsView
from agent.tui.viewmodels.rows import Column, RowSource
from agent.tui.widgets.results_text import results_content
from agent.tui.widgets.rows_area import RowsArea, RowsPane
from specs.layout import ProjectLayout

_HINT = "a all · w worse · b better · f wrong · s search · Enter row"
_HINT_BASELINE = "a all · f wrong · s search · Enter row"
_COLUMNS = (
    Column("#", 0, 6),
    Column("prompt", 4, 10),
    Column("wanted", 3, 8),
    Column("base", 3, 8),
    Column("custom", 3, 8),
    Column("outcome", 0, 8),
)
_COLUMNS_BASELINE = tuple(column for column in _COLUMNS if column.title != "custom")


class ResultsPane(RowsPane):
    """The measurement of the latest plan. Call `reload` when it is shown.

    Args:
        layout: the project.
        id: of the widget.
    """

    DEFAULT_CSS = """
    ResultsPane { height: 1fr; }
    ResultsPane > #results-message { display: none; padding: 1; }
    ResultsPane > #results-summary { height: auto; max-height: 60%; padding: 0 1; scrollbar-size-vertical: 1; }
    ResultsPane > #results-summary > Static { height: auto; }
    ResultsPane > #results-summary:focus { background: $boost; }
    ResultsPane > RowsArea { padding: 0 1; border-top: solid $panel; }
    ResultsPane > #results-keys { height: 1; padding: 0 1; color: $text-muted; }
    ResultsPane.-empty > #results-message { display: block; }
    ResultsPane.-empty > #results-summary, ResultsPane.-empty > RowsArea { display: none; }
    ResultsPane.-empty > #results-keys { display: none; }
    ResultsPane.-narrow.-reading-rows > #results-summary { max-height: 3; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "choose('all')", "All rows", show=False, id="results.all"),
        Binding("w", "choose('worse')", "Got worse", show=False, id="results.worse"),
        Binding("b", "choose('better')", "Got better", show=False, id="results.better"),
        Binding("f", "choose('wrong')", "Still wrong", show=False, id="results.wrong"),
    ]

    class _Loaded(Message):
        def __init__(self, found: ResultsView | Absent, rows: RowSource | None) -> None:
            self.found = found
            self.rows = rows
            super().__init__()

    def __init__(self, layout: ProjectLayout, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._layout = layout
        self._view: ResultsView | None = None
        self._rows: RowSource | None = None

    def compose(self) -> ComposeResult:
        """Make the parts."""
        yield Static("Reading what was measured…", markup=False, id="results-message")
        with VerticalScroll(id="results-summary"):
            yield Static("", markup=False, id="results-text")
        yield RowsArea(_COLUMNS, id="results-rows")
        yield Static(_HINT, markup=False, id="results-keys")

    def on_mount(self) -> None:
        """Show nothing yet."""
        self.add_class("-empty")

    def reload(self) -> None:
        """Read the measurement again, in a thread."""
        self.run_worker(self._read, thread=True, exclusive=True, group="results")

    def action_choose(self, choice: str) -> None:
        """Show the rows of a choice."""
        area = self.query_one(RowsArea)
        if self._view is not None and choice in self._choices():
            area.choose(choice)
            area.table.focus()

    def on_resize(self, event: events.Resize) -> None:
        """Draw the bars for the new width."""
        self.set_class(self.screen.has_class("-narrow"), "-narrow")
        self._draw()

    def on_descendant_focus(self) -> None:
        """Give the rows the room while they are read on a small screen."""
        self.set_class(self.query_one(RowsArea).has_pseudo_class("focus-within"), "-reading-rows")

    def on_results_pane__loaded(self, event: _Loaded) -> None:
        """Show what was read."""
        event.stop()
        found = event.found
        self.set_class(isinstance(found, Absent), "-empty")
        if isinstance(found, Absent):
            self._view = None
            text = Content.assemble((found.message, "bold"), "\n", found.hint)
            self.query_one("#results-message", Static).update(text)
            return
        self._show(found, event.rows)

    def _show(self, found: ResultsView, rows: RowSource | None) -> None:
        is_same = found == self._view and self._rows is not None
        self._view = found
        self._draw()
        has_custom = self._has_custom()
        self.query_one("#results-keys", Static).update(Content(_HINT if has_custom else _HINT_BASELINE))
        if rows is not None and not is_same:
            # the same measurement keeps its rows, so that coming back finds the place
            self._rows = rows
            self.query_one(RowsArea).show(rows, "all", _COLUMNS if has_custom else _COLUMNS_BASELINE)

    def _has_custom(self) -> bool:
        return self._view is not None and any(check.custom for check in self._view.checks)

    def _choices(self) -> tuple[str, ...]:
        return ("all", "worse", "better", "wrong") if self._has_custom() else ("all", "wrong")

    def _draw(self) -> None:
        if self._view is not None and self.size.width:
            width = self.size.width - 4
            self.query_one("#results-text", Static).update(results_content(self._view, width))

    def _read(self) -> None:
        from specs.errors import TailorError

        try:
            view = read_results(self._layout)
        except TailorError as error:
            self.post_message(self._Loaded(Absent(error.message, error.hint), None))
            return
        self.post_message(self._Loaded(view, MeasuredRowSource(self._layout, view.plan)))
