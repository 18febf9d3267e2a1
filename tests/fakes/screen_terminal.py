"""Runs a real program in a terminal in memory: keys go in, what a person would see comes out.

The program gets a pseudo terminal of its own, with a session and job control, so it behaves as it does on a desk. What
it writes is drawn by pyte, with the alternate screen, mouse and paste modes kept beside, because pyte knows none of
them.
"""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil
import pyte

ROOT = Path(__file__).resolve().parents[2]

_KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "backspace": "\x7f",
    "delete": "\x1b[3~",
    "space": " ",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "shift+up": "\x1b[1;2A",
    "shift+down": "\x1b[1;2B",
    "ctrl+space": "\0",
    "ctrl+backslash": "\x1c",
    **{f"f{number}": f"\x1bO{letter}" for number, letter in enumerate("PQRS", 1)},
    **{f"f{number}": f"\x1b[{code}~" for number, code in enumerate((15, 17, 18, 19, 20, 21, 23, 24), 5)},
}

_SEQUENCE = re.compile(
    r"\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b\[(?P<private>[<=>?]?)(?P<numbers>[0-9;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
)
_UNFINISHED = re.compile(r"\x1b(?:\][^\x07\x1b]*\x1b?|\[[0-?]*[ -/]*)?$")
_MOUSE_MODES = frozenset({9, 1000, 1002, 1003})


def key_bytes(name: str) -> bytes:
    """Return what a terminal sends for a key named as Textual does: `enter`, `f2`, `ctrl+j`, `alt+x`, one character."""
    if name in _KEYS:
        return _KEYS[name].encode()
    if name.startswith("ctrl+") and len(name) == 6:
        return bytes([ord(name[-1].upper()) & 0x1F])
    if name.startswith("alt+"):
        return b"\x1b" + key_bytes(name.removeprefix("alt+"))
    if len(name) != 1:
        raise ValueError(f"There is no key {name!r}.")
    return name.encode()


