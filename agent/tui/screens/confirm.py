"""A question before something is stopped, taken down or left. Nothing is chosen at first, and Esc always means no."""

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key, Paste
from textual.widgets import Static

from agent.tui.screens.dialog import Dialog
from agent.tui.typing_guard import TypingGuard
from agent.tui.widgets.approval_options import AnswerField, AnswerList, OptionRow, TypedInput
from tools.escape import one_line

_HINT = "↑↓ move · Enter choose · Esc no"
_FIELD_HINT = "Enter go on · Esc go back"


class Confirm(Dialog[bool]):
    """Returns True only for a deliberate yes."""

    DEFAULT_CSS = """
    Confirm { align: center middle; }
    Confirm > #confirm-box {
        width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
        border: round $warning; border-title-color: $text-warning; border-title-style: bold; background: $surface;
    }
    Confirm #confirm-body { height: auto; max-height: 12; }
    Confirm #confirm-body Static { height: auto; }
    Confirm AnswerList { margin-top: 1; }
    Confirm #confirm-news { height: auto; color: $text-error; text-style: bold; }
    Confirm #confirm-hint { height: auto; color: $text-muted; }
    """
    # keys that decide have no ids: they are the same everywhere, whatever the keymap says
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "choose('y')", "Yes", show=False),
        Binding("n", "choose('n')", "No", show=False),
        Binding("up", "move(-1)", "Up", id="confirm.up", show=False),
        Binding("down", "move(1)", "Down", id="confirm.down", show=False),
        Binding("enter", "enter", "Choose", show=False),
        Binding("escape", "back", "No", show=False),
    ]

    def __init__(
        self,
        title: str,
        sentences: Sequence[str],
        *,
        yes: str,
        no: str = "No, go back",
        word: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the question.

        Args:
            title: the question.
            sentences: what is lost and what is kept.
            yes: what happens on yes, in words.
            no: the safe answer in words.
            word: what must be typed as well, for what cannot be taken back.
            clock: seconds that only go forward.
        """
        super().__init__()
        self._question = one_line(title, len(title))
        self._sentences = tuple(one_line(sentence, len(sentence)) for sentence in sentences)
        self._word = word
        self._guard = TypingGuard(clock)
        self._options = AnswerList((("n", no), ("y", yes)))
        self._field = AnswerField()
        self._news = Static(markup=False, id="confirm-news")
        self._hint = Static(_HINT, markup=False, id="confirm-hint")

    def compose(self) -> ComposeResult:
        """Yield the question and its answers; the safe one stands first."""
        with Vertical(id="confirm-box") as box:
            box.border_title = Content(self._question)
            with VerticalScroll(id="confirm-body", can_focus=False):
                yield from (Static(Content(sentence)) for sentence in self._sentences)
            yield self._options
            yield self._field
            yield self._news
            yield self._hint

    def on_mount(self) -> None:
        """Decide nothing for a moment, now and whenever the terminal comes back to the front."""
        self._guard.opened()
        # the outermost ancestor is the app
        self.watch(self.ancestors[-1], "app_focus", lambda is_front: is_front and self._guard.focused(), init=False)

    def on_key(self, event: Key) -> None:
        """Let no key through that was meant for what was on the screen before."""
        is_text = bool(self._field.purpose) and event.key not in ("enter", "escape")
        if not self._guard.may_decide() and not is_text:
            self._guard.ignored()
            event.stop()
            event.prevent_default()
        else:
            self._news.update("")

    def on_paste(self, event: Paste) -> None:
        """A paste decides nothing."""
        event.stop()

    def on_option_row_clicked(self, event: OptionRow.Clicked) -> None:
        """A click on an answer means it, unless it only brought the terminal to the front."""
        event.stop()
        if self._guard.may_decide() and not self._field.purpose:
            self.action_choose(event.letter)

    def action_choose(self, letter: str) -> None:
        """Take the answer of that letter."""
        if letter == "n":
            self.dismiss(False)
        elif not self._word:
            self.dismiss(True)
        elif not self._field.purpose:
            self._guard.opened()
            self._field.open("y", f"Type {one_line(self._word)} to go on:", takes_paste=False)
            self._hint.update(Content(_FIELD_HINT))

    def action_enter(self) -> None:
        """Take the answer the person moved to."""
        if letter := self._options.chosen:
            self.action_choose(letter)

    def action_move(self, by: int) -> None:
        """Move to the next answer or the one before."""
        if not self._field.purpose:
            self._options.move(by)

    def action_back(self) -> None:
        """Leave the field; from the answers, the answer is no."""
        if self._field.purpose:
            self._field.close()
            self.set_focus(None)
            self._hint.update(Content(_HINT))
        else:
            self.dismiss(False)

    def on_answer_field_entered(self, event: AnswerField.Entered) -> None:
        """Go on if the word is right."""
        event.stop()
        if event.text == self._word:
            self.dismiss(True)
        else:
            self._news.update(Content(f"✗ That is not {one_line(self._word)}. Nothing was done."))

    def on_typed_input_pasted(self, event: TypedInput.Pasted) -> None:
        """Say why the line stayed as it was."""
        event.stop()
        self._news.update(Content("✗ A pasted text does not count here. Type it."))
