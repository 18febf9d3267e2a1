"""The prompt: where the person answers, asks and gives commands. It decides what a key does while it has focus."""

import time
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import TextArea

from agent.tui.commands import BadCommand, read_command
from agent.tui.file_names import CompletionSource
from agent.tui.messages import CommandGiven, Failed, Submitted
from agent.tui.prompt_history import PromptHistory
from agent.tui.viewmodels.chat import Asked
from agent.tui.widgets.completion import CompletionList
from agent.tui.widgets.pasted import Pastes
from agent.tui.widgets.prompt_area import PromptArea
from agent.tui.widgets.prompt_keys import PromptActs, PromptKeys
from agent.tui.widgets.question_bar import QuestionBar
from agent.tui.widgets.recall import Recall

PLACEHOLDER = "Answer, or / for commands, @ for files  (Ctrl+J newline)"
_LOW_SCREEN = 30
_MAX_SHOWN_CHARS, _MAX_SHOWN_LINES = 20_000, 200


class Prompt(Vertical):
    """A text field that grows to 8 lines, the open question above it, a list that completes what is typed.

    Posts `Submitted`, `CommandGiven`, and `Failed` for a command that does not exist.
    """

    DEFAULT_CSS = """
    Prompt { height: auto; }
    Prompt > #prompt-box { height: auto; border: round $panel; padding: 0 1; }
    Prompt:focus-within > #prompt-box { border: round $primary; }
    Prompt.-asking.-low PromptArea { max-height: 4; }
    """

    def __init__(
        self,
        project_dir: Path | str | None = None,
        *,
        question_settles_s: float = 0.3,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        folder = Path(project_dir) if project_dir is not None else None
        self._history = PromptHistory(folder / ".tailor" / "history.jsonl" if folder else None)
        self._settles_s = question_settles_s
        self._answered = ""
        self._pastes = Pastes()
        self._recall = Recall(self._history)
        self._area = PromptArea(PLACEHOLDER, self._pastes)
        self._bar = QuestionBar()
        self._list = CompletionList(CompletionSource(folder) if folder else None)
        acts = PromptActs(self._send, self._answer, self.set_text, self._help, self.clear)
        self._keys = PromptKeys(self._area, self._bar, self._list, self._recall, acts)
        self._area.before_key = self._keys.take

    def compose(self) -> ComposeResult:
        """Stack the list, the question and the field."""
        yield self._list
        yield self._bar
        with Vertical(id="prompt-box"):
            yield self._area

    def on_mount(self) -> None:
        """Read the history, beside everything else."""
        self.run_worker(self._history.load, thread=True)

    @property
    def history(self) -> PromptHistory:
        """What was sent before."""
        return self._history

    @property
    def typed_at(self) -> float:
        """Monotonic time of the last key or paste here; 0 before the first."""
        return self._area.typed_at

    @property
    def text(self) -> str:
        """What is written, pastes in full."""
        return self._pastes.expand(self._area.text)

    def set_text(self, text: str) -> None:
        """Put `text` in place of what is written, the cursor at its end."""
        shown = self._pastes.shorten(text, _MAX_SHOWN_CHARS, _MAX_SHOWN_LINES)
        self._area.replace(shown, (0, 0), self._area.document.end, maintain_selection_offset=False)
        self._area.move_cursor(self._area.document.end)

    def insert(self, text: str) -> None:
        """Put `text` in at the cursor."""
        self._area.paste(text)

    def clear(self) -> bool:
        """Empty the field, which can be undone; return whether there was text."""
        had_text = bool(self._area.text)
        self._area.replace("", (0, 0), self._area.document.end, maintain_selection_offset=False)
        self._recall.stop()
        self._list.close()
        return had_text

    def set_question(self, asked: Asked | None) -> None:
        """Show the open question, or none. An answered one does not come back until another or none was set."""
        if asked is not None and asked.key == self._answered:
            return
        self._answered = ""
        if asked is not None and (self._bar.asked is None or self._bar.asked.key != asked.key):
            self._keys.settled_at = time.monotonic() + self._settles_s
        self._bar.show(asked)
        self.set_class(asked is not None, "-asking")

    def set_enabled_hint(self, hint: str) -> None:
        """Show `hint` in the empty field; empty shows the usual words."""
        self._area.placeholder = Content(hint or PLACEHOLDER)

    def focus_input(self) -> None:
        """Give the field the focus."""
        self._area.focus()

    def begin(self, text: str) -> None:
        """Take the keys at once; begin with `text` where nothing is written."""
        self.screen.set_focus(self._area)
        if not self._area.text:
            self.insert(text)

    def _send(self, raw: str) -> None:
        text = self._pastes.expand(raw).strip("\n").rstrip()
        given = read_command(text)
        if isinstance(given, BadCommand):
            self.post_message(Failed(given.message, given.hint))
            return
        self._history.add(text)
        self.clear()
        self._area.history.clear()
        self._pastes.clear()
        if given is not None:
            self.post_message(CommandGiven(given.command.name, given.argument))
        else:
            self._answer(text)

    def _answer(self, text: str) -> None:
        if self._bar.asked is None and not text and self._answered:
            # the second Enter of two; the question it was meant for is answered
            return
        if self._bar.asked is not None:
            self._answered = self._bar.asked.key
            self._bar.show(None)
            self.remove_class("-asking")
        self.post_message(Submitted(text))

    def _help(self) -> None:
        self.post_message(CommandGiven("help"))

    def on_resize(self) -> None:
        """Leave the chat some room on a low screen."""
        self.set_class(self.screen.size.height < _LOW_SCREEN, "-low")

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Complete what is typed."""
        event.stop()
        self._keys.follow()

    def on_question_bar_picked(self, event: QuestionBar.Picked) -> None:
        """Answer with the option that was clicked, unless something else is being written."""
        event.stop()
        if not self._area.text:
            self._answer(event.text)
        self.focus_input()

    def on_completion_list_clicked(self, event: CompletionList.Clicked) -> None:
        """Put in the entry that was clicked."""
        event.stop()
        self._keys.complete()
        self.focus_input()
