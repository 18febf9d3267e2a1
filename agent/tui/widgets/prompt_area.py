"""The text field of the prompt: asks its owner about each key first, and keeps big pastes short."""

import time
from collections.abc import Callable
from typing import Any, ClassVar, cast

from rich.text import Text
from textual import events
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.document._document import EditResult
from textual.document._edit import Edit
from textual.geometry import Offset
from textual.widgets import TextArea

from agent.tui.key_order import acted_at_once
from agent.tui.spec_words import shown_line
from agent.tui.widgets.pasted import Pastes, clean_paste, widen

# keys that belong to the chat and the screen while the prompt has focus
_LEFT_TO_SCREEN = frozenset({"pageup", "pagedown", "shift+up", "shift+down", "f6", "f7", "ctrl+z", "ctrl+d", "super+z"})


def _kept_bindings() -> list[BindingType]:
    kept: list[BindingType] = []
    for binding in Binding.make_bindings(TextArea.BINDINGS):
        if binding.key not in _LEFT_TO_SCREEN:
            kept.append(binding)
    return [
        *kept,
        Binding("ctrl+d", "delete_right_or_leave", show=False),
        Binding("ctrl+underscore", "undo", "Undo", show=False),
    ]


class PromptArea(TextArea, inherit_bindings=False):
    """A text field without a language."""

    BINDINGS: ClassVar[list[BindingType]] = _kept_bindings()
    DEFAULT_CSS = """
    PromptArea {
        border: none; padding: 0; height: auto; max-height: 8; background: transparent;
        &:focus { border: none; }
    }
    """

    def __init__(self, placeholder: str, pastes: Pastes) -> None:
        super().__init__(placeholder=placeholder, highlight_cursor_line=False, compact=True)
        self.cursor_blink = False
        self.before_key: Callable[[events.Key], bool] = lambda _event: False
        """Returns whether it took the key, so that the field leaves it alone."""
        self.typed_at = 0.0
        """Monotonic time of the last key or paste."""
        self._pastes = pastes

    async def on_key(self, event: events.Key) -> None:
        """Ask the owner first."""
        self.typed_at = time.monotonic()
        if self.before_key(event):
            event.stop()
            event.prevent_default()
        else:
            await acted_at_once(self, event)

    def on_paste(self, event: events.Paste) -> None:
        """Take a paste as a whole."""
        event.stop()
        event.prevent_default()
        self.typed_at = time.monotonic()
        self.paste(event.text)

    def action_paste(self) -> None:
        """Paste what was copied inside the app."""
        self.paste(cast("Any", self).app.clipboard)

    def action_cursor_line_end(self, select: bool = False) -> None:
        """Go to the end of the line; End in an empty field is the screen's."""
        if not self.text:
            raise SkipAction
        super().action_cursor_line_end(select)

    def action_delete_right_or_leave(self) -> None:
        """Delete to the right; in an empty field the key is the screen's."""
        if not self.text:
            raise SkipAction
        self.action_delete_right()

    def scroll_cursor_visible(self, center: bool = False, animate: bool = False) -> Offset:
        """Scroll to the cursor; not while an undo has taken its line away and not moved it yet, which raises."""
        if self.cursor_location[0] >= self.document.line_count:
            return Offset(0, 0)
        return super().scroll_cursor_visible(center, animate)

    def get_line(self, line_index: int) -> Text:
        """Return a line with nothing in it that could draw on the terminal; the text itself stays as it is."""
        return Text(shown_line(self.document.get_line(line_index)), end="", no_wrap=True)

    def paste(self, text: str) -> None:
        """Put in a pasted text, as a mark when it is big."""
        self.put_in(self._pastes.shorten(clean_paste(text)))

    def put_in(self, text: str) -> None:
        """Put `text` in place of the selection, the cursor behind it."""
        if result := self._replace_via_keyboard(text, *self.selection):
            self.move_cursor(result.end_location)

    def edit(self, edit: Edit) -> EditResult:
        """Carry out an edit; a mark of a paste goes whole or stays whole."""
        top, bottom = sorted((edit.from_location, edit.to_location))
        # deleting the last line names the one behind it, which is not there
        lines = (self.document[top[0]], self.document[bottom[0]] if bottom[0] < self.document.line_count else "")
        if "[Pasted " in lines[0] or "[Pasted " in lines[1]:
            top, bottom = widen(self._pastes, lines, top, bottom)
            edit = Edit(edit.text, top, bottom, edit.maintain_selection_offset)
        return super().edit(edit)
