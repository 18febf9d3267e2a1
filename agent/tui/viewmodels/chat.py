"""What the conversation shows, piece by piece. An item keeps its key for good; an item told again replaces the old."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

ToolState: TypeAlias = Literal["running", "done", "refused"]


@dataclass(frozen=True)
class Said:
    """Words of the person or of the agent."""

    key: str
    time: float
    """Seconds since the epoch."""
    by: Literal["user", "agent"]
    text: str
    """Markdown for the agent, plain for the person; escaped."""
    is_sent: bool = True
    """False while a message of the person waits for the engine."""


@dataclass(frozen=True)
class Asked:
    """A question as it stands in the conversation; the open one is answered in the prompt."""

    key: str
    time: float
    text: str
    why: str = ""
    default: str | None = None
    options: tuple[str, ...] = ()
    number: str | None = None
    """Place among the questions, as `2 of 6`."""


@dataclass(frozen=True)
class ToolUse:
    """A tool at work or done, one line."""

    key: str
    time: float
    name: str
    """What is done, in words: `Reading data/train.csv`."""
    state: ToolState
    seconds: float | None = None
    detail: str = ""
    """Arguments, the latest sentence of progress, or why it was refused. Folded until asked for."""


@dataclass(frozen=True)
class SpecEdit:
    """A change of spec.yaml as a unified diff."""

    key: str
    time: float
    by: Literal["user", "agent"]
    diff: str
    problems: tuple[str, ...] = ()
    can_undo: bool = False
    """Whether it is the latest edit of the agent, which can be taken back."""


@dataclass(frozen=True)
class PlanShown:
    """A plan: one line a step, the notes below."""

    key: str
    time: float
    title: str
    steps: tuple[tuple[str, str], ...]
    """Title of the step, and its time and cost."""
    total: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """Figures or answers of models as code worded them; shown as they are, in columns."""

    key: str
    time: float
    what: Literal["results", "answers"]
    text: str


@dataclass(frozen=True)
class RunTold:
    """What a running plan told: lines, the latest last; grows until the plan ends."""

    key: str
    time: float
    lines: tuple[str, ...]
    is_running: bool = False


@dataclass(frozen=True)
class Note:
    """A line nobody asked for: a notice, an answer to an approval, an error."""

    key: str
    time: float
    level: Literal["info", "done", "warning", "error"]
    text: str
    hint: str = ""


ChatItem: TypeAlias = Said | Asked | ToolUse | SpecEdit | PlanShown | Measured | RunTold | Note
