"""An approval request as the person sees it, made by code from its plan. Nothing is cut and nothing is drawn here."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from agent.cards import plan_cards
from agent.events import ApprovalRequested, StepCard
from agent.plan_text import short_hash
from agent.tui.viewmodels.approval import ApprovalView, CardView
from specs.plan import Estimate, Plan, Step
from tools.escape import one_line
from tools.wording import duration, money, size

_IRREVERSIBLE = "cannot be undone"
# how tools.escape marks what it left out
_CUT = re.compile(r"… \(\d+ more characters\)\Z")
_TOO_LONG = (
    "The difference to the spec you last approved is too long to be shown whole, so it cannot be approved here: "
    "read `tailor plan` and approve with `tailor run`."
)


def approval_view(
    request: ApprovalRequested, *, budget_usd: float | None, blocked: str = "", root: str = ""
) -> ApprovalView:
    """Return what is shown for a request.

    The cards are made anew from the plan that a grant will be bound to; those in the request name the steps only.

    Args:
        request: the request; its plan has the steps it asks for.
        budget_usd: what the person wants to spend at most, if known.
        blocked: why nothing can be approved now.
        root: folder of the project; paths in it are shown from there.
    """
    plan = request.plan
    steps = plan_cards(plan, frozenset(card.id for card in request.steps), whole=True)
    asked = [number for number, card in enumerate(steps) if card.needs_approval] or [0]
    first = asked[0]
    cards = [_from_root(_card_view(plan, card, budget_usd), root) for card in steps]
    return ApprovalView(
        request_id=request.request_id,
        queue=f"1 of {len(asked)}" if len(asked) > 1 else "",
        card=cards[first],
        along=tuple(cards[:first]),
        rest=tuple(cards[first + 1 :]),
        diff=request.diff,
        is_first=request.is_first,
        reasons=tuple(_whole(reason) for reason in request.reasons),
        ceiling=f"at most {duration(plan.max_seconds)} and {money(plan.max_usd)}",
        confirm_once=_to_type(plan, steps[: first + 1]),
        confirm_all=_to_type(plan, steps),
        blocked=blocked or (_TOO_LONG if _CUT.search(request.diff) else ""),
    )


def _card_view(plan: Plan, card: StepCard, budget_usd: float | None) -> CardView:
    step = plan.step(card.id)
    place = 1 + [other.id for other in plan.steps].index(card.id)
    disk = card.estimate.disk_bytes
    writes = ", ".join(card.writes) or "nothing"
    return CardView(
        step=card.id,
        title=f"Step {place} of {len(plan.steps)} · {card.title}",
        risk=card.risk,
        cost=_cost(plan, step, budget_usd),
        why=_whole(card.estimate.basis) if _has_estimate(card.estimate) else "The plan holds no figures for this step.",
        reads=_reads(card, step),
        writes=f"{writes} ({size(disk)})" if card.writes and disk > 0 else writes,
        undo=card.undo if card.undo.strip() else "This cannot be undone.",
        digest=card.digest,
        values=tuple((_whole(value.name), value.value, value.reason) for value in card.values),
        has_estimate=_has_estimate(card.estimate),
    )


def _from_root(card: CardView, root: str) -> CardView:
    """Return the card with the paths of the project as they are read from its folder."""
    prefix = f"{root.rstrip('/')}/" if root else ""
    if not prefix:
        return card
    return replace(card, reads=card.reads.replace(prefix, ""), writes=card.writes.replace(prefix, ""))


def _cost(plan: Plan, step: Step, budget_usd: float | None) -> str:
    estimate = step.estimate
    if not _has_estimate(estimate):
        money_part = f"at most {money(plan.max_usd)}, the budget of the plan"
        return f"no estimate: counts as paid; {money_part}{_hard_stop(plan, step)}"
    cost = "$0"
    if step.effect == "spend" or estimate.cost_usd > 0:
        cost = f"at most {money(estimate.cost_usd)}"
        if budget_usd is not None:
            cost += f" of a budget of {money(budget_usd)}"
    spread = f"{duration(estimate.seconds_low)} to {duration(estimate.seconds_high)}"
    return f"{cost} · about {duration(estimate.seconds)} ({spread}){_hard_stop(plan, step)}"


def _hard_stop(plan: Plan, step: Step) -> str:
    """What ends the step at the latest; preparing data has no job that could be ended."""
    if step.kind == "prepare_data":
        return ""
    if step.kind == "deploy":
        ttl_s = step.arguments.get("ttl_s")
        end = f"for at most {duration(ttl_s)}" if isinstance(ttl_s, int | float) else "until it is stopped"
        return f", then keeps running {end}"
    return f", stops itself at {duration(plan.max_seconds)}"


def _reads(card: StepCard, step: Step) -> str:
    """Name what is read, each with the start of the hash it must still have at the launch."""
    paths = [
        f"{shown} ({short_hash(step.inputs[path])})" if path in step.inputs else shown
        for shown, path in zip(card.reads, step.reads, strict=True)
    ]
    others = [f"{_whole(name)} {short_hash(value)}" for name, value in step.inputs.items() if name not in step.reads]
    return " · ".join(part for part in (", ".join(paths), ", ".join(others)) if part) or "nothing"


def _has_estimate(estimate: Estimate) -> bool:
    return bool(estimate.basis.strip()) and estimate.seconds_high > 0


def _to_type(plan: Plan, cards: Sequence[StepCard]) -> str | None:
    """Return what must be typed to approve these steps: the most they may cost in whole dollars, or the plan's name."""
    if any(card.risk == _IRREVERSIBLE for card in cards):
        return plan.name
    known = [card for card in cards if _has_estimate(card.estimate)]
    total = sum(card.estimate.cost_usd for card in known)
    if len(known) < len(cards):
        # a step without figures may take the whole budget; several of them still have only that one
        total += plan.max_usd
    elif total <= 0 and all(card.effect != "spend" for card in cards):
        return None
    return str(math.ceil(round(total, 6))) if total > 0 else plan.name


def _whole(text: str) -> str:
    return one_line(text, len(text))
