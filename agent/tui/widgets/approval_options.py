"""A short list of answers with a key each, and a one-line field for what must be typed. They decide nothing."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Click, Paste
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static


class OptionRow(Static):
    """One answer; a click on it means it."""

    DEFAULT_CSS = """
    OptionRow { height: auto; padding-left: 1; }
    OptionRow.-chosen { background: $boost; text-style: bold; }
    """

    class Clicked(Message):
        """The row was clicked."""

        def __init__(self, letter: str) -> None:
            self.letter = letter
            super().__init__()

    def __init__(self, letter: str, label: str) -> None:
        super().__init__(markup=False)
        self.letter = letter
        self.write(label, is_chosen=False)

    def write(self, label: str, *, is_chosen: bool) -> None:
        """Show the label, with a mark when the row is the chosen one."""
        self._label = label
        self.set_class(is_chosen, "-chosen")
        self.update(Content.assemble("› " if is_chosen else "  ", (self.letter, "bold $text-accent"), f"  {label}"))

    def mark(self, *, is_chosen: bool) -> None:
        """Put the mark there or take it away."""
        self.write(self._label, is_chosen=is_chosen)

    def on_click(self, event: Click) -> None:
        """Tell the owner."""
        event.stop()
        self.post_message(self.Clicked(self.letter))


class AnswerList(Vertical):
    """Answers one below the other. None is chosen until the person moves to one."""

    DEFAULT_CSS = "AnswerList { height: auto; }"

    def __init__(self, options: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._rows = [OptionRow(letter, label) for letter, label in options]
        self._chosen: OptionRow | None = None

    def compose(self) -> ComposeResult:
        """Yield the answers."""
        yield from self._rows

    def label(self, letter: str, label: str) -> None:
        """Give an answer its words; without any it is not offered."""
        for row in self._rows:
            if row.letter == letter:
                row.display = bool(label)
                row.write(label, is_chosen=row is self._chosen)

    @property
    def chosen(self) -> str | None:
        """Letter of the answer the person moved to."""
        return self._chosen.letter if self._chosen is not None else None

    def forget(self) -> None:
        """Choose none."""
        self._choose(None)

    def move(self, by: int) -> None:
        """Choose the next answer, or the one before; from none the first or the last."""
        offered = [row for row in self._rows if row.display]
        if self._chosen in offered:
            self._choose(offered[(offered.index(self._chosen) + by) % len(offered)])
        else:
            self._choose(offered[0 if by > 0 else -1])

    def _choose(self, row: OptionRow | None) -> None:
        self._chosen = row
        for other in self._rows:
            other.mark(is_chosen=other is row)


class TypedInput(Input):
    """One line. Where it confirms something, a pasted text does not count: only typing is deliberate."""

    class Pasted(Message):
        """Something was pasted and left out."""

    def __init__(self) -> None:
        super().__init__(compact=True, select_on_focus=False)
        self.cursor_blink = False
        self.takes_paste = False
        # while it is closed no focus may land in it
        self.can_focus = False

    def on_paste(self, event: Paste) -> None:
        """Take a pasted text as one line, or leave it out."""
        event.stop()
        event.prevent_default()
        if self.takes_paste:
            self.insert_text_at_cursor(" ".join(event.text.split()))
        else:
            self.post_message(self.Pasted())

    def action_paste(self) -> None:
        """Leave the program's own clipboard out as well."""
        if self.takes_paste:
            super().action_paste()
        else:
            self.post_message(self.Pasted())


class AnswerField(Widget):
    """A sentence that says what to type, and the line to type it in."""

    DEFAULT_CSS = """
    AnswerField { height: auto; display: none; padding: 0 1; }
    AnswerField.-open { display: block; }
    AnswerField Static { height: auto; text-style: bold; }
    """

    class Entered(Message):
        """Enter was pressed in the line."""

        def __init__(self, purpose: str, text: str) -> None:
            self.purpose = purpose
            self.text = text
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._sentence = Static(markup=False)
        self._line = TypedInput()
        self._purpose = ""

    def compose(self) -> ComposeResult:
        """Yield the sentence and the line."""
        yield self._sentence
        yield self._line

    @property
    def purpose(self) -> str:
        """What the field is open for; empty while it is closed."""
        return self._purpose

    @property
    def text(self) -> str:
        """What was typed so far."""
        return self._line.value

    def open(self, purpose: str, sentence: str, *, takes_paste: bool) -> None:
        """Ask for a line, empty at first."""
        self._purpose = purpose
        self._sentence.update(Content(sentence))
        self._line.takes_paste = takes_paste
        self._line.value = ""
        self._line.can_focus = True
        self.add_class("-open")
        self._line.focus()

    def close(self) -> None:
        """Take the line away with what was typed."""
        self._purpose = ""
        self._line.value = ""
        self._line.can_focus = False
        self.remove_class("-open")

    def focus_line(self) -> None:
        """Take the keys back."""
        self._line.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Hand the line to the owner."""
        event.stop()
        if self._purpose:
            self.post_message(self.Entered(self._purpose, event.value))
