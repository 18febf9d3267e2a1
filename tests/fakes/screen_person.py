"""A person in front of `tailor`: sees the screen alone, presses keys alone, and comes back after a kill."""

import re
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import psutil

from agent.conversation_log import KeptConversation, read_conversation
from agent.conversations import conversation_path, waiting_path
from agent.tui.reduce import restore
from agent.tui.state import AppState
from agent.tui.viewmodels.chat import Asked, Measured, Note, PlanShown, RunTold, Said, SpecEdit
from specs.layout import ProjectLayout
from tests.fakes.living import living
from tests.fakes.screen_terminal import ScreenTerminal

_MODE = re.compile(r"^ (YOU|ASK|AGENT|RUN|OFF) ", re.MULTILINE)
_QUESTION = re.compile(r"^╭─ (\d+) of \d+ · (.*?) ─*╮?$", re.MULTILINE)
_SEEN_S = 0.4
_DEAD_S = 0.6
_ENDING_S = 20.0
_ENVIRONMENT = {"TAILOR_TRACKING": "off", "OMP_NUM_THREADS": "1", "VISUAL": "", "EDITOR": "", "AWS_REGION": ""}
_MAY_COME_AGAIN = ("The engine died", "Going on where")


class Person:
    """One person with one project.

    Args:
        folder: the project's folder.
        command: what is typed to start the interface.
        size: columns and rows of the terminal; a tall one shows the whole conversation at once.
    """

    def __init__(self, folder: Path, command: Sequence[str | Path], size: tuple[int, int] = (100, 190)) -> None:
        self.folder = folder
        self.layout = ProjectLayout(folder)
        self._command = command
        self._size = size
        self._terminal: ScreenTerminal | None = None

    def __enter__(self) -> "Person":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def terminal(self) -> ScreenTerminal:
        """The terminal in front of the person."""
        if self._terminal is None:
            raise AssertionError("Nothing was started yet.")
        return self._terminal

    @property
    def screen(self) -> str:
        """What is seen."""
        return self.terminal.text

    @property
    def mode(self) -> str:
        """The word at the left of the status line; empty while there is none."""
        found = _MODE.findall(self.screen)
        return found[-1] if found else ""

    @property
    def question(self) -> tuple[int, str]:
        """Number and words of the question above the prompt; 0 without one."""
        found = _QUESTION.findall(self.screen)
        return (int(found[-1][0]), found[-1][1]) if found else (0, "")

    @property
    def record(self) -> Path:
        """The file of the conversation's record."""
        return conversation_path(self.layout, "main")

    @property
    def waiting(self) -> Path:
        """The file of words that wait to be answered."""
        return waiting_path(self.layout, "main")

    @property
    def kept(self) -> KeptConversation:
        """What the record of the conversation holds."""
        return read_conversation(self.record)

    @property
    def shown(self) -> AppState:
        """What an interface that opens now would show."""
        kept = self.kept
        return restore(AppState(), kept.events, kept.num_skipped)

    def start(self) -> None:
        """Start the interface in a new terminal."""
        if self._terminal is not None:
            self._terminal.close()
        self._terminal = ScreenTerminal(self._command, size=self._size, cwd=self.folder, env=_ENVIRONMENT)

    def wait_mode(self, *modes: str, timeout_s: float = 30) -> None:
        """Wait until it is somebody's move."""
        self.terminal.wait_for(lambda _text: self.mode in modes, timeout_s)

    def say(self, text: str) -> None:
        """Type a line and send it, once it is the person's move and what is asked has been read."""
        self.settle()
        before = self.question[0]
        self.type(text)
        for _ in range(5):
            time.sleep(_SEEN_S)
            self.terminal.press("enter")
            try:
                # an Enter that came too early is ignored, so a person presses it again
                self.terminal.wait_for(lambda _text: self.mode != "YOU" or self.question[0] != before, 2)
            except AssertionError:
                continue
            return
        raise AssertionError(f"Nothing can be said:\n{self.screen}")

    def settle(self, timeout_s: float = 30) -> None:
        """Wait until it is the person's move and the screen has stood still for a moment."""
        deadline = time.monotonic() + timeout_s
        seen, since = "", time.monotonic()
        while time.monotonic() < deadline:
            now = time.monotonic()
            if self.screen != seen:
                seen, since = self.screen, now
            if now - since > _SEEN_S and self.mode == "YOU":
                return
            time.sleep(0.05)
        raise AssertionError(f"It is not the person's move after {timeout_s:g} s:\n{self.screen}")

    def type(self, text: str) -> None:
        """Type a line and see it stand there."""
        self.terminal.type(text)
        if text:
            end = text[-20:]
            self.terminal.wait_for(end)

    def approve_all(self, timeout_s: float = 30) -> None:
        """Read the approval to its end and approve this step and those after it."""
        self.terminal.wait_for("Approval needed", timeout_s)
        for _ in range(10):
            time.sleep(_DEAD_S)
            self.terminal.press("end")
            time.sleep(0.2)
            self.terminal.press("a" if "   a  Approve" in self.screen else "y")
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                if "Approval needed" not in self.screen:
                    return
                time.sleep(0.05)
        raise AssertionError(f"The approval does not take keys:\n{self.screen}")

    def kill_interface(self) -> bool:
        """Kill the process that draws; return whether a shell could go on in the terminal after it."""
        self.interface.kill()
        self.terminal.wait_exit()
        return self.terminal.is_usable

    @property
    def interface(self) -> psutil.Process:
        """The process that draws."""
        return self.terminal.descendants()[0]

    def processes(self, words: str) -> list[psutil.Process]:
        """Return the living processes of this project whose command line holds these words."""
        return [process for process, line in living(str(self.folder)) if words in " ".join(line)]

    def kill(self, words: str, timeout_s: float = 10) -> None:
        """Kill a process of this project as soon as there is one."""
        deadline = time.monotonic() + timeout_s
        while not (found := self.processes(words)):
            if time.monotonic() > deadline:
                raise AssertionError(f"No process {words!r} came.\n{self.screen}")
            time.sleep(0.02)
        found[-1].kill()

    def said_twice(self) -> list[str]:
        """Return what the conversation shows more than once between two messages or approvals of the person."""
        twice: list[str] = []
        seen: Counter[str] = Counter()
        for item in self.shown.items:
            is_approval = isinstance(item, Note) and item.text.startswith("You approved")
            if is_approval or (isinstance(item, Said) and item.by == "user"):
                twice += [text for text, times in seen.items() if times > 1]
                seen = Counter()
            match item:
                case Said(by="agent") | Note() | Asked() | Measured():
                    seen[item.text] += 1
                case SpecEdit():
                    seen[item.diff] += 1
                case PlanShown():
                    seen[item.key] += 1
                case RunTold():
                    seen.update(item.lines)
                case _:
                    continue
        twice += [text for text, times in seen.items() if times > 1]
        return [text for text in twice if not text.startswith(_MAY_COME_AGAIN)]

    def leave(self) -> int:
        """Quit by the key; return the exit code."""
        self.terminal.press("ctrl+q")
        return self.terminal.wait_exit()

    def leftovers(self) -> list[str]:
        """Return what still runs for this project, after a time for ending."""
        deadline = time.monotonic() + _ENDING_S
        while (left := [" ".join(words) for _, words in living(str(self.folder))]) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def close(self) -> None:
        """End everything that works in this project."""
        if self._terminal is not None:
            self._terminal.close()
        for process, _words in living(str(self.folder)):
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
