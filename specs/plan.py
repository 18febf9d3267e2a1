"""The plan: ordered steps with every value resolved, its reason, its cost. Immutable and named by its hash."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from specs.base import StrictModel
from specs.canonical import digest

StepKind: TypeAlias = Literal["prepare_data", "synthesize", "baseline", "train", "evaluate", "deploy", "teardown"]
Effect: TypeAlias = Literal["read", "write", "spend", "execute"]
JsonValue: TypeAlias = Any


class ResolvedValue(StrictModel):
    """One value of a step, and why it has it."""

    name: str
    value: JsonValue
    reason: str
    """Why this value, in a sentence."""
    source: str
    """Where the default or rule comes from: `spec`, or the page or study it was read in."""
    default: JsonValue = None
    """What the recipe would have chosen, when the spec chose otherwise."""


class Estimate(StrictModel):
    """What a step is expected to take. Low and high bound the time; money is an upper bound."""

    seconds: float
    seconds_low: float
    seconds_high: float
    memory_bytes: int
    disk_bytes: int
    cost_usd: float
    num_tokens: int
    """Tokens processed by the model."""
    basis: str
    """What the figures rest on."""


class Step(StrictModel):
    """One step, bound to its exact arguments and inputs."""

    id: str
    """Unique in the plan: the kind, with a number where a kind stands twice."""
    kind: StepKind
    title: str
    effect: Effect
    arguments: dict[str, JsonValue]
    """Everything the executor needs to build the run manifest."""
    inputs: dict[str, str]
    """Name of each input and the sha256 it must still have at the launch."""
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    undo: str
    """How to take the step back, in a sentence."""
    values: tuple[ResolvedValue, ...]
    estimate: Estimate
    depends_on: tuple[str, ...]

    def digest(self, plan_hash: str) -> str:
        """Return the digest a grant for this step is bound to: plan, step, arguments and inputs."""
        return digest({"plan": plan_hash, "step": self.id, "arguments": self.arguments, "inputs": self.inputs})


class Plan(StrictModel):
    """Ordered steps made from one spec and one set of facts."""

    version: Literal[1] = 1
    name: str
    """Name of the spec."""
    spec_hash: str
    spec_text: str
    """The spec file as it was when the plan was made."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    max_usd: float
    max_seconds: float
    notes: tuple[str, ...] = ()
    """Things the user should know before approving, as sentences."""

    @property
    def hash(self) -> str:
        """The plan's name: `sha256:<hex>` of its canonical form."""
        return digest(self.model_dump(mode="json"))

    def step(self, step_id: str) -> Step:
        """Return the step of that id. Raises KeyError when there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)
