"""Asks for the person's attention while the terminal is not in front: bell, title, notification. Nothing is decided.

What reaches the terminal is escaped here, so that no project's name can smuggle a control sequence into it.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from tools.escape import one_line

Matter: TypeAlias = Literal["action", "finished"]
"""A person is needed; or something that took long has ended."""
_GAP_S = 1.0
_LONGEST = 120
_SAVE_TITLE = "\x1b[22;2t"
_RESTORE_TITLE = "\x1b[23;2t"
_BELL = "\x07"


class Attention:
    """One a screen. Every method is called in the interface's own thread."""

    def __init__(
        self,
        write: Callable[[str], None],
        clock: Callable[[], float],
        later: Callable[[float, Callable[[], None]], object],
        *,
        is_on: bool = True,
        has_titles: bool = True,
    ) -> None:
        """Begin with nothing told.

        Args:
            write: puts a control sequence out to the terminal.
            clock: seconds that only go forward.
            later: calls a function after some seconds.
            is_on: the person's setting.
            has_titles: whether the terminal knows titles and notifications; the Linux console knows the bell alone.
        """
        self._write = write
        self._clock = clock
        self._later = later
        self._is_on = is_on
        self._has_titles = has_titles
        self._in_front: bool | None = None
        self._title = ""
        self._shown_title = ""
        self._told_at: float | None = None
        self._pending: tuple[Matter, str] | None = None

    def start(self, project: str) -> None:
        """Keep the terminal's title to put it back, and show the project's name."""
        self._title = f"tailor {_harmless(project)}"
        if self._is_on and self._has_titles:
            self._write(_SAVE_TITLE)
            self._show_title(self._title)

    def stop(self) -> None:
        """Put the terminal's own title back."""
        self._pending = None
        if self._shown_title:
            self._show_title("")
            self._write(_RESTORE_TITLE)

    def turn(self, *, is_on: bool) -> None:
        """Follow the setting."""
        if not is_on:
            self.stop()
        self._is_on = is_on
        if is_on and self._title and not self._shown_title and self._has_titles:
            self._write(_SAVE_TITLE)
            self._show_title(self._title)

    def focused(self) -> None:
        """The terminal came to the front: the person sees for themselves."""
        self._in_front = True
        self._pending = None

    def blurred(self) -> None:
        """The terminal went to the back."""
        self._in_front = False

    def needed(self, what: str) -> None:
        """Say that a person is needed, and keep saying it in the title; `what` is short, as `approval`."""
        if self._is_on:
            self._show_title(f"{self._title} · ! {_harmless(what)}")
        self._ask("action", what)

    def answered(self) -> None:
        """Nobody is needed any more."""
        if self._pending is not None and self._pending[0] == "action":
            self._pending = None
        if self._is_on:
            self._show_title(self._title)

    def finished(self, what: str) -> None:
        """Say that something ended; `what` is short, as `run r7 done`."""
        self._ask("finished", what)

    def _ask(self, matter: Matter, what: str) -> None:
        """Tell now, or as soon as the last telling is a second ago; a person needed goes before something finished."""
        if not self._is_on or self._in_front or (self._in_front is None and matter == "finished"):
            return
        wait_s = 0.0 if self._told_at is None else self._told_at + _GAP_S - self._clock()
        if wait_s <= 0:
            self._tell(matter, what)
            return
        is_waiting = self._pending is not None
        if self._pending is None or matter == "action" or self._pending[0] == "finished":
            self._pending = (matter, what)
        if not is_waiting:
            self._later(wait_s, self._catch_up)

    def _catch_up(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            self._ask(*pending)

    def _tell(self, matter: Matter, what: str) -> None:
        self._told_at = self._clock()
        if self._in_front is None or not self._has_titles:
            self._write(_BELL)
            return
        sign = "!" if matter == "action" else "✓"
        # a notification that begins with a digit means something else to some terminals
        self._write(f"\x1b]9;{self._title}: {sign} {_harmless(what)}{_BELL}{_BELL}")

    def _show_title(self, title: str) -> None:
        if self._has_titles and title != self._shown_title:
            self._shown_title = title
            self._write(f"\x1b]2;{title}{_BELL}")


def _harmless(text: str) -> str:
    """Return `text` on one line without control characters, and without the sign that parts a notification's fields."""
    return one_line(text, _LONGEST).replace(";", ",")
