"""What the executor tells while it runs a plan: the one stream read by the command line, the agent and the SDK.

Lines of a job itself are `specs.events.TrainEvent`; they travel inside `step_progress`.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from specs.base import StrictModel
from specs.events import EndState, TrainEvent
from tools.steps import JsonDict

PlanState: TypeAlias = Literal["succeeded", "failed", "stopped", "waiting"]
StepState: TypeAlias = Literal["succeeded", "failed", "stopped", "waiting", "not_run"]


class StepStarted(StrictModel):
    """A step's job was launched or taken up, or a step without a job begins."""

    type: Literal["step_started"] = "step_started"
    step: str
    run: str | None
    """Run id, None for a step without a job."""
    resumed: bool
    """The job ran before: it was adopted while running, or launched again from its checkpoint."""


class StepProgress(StrictModel):
    """A line of the job's events.jsonl."""

    type: Literal["step_progress"] = "step_progress"
    step: str
    run: str
    event: TrainEvent


class StepFinished(StrictModel):
    """A step ended, or had ended before."""

    type: Literal["step_finished"] = "step_finished"
    step: str
    state: EndState
    run: str | None
    seconds: float
    """Seconds of work over all launches of the step."""
    message: str = ""
    hint: str = ""
    result: JsonDict | None = None
    """What the step's handler returned; None unless the step succeeded."""
    skipped: bool = False
    """The step had succeeded in an earlier call; nothing was run."""


class StepWaiting(StrictModel):
    """A step cannot go on without a person's approval."""

    type: Literal["step_waiting"] = "step_waiting"
    step: str
    digest: str
    """What a grant for this step would be bound to."""
    message: str = ""
    """Why the step waits: no grant, or the reason its grant was refused."""
    hint: str = ""


class StepSummary(StrictModel):
    """One step in the plan's closing line."""

    step: str
    state: StepState
    run: str | None
    seconds: float


class PlanFinished(StrictModel):
    """The last event of every run of a plan, and the last line of `tailor run --json`."""

    type: Literal["plan_finished"] = "plan_finished"
    state: PlanState
    plan: str
    """Hash of the plan."""
    spent_usd: float
    seconds: float
    """Seconds of work over all steps."""
    steps: tuple[StepSummary, ...]
    checks: tuple[JsonDict, ...] = ()
    """Checks as the evaluate step reported them; empty before it ran."""
    model: str | None = None
    """name@version of the custom model, None before a train step succeeded."""
    endpoint: str | None = None
    """Base URL of the server, None before a deploy step succeeded."""


ExecutorEvent: TypeAlias = Annotated[
    StepStarted | StepProgress | StepFinished | StepWaiting | PlanFinished, Field(discriminator="type")
]
