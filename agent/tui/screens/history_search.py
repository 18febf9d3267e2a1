"""Search of what the person sent before."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from agent.tui.prompt_history import PromptHistory
from agent.tui.screens.dialog import Dialog
from tools.escape import one_line

_MAX_SHOWN = 100
_LONGEST_ROW = 300


class HistorySearch(Dialog[str | None]):
    """Returns the chosen prompt, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("up,ctrl+s", "newer", show=False),
        Binding("down,ctrl+r", "older", show=False),
    ]
    DEFAULT_CSS = """
    HistorySearch {
        align: center middle;
        & > #search {
            width: 100%; max-width: 100; height: auto; max-height: 80%; border: round $primary; padding: 0 1;
            background: $surface; border-title-color: $foreground; border-subtitle-color: $foreground-muted;
        }
        & Input { background: transparent; }
        & OptionList { border: none; height: auto; max-height: 14; padding: 0; background: transparent;
            text-wrap: nowrap; text-overflow: ellipsis; }
        & OptionList > .option-list--option-highlighted { background: $boost; text-style: bold; }
    }
    """

    def __init__(self, history: PromptHistory) -> None:
        super().__init__()
        self._entries = tuple(dict.fromkeys(reversed(history.entries)))
        self._found: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay out the field above what was found, the latest first."""
        with Vertical(id="search") as box:
            box.border_title = Content("Search what you sent")
            box.border_subtitle = Content("↑↓ move · Enter takes · Esc closes")
            yield Input(placeholder="Words in any order", compact=True)
            found = OptionList(markup=False)
            found.can_focus = False
            yield found

    def on_mount(self) -> None:
        """Show everything at first."""
        self._show("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search again."""
        event.stop()
        self._show(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the marked one."""
        event.stop()
        at = self.query_one(OptionList).highlighted
        self.dismiss(self._found[at] if at is not None and self._found else None)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the one that was clicked."""
        event.stop()
        if self._found:
            self.dismiss(self._found[event.option_index])

    def action_older(self) -> None:
        """Mark the one sent before."""
        self.query_one(OptionList).action_cursor_down()

    def action_newer(self) -> None:
        """Mark the one sent after."""
        self.query_one(OptionList).action_cursor_up()

    def action_leave(self) -> None:
        """Close and take nothing."""
        self.dismiss(None)

    def _show(self, query: str) -> None:
        words = query.lower().split()
        found = (entry for entry in self._entries if all(word in entry.lower() for word in words))
        self._found = tuple(entry for entry, _ in zip(found, range(_MAX_SHOWN), strict=False))
        options = self.query_one(OptionList)
        options.clear_options()
        if not self._found:
            text = "Nothing matches." if self._entries else "Nothing was sent here yet."
            options.add_option(Option(Content(text), disabled=True))
            return
        options.add_options([Option(_row(entry)) for entry in self._found])
        options.highlighted = 0


def _row(entry: str) -> Content:
    lines = entry.split("\n")
    more = f"  (+{len(lines) - 1} lines)" if len(lines) > 1 else ""
    first = next((line for line in lines if line.strip()), "")
    return Content(one_line(first, _LONGEST_ROW) + more)
