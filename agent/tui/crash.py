"""What happens when something fails that nobody foresaw: the app goes on where it can, and no value is ever printed.

Textual ends the app on any error and prints local variables with it, which may hold keys. Here an error of a worker or
of a handler is told in a panel, and what ends the app is told in sentences and places in the code.
"""

import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console, RenderableType
from textual import on
from textual._context import active_app
from textual.app import App
from textual.driver import Driver
from textual.message import Message
from textual.message_pump import MessagePump
from textual.worker import WorkerFailed

from agent.tui.terminal import tell_terminal
from tools.escape import one_line, visible
from tools.secrets import redact

_LONGEST_TEXT = 20_000
_MAX_FRAMES = 12
_MAX_ERRORS = 5
_PERIOD_S = 10.0
_DISPATCH = "_dispatch_message"

Result = TypeVar("Result")


def crash_sentence(error: BaseException) -> str:
    """Return an error in one line: its type and its words, without secrets."""
    words = one_line(redact(str(error)), 300)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def crash_text(error: BaseException, log_words: str, resume: str) -> str:
    """Return what is told on the terminal when an error ended the interface.

    Args:
        error: the error.
        log_words: where the details are, as a sentence.
        resume: the command that takes the conversation up again.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename and frame.filename != __file__] or frames
    places = [f"  {_place(frame.filename)}:{frame.lineno} in {frame.name}" for frame in ours[-_MAX_FRAMES:]]
    return "\n".join(
        (
            "Tailor's interface failed inside.",
            crash_sentence(error),
            *places,
            log_words,
            "Nothing that was recorded is lost, and jobs go on.",
            f"`{resume}` takes the conversation up again.",
        )
    )


def log_crash(error: BaseException, log_path: Path | None) -> str:
    """Append an error's traceback, without values, to the project's log; return where it is, as a sentence."""
    if log_path is None:
        return "The details were not kept."
    details = visible(redact("".join(traceback.format_exception(error))), _LONGEST_TEXT)
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    try:
        log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with open(log, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{when} interface\n{details}")
    except OSError as problem:
        return f"The details could not be kept: {log_path} cannot be written ({problem.strerror})."
    return f"The details are in {log_path}."


def _place(filename: str) -> str:
    """Return the end of a source file's path, which says enough and names no folder of the person."""
    return "/".join(Path(filename).parts[-3:])


class CrashSafe(App[Result]):
    """An app that outlives errors of workers and handlers.

    An error before the first frame, and more than five errors within ten seconds, end it with exit code 1.
    """

    log_path: Path | None = None
    """Where details go."""
    resume_words = "tailor"
    """The command that takes the conversation up again."""
    is_strict: bool | None = None
    """Whether every error ends the app; None for those of an app without a terminal, as tests run it."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._is_failing = False
        self._farewell = ""
        self._error_times: deque[float] = deque(maxlen=_MAX_ERRORS + 1)

    def get_driver_class(self) -> type[Driver]:
        """Return the driver for this terminal."""
        from agent.tui.driver import LinuxDriver, SteadyDriver

        chosen = super().get_driver_class()
        return SteadyDriver if chosen is LinuxDriver else chosen

    @on(Driver.SignalResume)
    def redraw_all(self) -> None:
        """Draw everything anew: a terminal that is entered again is empty, and Textual draws only what changed."""
        self.refresh(layout=True)

    def outlives(self, error: Exception) -> bool:
        """Tell the person of an error and go on; False when the app must end."""
        is_strict = self.is_headless if self.is_strict is None else self.is_strict
        if self._is_failing or is_strict:
            return False
        cause = error.error if isinstance(error, WorkerFailed) else error
        if self._exit:
            # it ends anyway, and what fails then is nothing the person could act on
            log_crash(cause, self.log_path)
            return True
        now = time.monotonic()
        self._error_times.append(now)
        is_often = len(self._error_times) > _MAX_ERRORS and now - self._error_times[0] <= _PERIOD_S
        if is_often or not self._is_up():
            return False
        self.call_later(self._show_error, crash_sentence(cause), log_crash(cause, self.log_path))
        return True

    def _is_up(self) -> bool:
        """Whether there is a first screen with all that belongs on it, to which one could return."""
        return self._is_mounted and bool(self._screen_stack) and self._screen_stack[0].is_mounted

    def _show_error(self, sentence: str, log_words: str) -> None:
        from agent.tui.screens.error import ErrorScreen

        for screen in self.screen_stack:
            if isinstance(screen, ErrorScreen):
                screen.add(sentence)
                return
        self.push_screen(ErrorScreen(sentence, log_words))

    def _handle_exception(self, error: Exception) -> None:
        if not self.outlives(error):
            self._note_failure(error.error if isinstance(error, WorkerFailed) else error)
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._note_failure(sys.exc_info()[1] or RuntimeError("the interface ended itself"))
        self._return_code = 1
        self._close_messages_no_wait()

    def panic(self, *renderables: RenderableType) -> None:
        """End the app, telling what was given as plain text without secrets."""
        error = RuntimeError(_as_text(renderables))
        self._note_failure(error)
        super()._handle_exception(error)

    def _note_failure(self, error: BaseException) -> None:
        """Keep what is told at the end. The first error counts: what follows from it would only hide it."""
        if not self._is_failing:
            self._is_failing = True
            self._farewell = crash_text(error, log_crash(error, self.log_path), self.resume_words)

    def _print_error_renderables(self) -> None:
        text = self._farewell or _as_text(tuple(self._exit_renderables))
        self._exit_renderables.clear()
        self._farewell = ""
        if text:
            tell_terminal(text)


def _as_text(renderables: tuple[RenderableType, ...]) -> str:
    console = Console(width=100, color_system=None, highlight=False, markup=False)
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable)
    return visible(redact(capture.get()), _LONGEST_TEXT).strip()


def _outliving(dispatch: Callable[[MessagePump, Message], Any]) -> Callable[[MessagePump, Message], Any]:
    """Return a `_dispatch_message` after whose errors the widget takes further messages.

    Textual tells the app of an error and then ends the message loop of the widget, so catching it in the app alone
    would leave a dead widget, or a dead screen.
    """

    async def dispatch_message(pump: MessagePump, message: Message) -> None:
        try:
            await dispatch(pump, message)
        except Exception as error:
            app = active_app.get(None)
            if not isinstance(app, CrashSafe) or not app.outlives(error):
                raise

    return dispatch_message


setattr(MessagePump, _DISPATCH, _outliving(getattr(MessagePump, _DISPATCH)))