class _Drawing:
    """The two screens of a terminal and the modes it is in."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screens = [pyte.HistoryScreen(columns, rows, history=5_000) for _ in range(2)]
        self.streams = [pyte.Stream(screen) for screen in self.screens]
        self.modes = {25, 7}
        self.ever = {25, 7}
        self.kitty_depth = 0
        self.bells = 0
        self.commands: list[str] = []
        self._rest = ""
        self._rows: list[list[str]] = [[], []]

    @property
    def screen(self) -> pyte.HistoryScreen:
        return self.screens[1049 in self.modes]

    def rows(self) -> list[str]:
        """Return the lines of the screen. Only those that changed are read again: tests look often."""
        screen, rows = self.screen, self._rows[1049 in self.modes]
        if len(rows) != screen.lines:
            rows[:] = [""] * screen.lines
            screen.dirty.update(range(screen.lines))
        for number in screen.dirty:
            if number < screen.lines:
                line = screen.buffer[number]
                rows[number] = "".join(line[column].data for column in range(screen.columns)).rstrip()
        screen.dirty.clear()
        return rows

    def feed(self, text: str) -> None:
        text = self._rest + text
        self._rest = ""
        if unfinished := _UNFINISHED.search(text):
            self._rest = unfinished.group()
            text = text[: unfinished.start()]
        begin = 0
        for found in _SEQUENCE.finditer(text):
            self._draw(text[begin : found.start()])
            self._sequence(found)
            begin = found.end()
        self._draw(text[begin:])

    def _draw(self, text: str) -> None:
        if text:
            self.bells += text.count("\x07")
            self.streams[1049 in self.modes].feed(text)

    def _sequence(self, found: re.Match[str]) -> None:
        if (command := found["osc"]) is not None:
            self.commands.append(command)
        elif found["private"] == "?" and found["final"] in "hl" and not found["between"]:
            self._switch({int(number) for number in found["numbers"].split(";") if number}, found["final"] == "h")
        elif found["final"] == "u" and found["private"] in ("<", ">"):
            self.kitty_depth += 1 if found["private"] == ">" else -1
        elif not found["private"] and not found["between"]:
            self._draw(found.group())

    def _switch(self, modes: set[int], is_on: bool) -> None:
        if 1049 in modes and is_on and 1049 not in self.modes:
            self.screens[1].reset()
        if is_on:
            self.modes |= modes
            self.ever |= modes
        else:
            self.modes -= modes
        for stream in self.streams:
            for mode in modes & {6, 7, 25}:
                stream.feed(f"\x1b[?{mode}{'h' if is_on else 'l'}")


class ScreenTerminal:
    """A program on a terminal. Use it as a context manager: whatever the program started ends with it."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        size: tuple[int, int] = (80, 24),
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        columns, rows = size
        self._drawing = _Drawing(columns, rows)
        self._changed = threading.Condition()
        self._trouble: Exception | None = None
        self._raw = bytearray()
        self._is_closing = False
        self._master, self._slave = pty.openpty()
        self._set_size(columns, rows)
        self.began = time.monotonic()
        # a session leader that opens a terminal gets it as its controlling one, so job control works as on a desk
        opening = ["/bin/sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(self._slave)]
        self.process = subprocess.Popen(
            [*opening, *map(str, command)], cwd=cwd, env=_environment(env or {}), start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, name="screen-terminal", daemon=True)
        self._reader.start()

    def __enter__(self) -> "ScreenTerminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def text(self) -> str:
        """What is on the screen now, a line a row, without trailing spaces."""
        with self._changed:
            return "\n".join(self._drawing.rows()).rstrip("\n") + "\n"

    @property
    def scrolled_text(self) -> str:
        """The lines that scrolled off the top and the screen below them."""
        with self._changed:
            screen = self._drawing.screen
            above = ["".join(row[column].data for column in range(screen.columns)) for row in screen.history.top]
        return "".join(f"{line.rstrip()}\n" for line in above) + self.text

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor."""
        with self._changed:
            return self._drawing.screen.cursor.x, self._drawing.screen.cursor.y

    def is_on(self, *modes: int) -> bool:
        """Whether any of the private terminal modes is on, as 2004 for bracketed paste and 1004 for focus reports."""
        with self._changed:
            return not self._drawing.modes.isdisjoint(modes)

    def was_on(self, *modes: int) -> bool:
        """Whether any of the private terminal modes has been on at any time."""
        with self._changed:
            return not self._drawing.ever.isdisjoint(modes)

    @property
    def is_alternate(self) -> bool:
        return self.is_on(1049)

    @property
    def is_mouse_on(self) -> bool:
        return self.is_on(*_MOUSE_MODES)

    @property
    def is_cursor_visible(self) -> bool:
        return self.is_on(25)

    @property
    def is_echoing(self) -> bool:
        """Whether the terminal echoes typed keys and hands them over by line, as a shell expects."""
        flags = termios.tcgetattr(self._slave)[3]
        return bool(flags & termios.ECHO and flags & termios.ICANON and flags & termios.ISIG)

    @property
    def is_usable(self) -> bool:
        """Whether a shell could go on here: no mode of a full-screen program is left."""
        with self._changed:
            is_plain = self._drawing.kitty_depth <= 0
        left = self.is_alternate or self.is_mouse_on or self.is_on(1004, 2004, 2048)
        return is_plain and not left and self.is_cursor_visible and self.is_on(7) and self.is_echoing

    @property
    def bells(self) -> int:
        """How often the bell rang."""
        with self._changed:
            return self._drawing.bells

    @property
    def commands(self) -> list[str]:
        """Operating-system commands seen so far, as `9;text` for a notification and `0;text` for a title."""
        with self._changed:
            return list(self._drawing.commands)

    @property
    def raw(self) -> bytes:
        """Every byte that was written to the terminal."""
        with self._changed:
            return bytes(self._raw)

    def send(self, data: bytes) -> None:
        """Write bytes as a terminal would."""
        while data:
            data = data[os.write(self._master, data) :]

    def type(self, text: str) -> None:
        """Type characters one by one."""
        for character in text:
            self.send(character.encode())

    def press(self, *keys: str) -> None:
        """Press keys by their names."""
        for key in keys:
            self.send(key_bytes(key))

    def paste(self, text: str) -> None:
        """Paste as terminals do: between brackets where the program asked for them, line ends as carriage returns."""
        data = text.replace("\r\n", "\n").replace("\n", "\r").encode()
        self.send(b"\x1b[200~" + data + b"\x1b[201~" if self.is_on(2004) else data)

    def click(self, column: int, row: int) -> None:
        """Click with the left button; both counted from 0."""
        for final in "Mm":
            self.send(f"\x1b[<0;{column + 1};{row + 1}{final}".encode())

    def focus(self, is_focused: bool) -> None:
        """Tell the program, if it asked, that its window came to the front or went away."""
        if self.is_on(1004):
            self.send(b"\x1b[I" if is_focused else b"\x1b[O")

    def wait_for(self, wanted: str | Callable[[str], object], timeout_s: float = 20) -> str:
        """Wait until a text is on the screen, or until a function of the screen's text is true; return the text.

        Raises:
            AssertionError: it did not come in time; shows the screen.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            shown = self.text
            if wanted in shown if isinstance(wanted, str) else wanted(shown):
                return shown
            with self._changed:
                if self._trouble is not None:
                    raise self._trouble
                self._changed.wait(0.05)
            if time.monotonic() > deadline:
                raise AssertionError(self._failure(wanted, timeout_s))

    def wait_exit(self, timeout_s: float = 20) -> int:
        """Wait for the program's end; return its exit code, negative for a signal."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(self._failure("the program's end", timeout_s)) from None
        self._drain()
        return code

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the window; the program is told by the kernel."""
        with self._changed:
            for screen in self._drawing.screens:
                screen.resize(rows, columns)
        self._set_size(columns, rows)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the program that was started, and to it alone."""
        os.kill(self.process.pid, number)

    def descendants(self) -> list[psutil.Process]:
        """Return the processes that the program started, oldest first."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def close(self) -> None:
        """End the program with all it started, and give the terminal back."""
        if self._is_closing:
            return
        for process in [*self.descendants(), *_session_members(self.process.pid)]:
            _end(process)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._is_closing = True
        self._reader.join(5)
        os.close(self._master)
        os.close(self._slave)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while not self._is_closing:
            if not select.select([self._master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                return
            with self._changed:
                self._raw += data
                try:
                    self._drawing.feed(decode(data))
                except Exception as error:  # the thread of the test shall fail, not this one
                    self._trouble = error
                    self._changed.notify_all()
                    return
                self._changed.notify_all()

    def _drain(self) -> None:
        """Wait until what the program wrote last is drawn."""
        while True:
            with self._changed:
                if not self._changed.wait(0.15) or self._trouble is not None:
                    return

    def _failure(self, wanted: object, timeout_s: float) -> str:
        state = self.process.poll()
        life = "still runs" if state is None else f"ended with {state}"
        frame = "\n".join(f"│{line}" for line in self.text.splitlines())
        return f"{wanted!r} did not come within {timeout_s:g} s; the program {life}. The screen:\n{frame}"


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    dropped = ("COLUMNS", "LINES", "NO_COLOR", "COLORFGBG", "TMUX", "STY")
    kept = {name: value for name, value in os.environ.items() if name not in dropped and not name.startswith("TEXTUAL")}
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", "")
    look = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    return {**kept, **look, "PYTHONPATH": str(ROOT), "PATH": path, **extra}


def _session_members(session: int) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.pid != session and os.getsid(process.pid) == session:
                found.append(process)
        except OSError:
            continue
    return found


def _end(process: psutil.Process) -> None:
    try:
        process.kill()
        process.wait(10)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return
