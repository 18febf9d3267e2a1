"""The middle of the spec pane: a sentence while there is nothing to edit, the editor once there is.

The editor is made when it is first seen: its grammar and colours are not needed for the first frame.
"""

from time import monotonic
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from agent.tui.spec_words import READING

if TYPE_CHECKING:
    from agent.tui.spec_buffer import SpecBuffer
    from agent.tui.widgets.spec_text import SpecText

TYPING_S = 2.0


class SpecBody(Vertical):
    """Holds the text, drawn or not."""

    DEFAULT_CSS = """
    SpecBody {
        height: 1fr;
        & .spec-sentence { color: $text-muted; padding: 1; height: 1fr; }
    }
    """

    class Typed(Message):
        """The text changed by the person's hand."""

    def __init__(self) -> None:
        super().__init__()
        self._sentence = Static(Content(READING), classes="spec-sentence", markup=False)
        self.editor: SpecText | None = None
        self._text: str | None = None
        self._typed_at = float("-inf")
        self._is_seen = False

    def compose(self) -> ComposeResult:
        yield self._sentence

    def on_show(self) -> None:
        self._is_seen = True
        if self._text is not None:
            self.make_editor()

    def on_hide(self) -> None:
        self._is_seen = False

    def say(self, sentence: str) -> None:
        """Show a sentence in place of a text; without effect once there is one."""
        if self._text is None:
            self._sentence.update(Content(sentence))

    def text(self) -> str:
        """Return the text in the editor."""
        if self.editor is not None:
            self._notice_typing()
        return self._text or ""

    def place(self, text: str) -> None:
        """Change the text in the editor, keeping cursor and undo history."""
        self._text = text
        if self.editor is not None:
            self.editor.change_to(text)
        elif self._is_seen:
            self.make_editor()

    def line_in_use(self) -> int | None:
        """Return the line the person is typing in, counted from 0; None when they are not."""
        if self.editor is None:
            return None
        self._notice_typing()
        return self.editor.cursor_location[0] if monotonic() - self._typed_at < TYPING_S else None

    def make_editor(self) -> "SpecText | None":
        """Return the editor, made now if need be; None while there is no text."""
        if self.editor is None and self._text is not None and self.is_mounted:
            from agent.tui.widgets.spec_text import SpecText

            self.editor = SpecText(self._text)
            self._sentence.display = False
            self.mount(self.editor)
        return self.editor

    def draw(self, buffer: "SpecBuffer") -> None:
        """Show whose lines are whose, which are wrong, and whether the text can be changed."""
        if self.editor is not None:
            wrong = {problem.line - 1 for problem in buffer.problems if problem.line is not None}
            self.editor.mark(buffer.marks(self.text()), wrong)
            self.editor.read_only = buffer.is_read_only

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._notice_typing()

    def _notice_typing(self) -> None:
        """Compare texts rather than count events: an event of ours may come after the person's next key."""
        if self.editor is not None and self.editor.text != self._text:
            self._text = self.editor.text
            self._typed_at = monotonic()
            self.post_message(self.Typed())
