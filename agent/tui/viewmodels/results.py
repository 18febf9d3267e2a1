"""What an evaluation measured, as it is shown: the verdict, a block a check, labels, warnings."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Mood: TypeAlias = Literal["good", "bad", "open"]


@dataclass(frozen=True)
class ValueView:
    """A share with its 95 % interval."""

    text: str
    """`86.3 % (82.6 to 89.5 %)`."""
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CheckView:
    """One check, or one measure that must not fall behind."""

    name: str
    scorer: str
    """How answers are compared, in words."""
    wanted: str
    """`wanted 80.0 %`, or `may fall by 2.0 points`."""
    threshold: float | None
    """Where the mark stands on the bars, None for a measure against falling behind."""
    is_passed: bool
    outcome: str
    """`passed`, `failed`, or for a baseline `reached already`, `not reached yet`."""
    base: ValueView
    custom: ValueView | None
    difference: str = ""
    """`+45.1 points (+40.0 to +50.1)`."""
    claim: str = ""
    """What may be said of the difference."""
    luck: str = ""
    """How often luck alone would do it, in words."""
    won_lost: tuple[int, int, int] | None = None
    """Rows won, the same, lost."""
    caution: str = ""


@dataclass(frozen=True)
class LabelView:
    """How one label fared."""

    label: str
    rows: int
    right: int
    score: str
    value: float


@dataclass(frozen=True)
class ResultsView:
    """A measurement."""

    verdict: str
    mood: Mood
    sides: str
    """Who was measured: `bank@1 against seedling`, or that it is the base model alone."""
    conditions: str
    checks: tuple[CheckView, ...]
    regressions: tuple[CheckView, ...]
    remarks: tuple[str, ...]
    """Further reasons of the verdict."""
    warnings: tuple[str, ...]
    labels: tuple[LabelView, ...]
    confusions: tuple[tuple[str, str, int], ...]
    """Wanted, answered, rows."""
    plan: str = ""
    """Hash of the plan that was measured."""
    served: str = ""
    """Where the model answers now."""


@dataclass(frozen=True)
class Absent:
    """There is nothing to show yet: why, and the next step."""

    message: str
    hint: str
