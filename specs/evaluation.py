"""The evaluation and deployment sections of the spec."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from specs.base import StrictModel

Scorer: TypeAlias = Literal["exact_match", "macro_f1", "contains", "json_valid", "regex", "numeric"]


def _need_pattern(scorer: Scorer, pattern: str | None) -> None:
    if scorer == "regex" and not pattern:
        raise ValueError("the regex scorer needs a pattern")


class Check(StrictModel):
    """One measure of success: a scorer over the test rows and the value it must reach."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
    """Name of the check in reports."""
    scorer: Scorer
    """How an answer is scored against the wanted answer."""
    threshold: Annotated[float, Field(ge=0, le=1)]
    """Smallest value that counts as success."""
    ignore_case: bool = False
    """Compare without regard to case (exact_match, macro_f1, contains)."""
    pattern: str | None = None
    """Regular expression the answer must match (regex); numeric: which part of the text is the number."""
    tolerance: Annotated[float, Field(ge=0)] = 0
    """Largest absolute difference that still counts as equal (numeric)."""

    @model_validator(mode="after")
    def _pattern_given(self) -> "Check":
        _need_pattern(self.scorer, self.pattern)
        return self


class RegressionCheck(StrictModel):
    """A measure on which the custom model must not fall behind the base model."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
    """Name of the check in reports."""
    scorer: Scorer
    """How an answer is scored."""
    max_drop: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Largest fall below the base model that is still accepted."""
    pattern: str | None = None
    """Regular expression of the regex scorer."""

    @model_validator(mode="after")
    def _pattern_given(self) -> "RegressionCheck":
        _need_pattern(self.scorer, self.pattern)
        return self


class EvaluationSpec(StrictModel):
    """What counts as success."""

    checks: Annotated[tuple[Check, ...], Field(min_length=1, max_length=12)]
    """The success checks; all must pass."""
    must_not_regress: tuple[RegressionCheck, ...] = ()
    """Checks against falling behind the base model."""
    max_new_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Longest answer in tokens; `auto` = from the longest wanted answer."""
    max_rows: Annotated[int, Field(ge=1)] | None = None
    """Use at most so many test rows, drawn once by hash; None = all."""


class DeploymentSpec(StrictModel):
    """Where the model is served."""

    target: Literal["none", "local", "sagemaker", "bedrock"] = "local"
    """Where; `none` = stop after the evaluation."""
    ttl_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 8
    """The server stops by itself after so many hours."""
    port: Annotated[int, Field(ge=1, le=65535)] | Literal["auto"] = "auto"
    """Port of the local server; `auto` = a free one."""
