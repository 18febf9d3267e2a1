"""`CustomizationSpec`: the user's file, field by field. Loading, editing and planning live beside it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from specs.base import StrictModel
from specs.compute import BudgetSpec, ComputeSpec
from specs.data import DataSpec
from specs.evaluation import DeploymentSpec, EvaluationSpec
from specs.methods import Method

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,47}$"


class Example(StrictModel):
    """A prompt and the answer wanted."""

    prompt: str
    """What the model is given."""
    answer: str
    """What it should say."""


class BadExample(Example):
    """A prompt and an answer that must not come."""

    why: str
    """What is wrong with the answer."""


class Goal(StrictModel):
    """What the model is for."""

    task: Annotated[str, Field(min_length=1, max_length=2000)]
    """What the model shall do, in a sentence."""
    users: str | None = None
    """Who or what reads its answers."""
    system_prompt: str | None = None
    """System prompt put before every row that has none of its own."""
    good_examples: Annotated[tuple[Example, ...], Field(max_length=5)] = ()
    """Three to five answers as they should be."""
    bad_examples: Annotated[tuple[BadExample, ...], Field(max_length=3)] = ()
    """Up to three answers as they must not be, with the reason."""


class BaseModelSpec(StrictModel):
    """The model to start from."""

    base: str
    """Catalogue name, hub id, local path, or an earlier custom model as name@version."""
    revision: str | None = None
    """Pinned commit; required for hub models."""
    license_accepted: bool = False
    """Whether the user accepted the base model's licence. Only the user sets this."""


class CustomizationSpec(StrictModel):
    """One customization, from goal to budget."""

    version: Literal[1]
    """Version of this format."""
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """Short name in lower case; the custom model is called name@version."""
    goal: Goal
    """What the model is for."""
    model: BaseModelSpec
    """The model to start from."""
    data: DataSpec = DataSpec()
    """Sources, split and rights."""
    train: Annotated[tuple[Method, ...], Field(min_length=1, max_length=8)]
    """Training stages in order, each from the one before."""
    compute: ComputeSpec = ComputeSpec()
    """Where it runs."""
    evaluation: EvaluationSpec
    """What counts as success."""
    deployment: DeploymentSpec = DeploymentSpec()
    """Where the model is served."""
    budget: BudgetSpec = BudgetSpec()
    """What the whole may cost."""

    @model_validator(mode="after")
    def _distinct_checks(self) -> "CustomizationSpec":
        names = [check.name for check in self.evaluation.checks]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"evaluation.checks: the name {repeated[0]!r} stands twice")
        return self
