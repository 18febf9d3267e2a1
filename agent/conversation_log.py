"""What was said and shown in a conversation, as an append-only file: `.tailor/conversations/<thread>.jsonl`.

The engine writes it, front ends read it to show the conversation again. The thread itself, which the agent thinks
with, is in threads.db; nothing is decided from this file.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from agent.events import (
    AGENT_EVENT,
    AgentEvent,
    ApprovalAnswered,
    Notice,
    PlanReady,
    Question,
    RunProgress,
    Shown,
    SpecChanged,
    Text,
    ToolFinished,
    ToolStarted,
    TurnFailed,
)
from specs.events import Serving, Warned
from tools.events import StepFinished, StepProgress
from tools.secrets import redact

_MAX_LINE_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 18
_ALWAYS = (Text, Question, ToolStarted, ToolFinished, SpecChanged, ApprovalAnswered, TurnFailed, Notice)


@dataclass(frozen=True)
class KeptConversation:
    """The end of a conversation's record."""

    events: tuple[AgentEvent, ...]
    """Oldest first."""
    num_skipped: int
    """Lines that were half-written or are not known."""
    is_whole: bool
    """Whether the record begins with the first of the events."""


class ConversationLog:
    """Appends events; one writer, the engine that holds the project.

    Args:
        path: the file; made with its folder, readable by its owner alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_checked = False

    def keep(self, event: AgentEvent) -> None:
        """Append the event, without secrets, if it is worth showing again. Raises OSError when it cannot be written."""
        kept = _kept(event)
        if kept is None or kept.again:
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        line = json.dumps(_without_secrets(kept.model_dump(mode="json"))).encode() + b"\n"
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # a line that a killed engine left half-written must not swallow the next
            if not self._is_checked and _is_torn(descriptor):
                line = b"\n" + line
            self._is_checked = True
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def read_conversation(path: Path, max_events: int = 2_000) -> KeptConversation:
    """Return the last events of a record; a missing file is an empty conversation. Raises OSError when unreadable."""
    if not path.exists():
        return KeptConversation((), 0, is_whole=True)
    events: list[AgentEvent] = []
    skipped = 0
    for line in _lines_backwards(path):
        if not line.strip():
            continue
        if len(events) == max_events:
            return KeptConversation(tuple(reversed(events)), skipped, is_whole=False)
        try:
            events.append(AGENT_EVENT.validate_json(line))
        except ValidationError:
            skipped += 1
    return KeptConversation(tuple(reversed(events)), skipped, is_whole=True)


def _kept(event: AgentEvent) -> AgentEvent | None:
    """Return what is kept of an event: figures and plans lie in the project, their text is enough here."""
    if isinstance(event, _ALWAYS):
        return event
    match event:
        case Shown():
            return event.model_copy(update={"data": {}})
        case PlanReady():
            bare = tuple(card.model_copy(update={"values": ()}) for card in event.steps)
            return event.model_copy(update={"steps": bare})
        case RunProgress():
            return _kept_progress(event)
        case _:
            return None


def _kept_progress(event: RunProgress) -> RunProgress | None:
    told = event.event
    if isinstance(told, StepProgress) and not isinstance(told.event, Warned | Serving):
        return None
    if isinstance(told, StepFinished):
        return event.model_copy(update={"event": told.model_copy(update={"result": None})})
    return event


def _without_secrets(value: object) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: _without_secrets(item) for name, item in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in cast("Sequence[object]", value)]
    return value


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _lines_backwards(path: Path) -> Iterator[bytes]:
    """Yield a file's lines, the last first; a line longer than a megabyte is yielded empty."""
    with path.open("rb") as stream:
        position = stream.seek(0, os.SEEK_END)
        rest = b""
        while position > 0:
            begin = max(0, position - _BLOCK_BYTES)
            stream.seek(begin)
            first, *lines = (stream.read(position - begin) + rest).split(b"\n")
            position = begin
            yield from (line for line in reversed(lines) if len(line) <= _MAX_LINE_BYTES)
            rest = first if len(first) <= _MAX_LINE_BYTES else b""
        yield rest
