"""Cards of a plan's steps, made by code from the plan: what a person reads before approving. No model text enters."""

import difflib
from collections.abc import Collection
from typing import Literal

from agent.events import PlanReady, StepCard, ValueCard
from specs.plan import Plan, Step
from tools.escape import one_line, visible

_NEEDS_GRANT = frozenset({"spend", "execute"})
# more than a spec or a plan can hold
_WHOLE = 100_000_000


def needs_approval(step: Step) -> bool:
    """Return whether the step may start only with a person's grant."""
    return step.effect in _NEEDS_GRANT


def step_card(plan_hash: str, step: Step, *, whole: bool = False) -> StepCard:
    """Return the card of one step; outside text in it is escaped, and cut unless it is wanted whole."""
    limit = _WHOLE if whole else 120
    return StepCard(
        id=step.id,
        title=one_line(step.title, limit),
        effect=step.effect,
        risk=_risk(step),
        digest=step.digest(plan_hash),
        estimate=step.estimate,
        reads=tuple(one_line(path, limit) for path in step.reads),
        writes=tuple(one_line(path, limit) for path in step.writes),
        undo=one_line(step.undo, max(limit, 200)),
        values=tuple(
            ValueCard(name=value.name, value=_shown(value.value, limit), reason=one_line(value.reason, max(limit, 500)))
            for value in step.values
        ),
        needs_approval=needs_approval(step),
    )


def _risk(step: Step) -> Literal["low, reversible", "spends money", "cannot be undone"]:
    if not step.undo.strip():
        return "cannot be undone"
    return "spends money" if step.effect == "spend" or step.estimate.cost_usd > 0 else "low, reversible"


def with_groundwork(plan: Plan, chosen: Collection[str]) -> list[str]:
    """Return the chosen steps and those without a job of their own that they rest on: preparing data goes along."""
    wanted = set(chosen)
    for step in reversed(plan.steps):
        if step.id in wanted:
            wanted |= {name for name in step.depends_on if not needs_approval(plan.step(name))}
    return [step.id for step in plan.steps if step.id in wanted]


def _shown(value: object, limit: int) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else one_line(str(value), limit)


def plan_cards(plan: Plan, only: frozenset[str] | None = None, *, whole: bool = False) -> tuple[StepCard, ...]:
    """Return the cards of the plan's steps in order; `only` keeps the steps of these ids, `whole` cuts nothing."""
    plan_hash = plan.hash
    return tuple(step_card(plan_hash, step, whole=whole) for step in plan.steps if only is None or step.id in only)


def plan_ready(plan: Plan) -> PlanReady:
    """Return the event that shows a fresh plan."""
    return PlanReady(
        plan=plan.hash,
        name=plan.name,
        steps=plan_cards(plan),
        notes=tuple(visible(note) for note in plan.notes),
        max_usd=plan.max_usd,
        max_seconds=plan.max_seconds,
    )


def spec_diff(before: str, after: str, limit: int = 20_000) -> str:
    """Return the unified diff of two spec texts, cut to `limit` characters; empty when they are equal."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "spec.yaml (before)", "spec.yaml (now)", lineterm=""
    )
    return visible("\n".join(lines), limit)
