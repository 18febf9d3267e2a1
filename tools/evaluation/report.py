"""The result of an evaluation as data: what stands in evaluation.json and in the last line of `tailor run --json`.

The figures are made in `measure`, the words for people in `verdict` and `text`.
"""

from typing import Literal, TypeAlias

from pydantic import ValidationError

from specs.base import StrictModel
from specs.evaluation import Check, Scorer
from specs.layout import RunLayout
from tools.errors import ToolError

Decision: TypeAlias = Literal["skip_training", "train", "needs_sft", "passed", "failed", "regressed"]


class Interval(StrictModel):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


class Difference(StrictModel):
    """Custom minus base on the same rows, with its 95 % interval and a two-sided paired test."""

    value: float
    low: float
    high: float
    p: float
    """Of this check alone; `holm` in `compare` corrects for several checks."""
    wins: int
    """Rows that only the custom model has right."""
    ties: int
    losses: int
    """Rows that only the base model has right."""


class CheckResult(StrictModel):
    """One success check."""

    name: str
    scorer: Scorer
    rows: int
    threshold: float
    passed: bool
    """Whether the custom model's value reaches the threshold; before training, whether the base model's does."""
    baseline: Interval
    custom: Interval | None
    """None before training."""
    difference: Difference | None


class RegressionResult(StrictModel):
    """One check against falling behind the base model."""

    name: str
    scorer: Scorer
    rows: int
    max_drop: float
    passed: bool
    baseline: Interval
    custom: Interval | None
    difference: Difference | None


class Verdict(StrictModel):
    """What follows from the figures, in words."""

    decision: Decision
    text: str
    """The conclusion in a sentence."""
    reasons: tuple[str, ...] = ()


class Side(StrictModel):
    """One model that answered, and how."""

    model: str
    run: str
    generations_path: str
    weights_sha256: str
    measured_at: float
    """Seconds since the epoch at which its run was set up."""
    seconds: float
    num_tokens: int
    num_cut: int
    """Answers that reached the token limit."""
    num_unread: int
    """Prompts longer than the model can read; they count as wrong answers."""


class Decoding(StrictModel):
    """How answers were made, on both sides alike."""

    strategy: Literal["greedy"] = "greedy"
    max_new_tokens: int
    batch_size: int


class TestSet(StrictModel):
    """The rows that were answered."""

    __test__ = False

    dataset: str
    version: str
    rows_path: str
    num_rows: int
    num_available: int
    """Test rows of the dataset version; more than `num_rows` when the spec draws a part."""


class LabelResult(StrictModel):
    """How one label fared with the model under test."""

    label: str
    rows: int
    right: int
    f1: float


class Confusion(StrictModel):
    """A wrong answer that came more than once."""

    wanted: str
    answered: str
    rows: int


class EvaluationReport(StrictModel):
    """One evaluation; without a custom side, the baseline."""

    version: Literal[1] = 1
    plan: str
    settings: tuple[Check, ...]
    """The success checks as the spec has them, so that rows can be scored again."""
    checks: tuple[CheckResult, ...]
    regressions: tuple[RegressionResult, ...] = ()
    verdict: Verdict
    notes: tuple[str, ...] = ()
    """Warnings a reader of the figures needs, as sentences."""
    test_set: TestSet
    decoding: Decoding
    baseline: Side
    custom: Side | None = None
    worst_labels: tuple[LabelResult, ...] = ()
    """Labels with the lowest F1, the worst first; empty when the wanted answers are no set of labels."""
    confusions: tuple[Confusion, ...] = ()
    """The most frequent wrong answers."""


def read_report(run: RunLayout) -> EvaluationReport:
    """Return the evaluation of a run. Raises ToolError when it has none that can be read."""
    try:
        return EvaluationReport.model_validate_json(run.evaluation_path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ToolError(
            f"The run {run.run_dir.name} has no evaluation that can be read in {run.evaluation_path}.",
            "`tailor runs` shows which runs were evaluated.",
        ) from error
