"""What failed inside while the app goes on: one sentence, and where the details are."""

import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.screen import Screen
from textual.widgets import Static

from tools.escape import visible

_QUIET_S = 1.0
_LONGEST = 400


class ErrorScreen(Screen[None]):
    """Covers everything, because what lies below may be what fails.

    Args:
        sentence: what failed.
        log_words: where the details are, as a sentence.
        clock: seconds that only grow.
    """

    DEFAULT_CSS = """
    ErrorScreen {
        align: center middle;
        background: $background;
    }
    ErrorScreen > Vertical {
        width: 76;
        max-width: 100%;
        height: auto;
        max-height: 100%;
        overflow-y: auto;
        border: round $error;
        background: $surface;
        padding: 1 2;
    }
    ErrorScreen Static {
        height: auto;
    }
    ErrorScreen .error--title {
        color: $text-error;
        text-style: bold;
    }
    ErrorScreen .error--words {
        margin: 1 0;
        color: $text;
    }
    ErrorScreen .error--keys {
        margin-top: 1;
        color: $text-muted;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "close", "Go on"),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, sentence: str, log_words: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._sentences = [sentence]
        self._log_words = log_words
        self._last_key = clock()

    def compose(self) -> ComposeResult:
        """Lay the panel out."""
        with Vertical():
            yield Static("✗ Something failed inside Tailor", classes="error--title", markup=False)
            yield Static(self._words(), classes="error--words", markup=False)
            yield Static("Tailor goes on, and so do jobs. Nothing that was recorded is lost.", markup=False)
            yield Static(Content(visible(self._log_words, _LONGEST)))
            yield Static("Enter go on · q quit", classes="error--keys", markup=False)

    def add(self, sentence: str) -> None:
        """Tell of another error that came while this is shown."""
        self._sentences.append(sentence)
        for words in self.query(".error--words").results(Static):
            words.update(self._words())

    def on_key(self, event: Key) -> None:
        """Let keys decide nothing while the person still types what was meant for the screen below."""
        now = self._clock()
        is_typing = now - self._last_key < _QUIET_S
        self._last_key = now
        if is_typing and event.key == "q":
            event.prevent_default().stop()

    def action_close(self) -> None:
        """Go back to what was shown."""
        # a second key may come before the screen is gone
        if self.is_active:
            self.dismiss(None)

    def _words(self) -> Content:
        num_more = len(self._sentences) - 1
        first, last = (visible(sentence, _LONGEST) for sentence in (self._sentences[0], self._sentences[-1]))
        return Content(f"{first}\nand {num_more} more, the last: {last}" if num_more else first)
