"""What the executor asks of a kind of step: a manifest before its job, a result after it.

Handlers live beside the capability they run (data, training, evaluation, deployment); nothing here launches or records.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

from specs.layout import ProjectLayout, RunLayout
from specs.plan import Plan, Step
from specs.run import RunManifest

JsonDict: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class StepContext:
    """One step of one plan, about to run or just run."""

    layout: ProjectLayout
    plan: Plan
    step: Step
    run_id: str | None
    """None for a step without a job."""
    results: Mapping[str, JsonDict] = field(default_factory=dict[str, JsonDict])
    """Results of the plan's earlier steps by step id."""

    @property
    def run(self) -> RunLayout:
        """Return the paths of this step's run. Raises ValueError for a step without a job."""
        if self.run_id is None:
            raise ValueError(f"step {self.step.id} has no job, and so no run directory")
        return self.layout.run(self.run_id)


class StepHandler(Protocol):
    """A kind of step."""

    has_job: ClassVar[bool]
    """Whether the step's work is done by a job; without one, `finish` does all of it."""
    keeps_running: ClassVar[bool]
    """Whether the step is done once its job says `serving`, with the job left running."""

    def manifest(self, context: StepContext) -> RunManifest:
        """Return what the job shall do. Reads files only. Called only when `has_job`."""
        ...

    def finish(self, context: StepContext) -> JsonDict:
        """Return the step's result. Idempotent: a crash right after it makes the executor call it again."""
        ...
