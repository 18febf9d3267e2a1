"""What each key does while the prompt has focus."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from textual import events

from agent.tui.widgets.completion import CompletionList
from agent.tui.widgets.prompt_area import PromptArea
from agent.tui.widgets.question_bar import QuestionBar
from agent.tui.widgets.raw_paste import WAIT_S, RawPaste
from agent.tui.widgets.recall import Recall

_TYPED_BY_PASTE = {"enter": "\n", "tab": "\t"}
_NEW_LINE = ("ctrl+j", "shift+enter", "alt+enter", "ctrl+enter")


@dataclass(frozen=True)
class PromptActs:
    """What the prompt does when a key decides it."""

    send: Callable[[str], None]
    """Sends what was written."""
    answer: Callable[[str], None]
    """Answers the open question with an option, or with nothing for its default."""
    recall: Callable[[str], None]
    """Puts an earlier prompt into the field."""
    help: Callable[[], None]
    clear: Callable[[], object]
    """Empties the field."""


class PromptKeys:
    """Decides about keys before the text field does."""

    def __init__(
        self, area: PromptArea, bar: QuestionBar, completions: CompletionList, recall: Recall, acts: PromptActs
    ) -> None:
        self._area = area
        self._bar = bar
        self._list = completions
        self._recall = recall
        self._acts = acts
        self._raw = RawPaste()
        self.settled_at = 0.0
        """Monotonic time before which keys do not answer the question, for it was not read yet."""
        self._by_key: dict[str, Callable[[], bool]] = {
            "enter": self._enter,
            "tab": self.complete,
            "escape": self._escape,
            "ctrl+c": self._interrupt,
            "up": lambda: self._vertical(-1),
            "down": lambda: self._vertical(1),
            **dict.fromkeys(_NEW_LINE, self._new_line),
        }

    def take(self, event: events.Key) -> bool:
        """Do what the key does here; False leaves it to the text field and the screen."""
        if self._raw.is_open and not self._raw.is_fast(event.time):
            self._settle()
        self._raw.note(event.time)
        if self._raw.is_on and event.key in _TYPED_BY_PASTE:
            return self._take_pasted(event.key)
        if act := self._by_key.get(event.key):
            return act()
        if self._area.text or not event.is_printable:
            return False
        return self._on_empty(event.character or "")

    def follow(self) -> None:
        """Bring the list up to what is before the cursor."""
        row, column = self._area.cursor_location
        self._list.follow(self._area.document[row][:column], row)

    def complete(self) -> bool:
        """Put in the marked entry of the list."""
        self.follow()
        if (marked := self._list.marked) is None:
            return False
        row, column = self._area.cursor_location
        self._area.replace(marked.text, (row, self._list.start), (row, column), maintain_selection_offset=False)
        self.follow()
        return True

    def _take_pasted(self, key: str) -> bool:
        """Put in what a paste without marks holds. An Enter that nothing follows in time was one all the same."""
        self._area.put_in(_TYPED_BY_PASTE[key])
        if key == "enter" and not self._raw.has_lines:
            self._raw.is_open = True
            self._area.set_timer(WAIT_S, self._settle)
        return True

    def _settle(self) -> None:
        if self._raw.is_open:
            self._raw.is_open = False
            self._area.action_delete_left()
            self._enter()

    def _enter(self) -> bool:
        self.follow()
        if self._list.is_open and not self._list.is_exact:
            return self.complete()
        if self._area.text.strip():
            return self._end_line() or self._send()
        # without a question an empty message means to go on; whether it can is the screen's business
        answer = self._bar.answer if self._bar.asked is not None else ""
        if answer is not None and time.monotonic() >= self.settled_at:
            self._acts.answer(answer)
        return True

    def _interrupt(self) -> bool:
        """Empty the field before the next key; what is selected is copied and the rest decided by the screen."""
        if not self._area.text or self._area.selected_text or self._area.screen.get_selected_text():
            return False
        self._acts.clear()
        return True

    def _send(self) -> bool:
        self._acts.send(self._area.text)
        return True

    def _end_line(self) -> bool:
        """Make a backslash before the cursor a new line."""
        row, column = self._area.cursor_location
        if self._area.document[row][:column].endswith("\\"):
            self._area.replace("\n", (row, column - 1), (row, column), maintain_selection_offset=False)
            return True
        return False

    def _new_line(self) -> bool:
        self._area.put_in("\n")
        return True

    def _escape(self) -> bool:
        if self._list.is_open:
            self._list.dismiss()
            return True
        return False

    def _vertical(self, step: int) -> bool:
        if self._list.is_open:
            self._list.move(step)
        elif self._bar.has_options and not self._area.text:
            self._bar.move(step)
        elif self._is_at_edge(step):
            current = self._area.text
            found = self._recall.older(current) if step < 0 else self._recall.newer(current)
            if found is None:
                return False
            self._acts.recall(found)
            self._recall.shown(self._area.text)
            # the arrows go on walking: an earlier command or name opens no list
            self.follow()
            if self._list.is_open:
                self._list.dismiss()
        else:
            return False
        return True

    def _is_at_edge(self, step: int) -> bool:
        at = self._area.cursor_location
        navigator = self._area.navigator
        return navigator.is_first_wrapped_line(at) if step < 0 else navigator.is_last_wrapped_line(at)

    def _on_empty(self, character: str) -> bool:
        if character == "?":
            self._acts.help()
            return True
        if character.isascii() and character.isdigit() and time.monotonic() >= self.settled_at:
            option = self._bar.pick(int(character))
            if option is not None:
                self._acts.answer(option)
                return True
        return False
