"""A run's log for people: its events as short sentences, and between them what the program wrote itself.

The program echoes each event into its log, in order; the echo tells where the other lines of the log belong.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.tui.viewmodels.run import LogLine
from specs.events import (
    CheckpointSaved,
    Evaluated,
    Finished,
    Progress,
    Sample,
    Serving,
    Started,
    StepDone,
    TrainEvent,
    Warned,
)
from tools.escape import one_line, visible

MAX_LINES = 2000
_TAIL_BYTES = 1 << 18
_READ_BYTES = 1 << 20
_LINE_CHARACTERS = 1000
_ECHO = re.compile(
    rb"\d\d:\d\d:\d\d "
    rb"(started |step \d+ of \d+: |\d+ of \d+ rows|validation at step |checkpoint of step |serving |Sample)"
)
_CLOCK = re.compile(rb"\d\d:\d\d:\d\d (.*)", re.DOTALL)


def sentence(event: TrainEvent) -> LogLine:
    """Return an event as one short line."""
    match event:
        case Warned():
            return LogLine(event.time, "warning", _joined(event.message, event.hint))
        case Finished():
            kind = "error" if event.state == "failed" else "event"
            return LogLine(event.time, kind, _joined(event.message, event.hint))
        case CheckpointSaved():
            size = event.size_bytes / 1e6
            return LogLine(event.time, "saved", f"saved checkpoint of step {event.step} ({size:,.0f} MB)")
        case _:
            return LogLine(event.time, "event", _words(event))


def _words(event: TrainEvent) -> str:
    match event:
        case Started():
            begun = f", from step {event.resumed_from}" if event.resumed_from else ""
            return f"started on {one_line(event.device)} ({one_line(event.dtype)}, threads: {event.threads}){begun}"
        case StepDone():
            norm = f" · grad {event.grad_norm:.2f}" if event.grad_norm is not None else ""
            return f"step {event.step} · loss {event.loss:.4f}{norm}"
        case Progress():
            return f"{event.done} of {event.total} rows"
        case Evaluated():
            figures = " · ".join(f"{one_line(name, 40)} {value:.4f}" for name, value in event.metrics.items())
            return f"validation at step {event.step} · {figures}"
        case Sample():
            return f"answered at step {event.step}: {one_line(event.completion, 200)}"
        case Serving():
            return f"serving {one_line(', '.join(event.models), 200)} at {one_line(event.url, 200)}"
        case _:
            return event.type


def _joined(message: str, hint: str) -> str:
    return one_line(f"{message} {hint}".rstrip(), _LINE_CHARACTERS)


class LogTail:
    """Reads a log as it grows, from not far before its end. A line that is not complete is left for the next call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset: int | None = None
        self.is_cut = False
        """Whether the beginning was left out."""

    def read(self) -> list[bytes]:
        """Return the lines that were added since the last call."""
        try:
            with self._path.open("rb") as stream:
                size = stream.seek(0, 2)
                begin = max(0, size - _TAIL_BYTES) if self._offset is None else self._offset
                # A file that has become shorter was made anew.
                begin = begin if begin <= size else 0
                stream.seek(begin)
                block = stream.read(_READ_BYTES)
        except OSError:
            return []
        is_torn = self._offset is None and begin > 0
        self.is_cut = self.is_cut or is_torn
        end = block.rfind(b"\n") + 1
        if end == 0 and len(block) == _READ_BYTES:
            end = len(block)
        self._offset = begin + end
        return block[:end].split(b"\n")[1 if is_torn else 0 : -1 if block[:end].endswith(b"\n") else None]


class LogWeaver:
    """Puts events and log lines into one order."""

    def __init__(self) -> None:
        self._num_ahead = 0
        """Events shown whose echo was not read yet."""
        self._messages: set[str] = set()
        """Warnings and closing words, whose echo has no fixed form."""
        self._is_first = True

    def weave(self, events: Sequence[TrainEvent], lines: Sequence[bytes], *, is_cut: bool = False) -> list[LogLine]:
        """Return the lines to add; the latest `MAX_LINES` at most.

        Args:
            events: told since the call before.
            lines: of the log, written since the call before.
            is_cut: whether the log was not read from its beginning.
        """
        for event in events:
            if isinstance(event, Warned | Finished):
                self._messages.add(f"{event.message} {event.hint}".rstrip().replace("\n", " ").replace("\r", " "))
        queue = deque(events)
        echoes = [self._is_echo(line) for line in lines]
        woven: deque[LogLine] = deque(maxlen=MAX_LINES)
        if self._is_first and is_cut:
            skipped = max(0, len(queue) - sum(echoes))
            woven.extend(_sentences(queue, skipped))
        self._is_first = False
        for line, is_echo in zip(lines, echoes, strict=True):
            if not is_echo:
                shown = _shown(line)
                if shown:
                    woven.append(LogLine(None, "output", shown))
            elif self._num_ahead:
                self._num_ahead -= 1
            elif queue:
                woven.append(sentence(queue.popleft()))
        self._num_ahead += len(queue)
        woven.extend(_sentences(queue, len(queue)))
        return list(woven)

    def _is_echo(self, line: bytes) -> bool:
        if _ECHO.match(line):
            return True
        told = _CLOCK.fullmatch(line)
        return told is not None and told[1].decode("utf-8", "replace") in self._messages


def _sentences(queue: deque[TrainEvent], count: int) -> Iterator[LogLine]:
    for left in range(count, 0, -1):
        event = queue.popleft()
        if left <= MAX_LINES:
            yield sentence(event)


def _shown(line: bytes) -> str:
    # A progress bar draws over itself with carriage returns; its last state is what a person would see.
    last = line.rstrip(b"\r").rpartition(b"\r")[2]
    return visible(last.decode("utf-8", "replace"), _LINE_CHARACTERS).replace("\t", "    ").rstrip()
