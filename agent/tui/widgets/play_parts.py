"""The parts of the playground: its prompt, one side with an answer, the row of votes, the field for the settings."""

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static, TextArea

from agent.tui.play_source import Better, Exchange, PlaygroundSource
from agent.tui.play_state import Letter, parse_setting
from agent.tui.spec_words import shown_line
from agent.tui.viewmodels.play import Setting, SideView

_TEXT_LIMIT = 50_000


class PlayPrompt(TextArea):
    """Enter sends, Ctrl+J is a new line."""

    DEFAULT_CSS = """
    PlayPrompt { height: 3; border: round $panel; padding: 0 1; background: transparent; }
    PlayPrompt:focus { border: round $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+j", "new_line", "New line", show=False, id="play.new_line")]

    class Sent(Message):
        """The prompt shall be answered."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    def __init__(self) -> None:
        super().__init__(
            placeholder="Ask both models the same  (Enter sends, Ctrl+J new line)",
            highlight_cursor_line=False,
            id="play-prompt",
        )
        self.cursor_blink = False

    def get_line(self, line_index: int) -> Text:
        """Return a line with nothing in it that could draw on the terminal; the text itself stays as it is."""
        return Text(shown_line(self.document.get_line(line_index)), end="", no_wrap=True)

    def action_new_line(self) -> None:
        """Break the line."""
        self.insert("\n")

    async def _on_key(self, event: events.Key) -> None:
        if event.key != "enter":
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()
        if self.text.strip():
            self.post_message(self.Sent(self.text))


class AnswerSide(Vertical):
    """One side: who answers, the answer, its figures.

    Args:
        letter: A or B.
    """

    DEFAULT_CSS = """
    AnswerSide { height: 1fr; width: 1fr; border: round $panel; padding: 0 1; border-title-color: $text; }
    AnswerSide:focus-within { border: round $primary; }
    AnswerSide.-better { border: round $success; }
    AnswerSide > VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    AnswerSide > VerticalScroll > Static { height: auto; }
    AnswerSide > .side-foot { height: auto; color: $text-muted; }
    """

    def __init__(self, letter: Letter) -> None:
        super().__init__(id=f"side-{letter.lower()}")
        self._drawn: SideView | None = None
        self.letter: Letter = letter

    def compose(self) -> ComposeResult:
        """Make the parts."""
        with VerticalScroll():
            yield Static("", markup=False, classes="side-text")
        yield Static("", markup=False, classes="side-foot")

    def draw(self, view: SideView, *, is_wide: bool) -> None:
        """Show an answer as it stands."""
        from tools.escape import visible

        last = self._drawn
        self._drawn = view
        if last is None or last.text != view.text:
            self.query_one(".side-text", Static).update(Content(visible(view.text, _TEXT_LIMIT)))
        name = view.name or "name hidden until you vote"
        mark = f" · ✓ {view.mark}" if view.mark else ""
        figures, setting = (*view.foot, "", "")[:2]
        title = " · ".join(part for part in (view.letter, name, "" if is_wide else setting) if part)
        self.border_title = Content(title + mark)
        self.border_subtitle = None if is_wide or not figures else Content(figures)
        self.set_class(view.mark == "better", "-better")
        foot = self.query_one(".side-foot", Static)
        foot.display = is_wide
        foot.update(Content("\n".join(part for part in view.foot if part)))


class VoteRow(Static, can_focus=True):
    """Tells the keys and keeps the votes; with it in focus no key is text."""

    DEFAULT_CSS = """
    VoteRow { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
    VoteRow:focus { background: $primary 30%; color: $text; }
    """

    class Saved(Message):
        """A vote is on disk, or why it is not."""

        def __init__(self, exchange: Exchange, better: Better, problem: str) -> None:
            self.exchange = exchange
            self.better: Better = better
            self.problem = problem
            super().__init__()

    class _Counted(Message):
        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    def __init__(self) -> None:
        super().__init__("", markup=False, id="play-votes")
        self._keys = ""
        self._tally = ""

    def tell(self, keys: str) -> None:
        """Show what can be pressed now."""
        if keys != self._keys:
            self._keys = keys
            self._show()

    def save(self, source: PlaygroundSource, exchange: Exchange, better: Better) -> None:
        """Save a vote and count again, in a thread."""

        def in_thread() -> None:
            from specs.errors import TailorError

            try:
                source.vote(exchange, better)
            except TailorError as error:
                self.post_message(self.Saved(exchange, better, str(error)))
                return
            self.post_message(self.Saved(exchange, better, ""))

        self.run_worker(in_thread, thread=True, exclusive=True, group="vote")

    def count(self, source: PlaygroundSource, pair: tuple[str, ...]) -> None:
        """Count the votes on two models, in a thread."""
        if len(pair) < 2:
            return

        def in_thread() -> None:
            from specs.errors import TailorError

            try:
                text = source.tally(pair[0], pair[1])
            except TailorError as error:
                text = str(error)
            self.post_message(self._Counted(text))

        self.run_worker(in_thread, thread=True, exclusive=True, group="count")

    def on_vote_row__counted(self, event: _Counted) -> None:
        """Show the tally."""
        event.stop()
        self._tally = event.text
        self._show()

    def _show(self) -> None:
        self.update(Content("\n".join(part for part in (self._keys, self._tally) if part)))


class SettingField(Input):
    """Where temperature and seed are typed."""

    DEFAULT_CSS = """
    SettingField { height: 1; border: none; padding: 0 1; background: $boost; display: none; }
    SettingField:focus { border: none; }
    SettingField.-open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave", show=False, id="play.leave_setting")]

    class Chosen(Message):
        """Settings were typed: None when they stay as they are, with a sentence when they cannot be used."""

        def __init__(self, setting: Setting | None, letter: Letter | None, problem: str = "") -> None:
            self.setting = setting
            self.letter: Letter | None = letter
            self.problem = problem
            super().__init__()

    def __init__(self) -> None:
        super().__init__(placeholder="Temperature from 0 to 2, then a seed, as: 0.7 7", id="play-setting")
        self.cursor_blink = False
        self._letter: Letter | None = None
        self._default = Setting()

    def open(self, letter: Letter | None, now: Setting) -> None:
        """Take the settings of a side, or of both."""
        self._letter, self._default = letter, now
        self.value = f"{now.temperature:g} {now.seed}"
        self.add_class("-open")
        self.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Tell what was typed."""
        event.stop()
        try:
            setting = parse_setting(event.value, self._default)
        except ValueError as error:
            self.post_message(self.Chosen(None, self._letter, str(error)))
            return
        self.remove_class("-open")
        self.post_message(self.Chosen(setting, self._letter))

    def action_leave(self) -> None:
        """Leave the settings as they are."""
        self.remove_class("-open")
        self.post_message(self.Chosen(None, self._letter))
