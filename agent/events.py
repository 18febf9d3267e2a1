"""What the engine tells and what it is told: one JSON object a line, both ways.

The terminal interface, the plain front end and the tests read this one stream. Nothing here draws or decides.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from specs.base import StrictModel
from specs.plan import Effect, Estimate, Plan
from tools.events import ExecutorEvent
from tools.steps import JsonDict

Role: TypeAlias = Literal["user", "assistant"]
Waiting: TypeAlias = Literal["user", "approval"]
Decision: TypeAlias = Literal["approve", "deny"]


class EventBase(StrictModel):
    """What every event carries."""

    time: float = 0.0
    """Seconds since the epoch, set by the engine; 0 while unknown."""
    node: str = ""
    """The piece of work that tells it. A piece that is repeated after a kill has the same name, so that whoever kept
    what it told before can replace it."""
    again: bool = False
    """Told before, in an earlier sitting; for readers that kept nothing."""


class SessionStarted(EventBase):
    """The engine holds the project and is ready."""

    type: Literal["session_started"] = "session_started"
    project: str
    thread: str
    brain: str
    """What answers, as shown to people."""
    resumed: bool
    """Whether the thread had messages before."""


class SessionRefused(EventBase):
    """The engine cannot work in this project; it ends after this event."""

    type: Literal["session_refused"] = "session_refused"
    message: str
    hint: str = ""
    exit_code: int


class TextDelta(EventBase):
    """A piece of the answer being written."""

    type: Literal["text_delta"] = "text_delta"
    text: str


class Text(EventBase):
    """A whole message; the deltas before it, joined, say the same."""

    type: Literal["text"] = "text"
    role: Role
    text: str
    id: str = ""
    """Of the message in its thread."""


class Question(EventBase):
    """A question with its default. Taking the default is an empty answer."""

    type: Literal["question"] = "question"
    text: str
    why: str = ""
    """Why it is asked."""
    default: str | None = None
    options: tuple[str, ...] = ()
    number: str | None = None
    """Place among the questions, as `2 of 6`."""


class ToolStarted(EventBase):
    """A tool was called."""

    type: Literal["tool_started"] = "tool_started"
    call: str
    tool: str
    arguments: JsonDict
    """Shortened for display, secrets taken out."""


class ToolProgress(EventBase):
    """A sentence from a tool at work."""

    type: Literal["tool_progress"] = "tool_progress"
    call: str
    message: str


class ToolFinished(EventBase):
    """A tool returned or refused."""

    type: Literal["tool_finished"] = "tool_finished"
    call: str
    tool: str
    ok: bool
    message: str = ""
    """Why it refused; empty when it worked."""
    seconds: float


class SpecChanged(EventBase):
    """spec.yaml is not what it was."""

    type: Literal["spec_changed"] = "spec_changed"
    by: Literal["agent", "user"]
    diff: str
    problems: tuple[str, ...] = ()
    """Why the file as it stands cannot be used; the last valid one is kept."""


class ValueCard(StrictModel):
    """One resolved value and its reason."""

    name: str
    value: str
    reason: str


class StepCard(StrictModel):
    """A step as the person sees it, made by code from the plan alone."""

    id: str
    title: str
    effect: Effect
    risk: Literal["low, reversible", "spends money", "cannot be undone"]
    digest: str
    """What a grant for the step is bound to."""
    estimate: Estimate
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    undo: str
    values: tuple[ValueCard, ...]
    needs_approval: bool


class PlanReady(EventBase):
    """A plan was made from the spec."""

    type: Literal["plan_ready"] = "plan_ready"
    plan: str
    """Hash of the plan."""
    name: str
    steps: tuple[StepCard, ...]
    notes: tuple[str, ...]
    max_usd: float
    max_seconds: float


class ApprovalRequested(EventBase):
    """Steps wait for a person. The plan travels whole, so that what is shown is what is granted."""

    type: Literal["approval_requested"] = "approval_requested"
    request_id: str
    plan: Plan
    steps: tuple[StepCard, ...]
    """Cards of the steps asked for, in order."""
    diff: str = ""
    """Spec of the plan last approved against this plan's spec; empty for the first."""
    is_first: bool = False
    """Whether nothing was approved in this project before."""
    reasons: tuple[str, ...] = ()
    """Why approval is asked again, if it is."""


class ApprovalAnswered(EventBase):
    """The person answered."""

    type: Literal["approval_answered"] = "approval_answered"
    request_id: str
    decision: Decision
    steps: tuple[str, ...] = ()
    reason: str = ""
    digests: dict[str, str] = Field(default_factory=dict)
    """What each approval is bound to, by step."""
    keys: str = ""
    """What the person pressed or typed to decide."""


class RunProgress(EventBase):
    """What the executor tells."""

    type: Literal["run_progress"] = "run_progress"
    event: ExecutorEvent


class Shown(EventBase):
    """Measured results or answers of models, put into words by code, whatever the brain says about them."""

    type: Literal["shown"] = "shown"
    what: Literal["results", "answers"]
    text: str
    data: JsonDict


class TurnFinished(EventBase):
    """The agent waits."""

    type: Literal["turn_finished"] = "turn_finished"
    waiting: Waiting
    plan_state: Literal["none", "planned", "running", "succeeded", "failed", "stopped", "waiting"] = "none"
    """State of the last plan, as far as this thread knows."""


class TurnFailed(EventBase):
    """The turn ended early; what was said and done before is kept."""

    type: Literal["turn_failed"] = "turn_failed"
    message: str
    hint: str = ""
    exit_code: int = 1


class Notice(EventBase):
    """Something worth a line that nobody asked for."""

    type: Literal["notice"] = "notice"
    message: str
    hint: str = ""


AgentEvent: TypeAlias = Annotated[
    SessionStarted
    | SessionRefused
    | TextDelta
    | Text
    | Question
    | ToolStarted
    | ToolProgress
    | ToolFinished
    | SpecChanged
    | PlanReady
    | ApprovalRequested
    | ApprovalAnswered
    | RunProgress
    | Shown
    | TurnFinished
    | TurnFailed
    | Notice,
    Field(discriminator="type"),
]
AGENT_EVENT: TypeAdapter[AgentEvent] = TypeAdapter(AgentEvent)


class UserMessage(StrictModel):
    """Words of the person."""

    type: Literal["user_message"] = "user_message"
    id: str
    """Chosen by the sender; a message sent again under the same id is not taken twice."""
    text: str


class Approval(StrictModel):
    """The person's answer to `approval_requested`. Grants were made in the person's own process."""

    type: Literal["approval"] = "approval"
    request_id: str
    decision: Decision
    grants: dict[str, str] = Field(default_factory=dict)
    """Grant id by step id."""
    reason: str = ""
    keys: str = ""
    """What the person pressed or typed to decide."""


class Stop(StrictModel):
    """End the turn; jobs go on."""

    type: Literal["stop"] = "stop"


class Shutdown(StrictModel):
    """End the engine; jobs go on and the thread keeps its place."""

    type: Literal["shutdown"] = "shutdown"


Command: TypeAlias = Annotated[UserMessage | Approval | Stop | Shutdown, Field(discriminator="type")]
COMMAND: TypeAdapter[Command] = TypeAdapter(Command)


class Hello(StrictModel):
    """The first line to the engine, over the private channel only."""

    type: Literal["hello"] = "hello"
    grant_key: str
    """Key that grants are checked with, in hex."""
    retry: UserMessage | Approval | None = None
    """What an engine that died had been told last, to be taken up or recognised as done."""
