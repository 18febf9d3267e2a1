"""The terminal itself: how it is left, what may write to it, and the process that watches over it.

Everything here runs before anything is drawn or after everything has failed, so it needs the standard library alone.
"""

import io
import os
import signal
import stat
import sys
import termios
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

_LONGEST_LOG = 1_000_000

RESET = "".join(
    (
        "\x1b[?2026l",  # show what was held back in the middle of a frame
        "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l",  # mouse
        "\x1b[?2004l",  # bracketed paste
        "\x1b[?1004l",  # focus reports
        "\x1b[?2048l",  # size reports in the input
        "\x1b[<u",  # keyboard protocol; each of the two screens has its own, so before leaving this one
        "\x1b[?1049l",  # alternate screen
        "\x1b[?7h",  # line wrap
        "\x1b[0m\x1b[?25h",  # colours, cursor
    )
)
"""What takes a terminal out of every mode that a full-screen program may have left on."""


@dataclass(frozen=True)
class SavedTerminal:
    """A terminal as it was before the interface took it."""

    fd: int
    attributes: list[Any] | None
    """What termios gave; None where it is no terminal."""

    @staticmethod
    def of(fd: int) -> "SavedTerminal":
        """Return the state of the terminal behind `fd` now."""
        try:
            return SavedTerminal(fd, termios.tcgetattr(fd))
        except termios.error:
            return SavedTerminal(fd, None)

    def is_changed(self) -> bool:
        """Whether keys are not echoed or handed over as they were before, so that a shell could not go on."""
        if self.attributes is None:
            return False
        try:
            now = termios.tcgetattr(self.fd)
        except termios.error:
            return False
        kept = termios.ECHO | termios.ICANON | termios.ISIG
        return now[3] & kept != self.attributes[3] & kept

    def restore(self) -> None:
        """Take the terminal out of all modes and give it its old settings; no error when it has gone."""
        # a process in the background may set a terminal only while it does not listen to the signal that forbids it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            write_all(self.fd, RESET.encode())
            if self.attributes is not None:
                termios.tcsetattr(self.fd, termios.TCSANOW, self.attributes)
        except (OSError, termios.error):
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError."""
    while data:
        data = data[os.write(fd, data) :]


def open_log(path: Path | None) -> int:
    """Open the file that takes what is not meant for the screen; the null device where that cannot be.

    It is private, never followed through a link, and begun anew when it has grown long.
    """
    if path is not None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            log = os.open(path, flags, 0o600)
        except OSError:
            return os.open(os.devnull, os.O_WRONLY)
        state = os.fstat(log)
        if stat.S_ISREG(state.st_mode) and state.st_uid == os.getuid():
            os.fchmod(log, 0o600)
            if state.st_size > _LONGEST_LOG:
                os.ftruncate(log, 0)
            return log
        os.close(log)
    return os.open(os.devnull, os.O_WRONLY)


def divert_output(log_path: Path | None) -> None:
    """Let file descriptors 1 and 2 write to a log."""
    log = open_log(log_path)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def guard_terminal(log_path: Path | None) -> None:
    """Keep the terminal for the interface alone.

    Textual draws and reads through `sys.__stderr__`, `sys.__stdout__` and `sys.__stdin__`, which get descriptors of
    their own that no child inherits. Descriptors 0, 1 and 2, which native code and children use, lead elsewhere.
    """
    encoding = sys.stdout.encoding or "utf-8"
    keys = io.TextIOWrapper(io.BufferedReader(io.FileIO(os.dup(0))), encoding, "replace")
    screen = io.TextIOWrapper(io.BufferedWriter(io.FileIO(os.dup(1), "w")), encoding, "replace")
    for name, stream in (("__stdin__", keys), ("__stdout__", screen), ("__stderr__", screen)):
        setattr(sys, name, stream)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    divert_output(log_path)


def tell_terminal(text: str) -> None:
    """Write lines to the terminal where the interface has left it; nothing when it has gone."""
    stream = sys.__stderr__
    if stream is None:
        return
    try:
        stream.write(text.rstrip("\n") + "\n")
        stream.flush()
    except (OSError, ValueError):
        return


def end_with_parent(reading: int, saved: SavedTerminal) -> None:
    """Restore the terminal and end this process as soon as the process that watches over it has ended.

    Args:
        reading: the end of a pipe whose other end the watching process alone holds.
        saved: the terminal.
    """

    def wait() -> None:
        while True:
            try:
                if not os.read(reading, 1):
                    break
            except OSError:
                break
        saved.restore()
        os._exit(128 + signal.SIGHUP)

    threading.Thread(target=wait, name="watch-parent", daemon=True).start()


def watch(child: int, saved: SavedTerminal) -> int:
    """Wait for the interface's end and return its exit code, 128 and the number where a signal ended it.

    Ctrl+Z stops this process along with the interface, and what ends this process is passed on to the interface. The
    terminal is restored when the interface left it in a state that no shell could use.
    """
    _pass_signals_on(child)
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        while os.WIFSTOPPED(status):
            status = _stop_along(child, saved)
        if not os.WIFCONTINUED(status):
            break
    if os.WIFSIGNALED(status) or saved.is_changed():
        saved.restore()
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _pass_signals_on(child: int) -> None:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        try:
            os.kill(child, number)
        except ProcessLookupError:
            return

    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)


def _stop_along(child: int, saved: SavedTerminal) -> int:
    """Stop this job as the interface did, until somebody continues it; return the interface's state then."""
    if saved.is_changed():
        saved.restore()
    signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    # the whole job, so that a shell waiting for make or a script around us sees it stopped. Where no shell could
    # continue it, the kernel does not stop it, and the interface is continued at once.
    os.killpg(0, signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    for _ in range(20):
        found, status = os.waitpid(child, os.WNOHANG | os.WCONTINUED | os.WUNTRACED)
        if found and not os.WIFSTOPPED(status):
            return status
        time.sleep(0.01)
    os.kill(child, signal.SIGCONT)
    return os.waitpid(child, os.WCONTINUED)[1]
