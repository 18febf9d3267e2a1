"""The lines around the body: header, stage rail, status line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

StageName: TypeAlias = Literal["interview", "data", "train", "eval", "deploy", "play"]
StageState: TypeAlias = Literal["todo", "running", "waiting", "done", "failed"]
STAGE_GLYPHS: Mapping[StageState, str] = {"todo": "○", "running": "●", "waiting": "!", "done": "✓", "failed": "✗"}
Mode: TypeAlias = Literal["YOU", "AGENT", "ASK", "RUN", "OFF"]
"""Whose move it is: the person, the agent, an approval, a job that is being watched; OFF while there is no engine."""


@dataclass(frozen=True)
class HeaderView:
    """The first line."""

    project: str
    session: str
    """Name of the conversation."""
    machine: str
    """Where jobs run, as `local, 2 cores`; empty while unknown."""
    spec: str
    """State of the spec in words: `spec valid`, `no spec yet`, `spec has 2 problems`."""


@dataclass(frozen=True)
class StageView:
    """One stage of the rail."""

    number: int
    name: StageName
    title: str
    state: StageState
    detail: str = ""
    """Time, cost and what happened, for the list of stages."""


@dataclass(frozen=True)
class StatusView:
    """The status line. What is unknown is left out, never guessed."""

    mode: Mode
    brain: str
    spent_usd: float | None
    budget_usd: float | None
    num_jobs: int
    num_waiting: int
    """Approvals that were put off."""
    spec_state: Literal["none", "saved", "unsaved", "invalid", "conflict"]
    num_serving: int = 0
    """Servers that answer."""
    rule: str = ""
    """How approvals are asked for, where it is not step by step."""
    activity: str = ""
    """What goes on, as `asking the model, 4 s`; empty when nothing does."""
