"""The open question above the prompt: its number, its first line, the options, and what else can be typed."""

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from agent.tui.viewmodels.chat import Asked
from tools.escape import one_line

_TALL_SCREEN = 30
_ROWS, _ROWS_WHEN_TALL = 5, 6
_SHORT = 44
"""Cells of a line that no screen of 60 columns or more cuts."""


class QuestionBar(Widget):
    """Shows the question that is open; hidden while none is."""

    DEFAULT_CSS = """
    QuestionBar {
        border: round $secondary; padding: 0 1; display: none;
        border-title-color: $foreground; border-title-style: bold; border-subtitle-color: $foreground-muted;
    }
    QuestionBar.-open { display: block; }
    """

    class Picked(Message):
        """An option was clicked."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._asked: Asked | None = None
        self._marked = -1

    @property
    def asked(self) -> Asked | None:
        """The open question."""
        return self._asked

    @property
    def has_options(self) -> bool:
        """Whether there is a list to choose from."""
        return bool(self._options)

    @property
    def answer(self) -> str | None:
        """What Enter answers: the marked option, empty for the default, None when neither is there."""
        if self._asked is None:
            return None
        if self._marked >= 0 and self._asked.options[self._marked] != self._asked.default:
            return self._asked.options[self._marked]
        return "" if self._asked.default is not None else None

    def show(self, asked: Asked | None) -> None:
        """Show a question, or none."""
        self._asked = asked
        self.set_class(asked is not None, "-open")
        if asked is None:
            return
        self._marked = asked.options.index(asked.default) if asked.default in asked.options else -1
        self._fit()
        self.refresh()

    def move(self, step: int) -> None:
        """Mark the next or the previous option."""
        if self._options:
            first = 0 if step > 0 else len(self._options) - 1
            self._marked = (self._marked + step) % len(self._options) if self._marked >= 0 else first
            self.refresh()

    def pick(self, digit: int) -> str | None:
        """Return the option of a digit; None where there is none, or where an answer itself begins with a digit."""
        options = self._options
        takes_numbers = any(option[:1].isdigit() for option in options)
        return options[digit - 1] if 0 < digit <= len(options) and not takes_numbers else None

    def on_resize(self) -> None:
        """Cut the first line anew, and show as many options as the screen leaves room for."""
        self._fit()

    def on_click(self, event: events.Click) -> None:
        """Pick the option that was clicked."""
        window = self._window()
        row = event.y - self.gutter.top
        if self._options and 0 <= row < len(window):
            event.stop()
            self.post_message(self.Picked(self._options[window[row]]))

    def render(self) -> Content:
        """Return the options around the marked one, or what Enter takes."""
        if self._asked is None:
            return Content("")
        if not self._asked.options:
            default = self._asked.default
            text = f"Enter takes: {one_line(default, 400)}" if default else "Type your answer."
            return Content(text).stylize("$foreground-muted")
        return Content("\n").join(self._option(index) for index in self._window())

    @property
    def _options(self) -> tuple[str, ...]:
        return self._asked.options if self._asked is not None else ()

    def _option(self, index: int) -> Content:
        is_marked = index == self._marked
        options = self._options
        number = str(index + 1).rjust(len(str(len(options))))
        tail = " (Enter)" if is_marked else " …" if index in self._cut_ends() else ""
        room = max(8, self.content_size.width - len(number) - 4 - len(tail))
        text = Content(one_line(options[index], 400)).truncate(room, ellipsis=True)
        row = Content(f"{'›' if is_marked else ' '} {number} ") + text + Content(tail)
        return row.stylize("bold") if is_marked else row

    def _cut_ends(self) -> set[int]:
        """Return the first and last row shown where there are more beyond."""
        window = self._window()
        num_options = len(self._options)
        return {index for index in (window[0], window[-1]) if 0 < index < num_options - 1} if num_options else set()

    def _window(self) -> range:
        num_options = len(self._options)
        rows = _ROWS_WHEN_TALL if self.screen.size.height >= _TALL_SCREEN else _ROWS
        start = min(max(0, self._marked - rows // 2), max(0, num_options - rows))
        return range(start, min(num_options, start + rows)) if num_options else range(1)

    def _fit(self) -> None:
        if self._asked is None:
            return
        self.styles.height = len(self._window()) + 2
        number = f"{self._asked.number} · " if self._asked.number else ""
        title = Content(number + one_line(_question_of(self._asked.text), 400))
        self.border_title = title.truncate(max(10, self.outer_size.width - 6), ellipsis=True)
        has_default = self._asked.default is not None
        self.border_subtitle = Content("Enter default · why · skip · undo" if has_default else "why · undo")


def shows_all_answers(asked: Asked) -> bool:
    """Return whether all answers of a question are seen here on every screen, none of them cut."""
    shown = asked.options or (asked.default or "",)
    return len(shown) <= _ROWS and all(cell_len(one_line(text, 400)) <= _SHORT for text in shown)


def _question_of(text: str) -> str:
    """Return the last line that asks: what stands before it leads up to it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "?" in line), lines[0] if lines else "")
