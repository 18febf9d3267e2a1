"""An approval as it is shown: made by code from the plan alone. No model text enters."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Risk: TypeAlias = Literal["low, reversible", "spends money", "cannot be undone"]


@dataclass(frozen=True)
class CardView:
    """One step of the request, all its lines whole; nothing is cut, the panel scrolls."""

    step: str
    """Id of the step."""
    title: str
    """`Step 3 of 5 · Train Seedling on 800 rows`."""
    risk: Risk
    cost: str
    """Expected (low to high), hard stop; or that there is no estimate."""
    why: str
    """How the figures were made."""
    reads: str
    writes: str
    undo: str
    digest: str
    values: tuple[tuple[str, str, str], ...] = ()
    """Name, value and reason of each resolved value."""
    has_estimate: bool = True
    """A step without one counts as paid."""


@dataclass(frozen=True)
class ApprovalView:
    """A request that waits for the person."""

    request_id: str
    queue: str
    """`1 of 3` where several steps wait, else empty."""
    card: CardView
    """The step asked for."""
    along: tuple[CardView, ...]
    """Steps that need no grant of their own and go along with it, as preparing data."""
    rest: tuple[CardView, ...]
    """Later steps of the same request, which `approve for this run` covers."""
    diff: str
    """Spec last approved against this plan's spec."""
    is_first: bool
    """Nothing was approved before, so there is no diff."""
    reasons: tuple[str, ...]
    """Why it is asked again."""
    ceiling: str
    """`at most 1 h and $0`, over all steps of the request."""
    confirm_once: str | None = None
    """What must be typed to approve the step; None for one key."""
    confirm_all: str | None = None
    """What must be typed to approve all of the request."""
    blocked: str = ""
    """Why nothing can be approved now, as a sentence with the next step; empty when it can."""

    @property
    def steps_once(self) -> tuple[str, ...]:
        """Ids granted by approving once."""
        return (*(card.step for card in self.along), self.card.step)

    @property
    def steps_all(self) -> tuple[str, ...]:
        """Ids granted by approving for this run."""
        return (*self.steps_once, *(card.step for card in self.rest))
