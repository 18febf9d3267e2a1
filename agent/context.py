"""What the nodes of the graph work with and what must never be stored: handed over as runtime context."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langgraph.runtime import Runtime

from agent.events import AgentEvent
from agent.journal import CallJournal
from agent.toolset import Door, Toolset


class EngineLeaves(Exception):
    """The engine ends in the middle of a step; the next start takes the step up again."""


class WatchingStopped(Exception):
    """The person ended the turn while a run was being watched; the run goes on."""


class TrainingPointless(Exception):
    """The base model is good enough; the person decides whether to train all the same."""


class TurnControl:
    """How a turn at work is told to end. Safe to call from any thread."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._leave = threading.Event()

    def begin(self) -> None:
        """A new turn begins; an old wish to stop is forgotten."""
        self._stop.clear()

    def stop(self) -> None:
        """End the turn."""
        self._stop.set()

    def leave(self) -> None:
        """End the engine, with the step at work left to be taken up."""
        self._leave.set()

    @property
    def stopped(self) -> bool:
        """Whether the turn shall end."""
        return self._stop.is_set()

    def check_leaving(self) -> None:
        """Raise EngineLeaves when the engine shall end."""
        if self._leave.is_set():
            raise EngineLeaves

    def check_watching(self) -> None:
        """Raise EngineLeaves or WatchingStopped when watching shall end."""
        self.check_leaving()
        if self._stop.is_set():
            raise WatchingStopped


@dataclass(frozen=True)
class Brain:
    """A chat model and what the conversation must know of it."""

    name: str
    """As shown to people."""
    model: BaseChatModel
    is_guide: bool = False
    """Whether it is the guide: it speaks first in a new thread and reads the thread as it is kept."""
    explain: Callable[[Exception], Exception] = field(default=lambda error: error)
    """Turns a failure of the model into an error told as a sentence."""


@dataclass(frozen=True)
class AgentContext:
    """One engine's tools, brain and switches."""

    door: Door
    toolset: Toolset
    brain: Brain
    journal: CallJournal
    control: TurnControl = field(default_factory=TurnControl)


def emit(runtime: Runtime[AgentContext], event: AgentEvent) -> None:
    """Send an event to whoever reads the turn, with the name of the node's execution on it."""
    writer: Callable[[Any], None] = runtime.stream_writer
    execution = runtime.execution_info
    writer(event.model_copy(update={"node": execution.task_id}) if execution is not None else event)
