"""Approving steps as a person: the one place where grants are made. Never reachable from an agent tool."""

import math
from collections.abc import Collection
from typing import Literal

from specs.plan import Plan
from tools.approvals import GrantIssuer, GrantKey
from tools.errors import UsageError
from tools.ledger import Ledger


def approve_steps(
    ledger: Ledger, key: GrantKey, plan: Plan, steps: Collection[str] | Literal["all"], max_usd: float | None
) -> dict[str, str]:
    """Return a grant id for each of `steps`. Raises UsageError for a step the plan does not have, or no real cap."""
    if max_usd is not None and not 0 <= max_usd < math.inf:
        raise UsageError(f"{max_usd:g} is no amount of money.", "Give the most a step may cost in dollars, 0 or more.")
    known = [step.id for step in plan.steps]
    wanted = known if steps == "all" else list(dict.fromkeys(steps))
    unknown = [step for step in wanted if step not in known]
    if unknown:
        raise UsageError(f"The plan has no step {unknown[0]!r}.", f"Its steps are {', '.join(known)}.")
    cap = plan.max_usd if max_usd is None else min(max_usd, plan.max_usd)
    issuer = GrantIssuer(ledger, key)
    return {step: issuer.issue(plan, step, max_usd=cap, max_seconds=plan.max_seconds).grant_id for step in wanted}
