"""One row of a table with all its text, over the screen."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from agent.tui.screens.dialog import Dialog
from agent.tui.viewmodels.rows import RowWhole
from agent.tui.widgets.long_text import LongText

_MUCH = 20_000
_LINE_WEIGHT = 40


class RowScreen(Dialog[int]):
    """Shows a row whole; it is closed with the number of rows to go on by: 0 for none, 1, or -1.

    Args:
        row: the row.
    """

    DEFAULT_CSS = """
    RowScreen { align: center middle; }
    RowScreen > Vertical { width: 90%; height: 90%; border: round $primary; padding: 0 1; background: $surface; }
    RowScreen #row-title { height: auto; text-style: bold; }
    RowScreen .row-label { margin-top: 1; color: $text-muted; text-style: bold; }
    RowScreen .row-text { height: auto; }
    RowScreen #row-keys { dock: bottom; height: 1; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "close(0)", "Close", id="row.close"),
        Binding("n,right", "close(1)", "Next row", id="row.next"),
        Binding("p,left", "close(-1)", "Row before", id="row.before"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="row.down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="row.up"),
    ]

    def __init__(self, row: RowWhole) -> None:
        super().__init__()
        self._row = row

    def compose(self) -> ComposeResult:
        """Make the parts."""
        with Vertical():
            yield Static(Content(self._row.title), id="row-title")
            yield from self._body()
            yield Static("Esc close · ↑↓ scroll · n next row · p the row before", markup=False, id="row-keys")

    def _body(self) -> ComposeResult:
        if sum(len(text) + _LINE_WEIGHT * text.count("\n") for _, text in self._row.parts) > _MUCH:
            yield LongText(self._row.parts)
            return
        # short enough to be laid out at once, and so that it can be selected
        with VerticalScroll():
            for label, text in self._row.parts:
                yield Static(Content(label), classes="row-label")
                yield Static(Content(text), classes="row-text")

    def action_close(self, by: int) -> None:
        """Close, and tell which row is wanted next."""
        self.dismiss(by)

    def action_scroll(self, by: int) -> None:
        """Scroll the text."""
        self.query_one("LongText, VerticalScroll").scroll_relative(y=by, animate=False)
