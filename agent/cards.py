"""Cards of a plan's steps, made by code from the plan: what a person reads before approving. No model text enters."""

import difflib
from collections.abc import Collection

from agent.events import PlanReady, StepCard, ValueCard
from specs.plan import Plan, Step
from tools.escape import one_line, visible

_NEEDS_GRANT = frozenset({"spend", "execute"})


def needs_approval(step: Step) -> bool:
    """Return whether the step may start only with a person's grant."""
    return step.effect in _NEEDS_GRANT


def step_card(plan_hash: str, step: Step) -> StepCard:
    """Return the card of one step; outside text in it is escaped."""
    return StepCard(
        id=step.id,
        title=one_line(step.title),
        effect=step.effect,
        risk="spends money" if step.effect == "spend" or step.estimate.cost_usd > 0 else "low, reversible",
        digest=step.digest(plan_hash),
        estimate=step.estimate,
        reads=tuple(one_line(path) for path in step.reads),
        writes=tuple(one_line(path) for path in step.writes),
        undo=one_line(step.undo, 200),
        values=tuple(
            ValueCard(name=value.name, value=_shown(value.value), reason=one_line(value.reason, 500))
            for value in step.values
        ),
        needs_approval=needs_approval(step),
    )


def with_groundwork(plan: Plan, chosen: Collection[str]) -> list[str]:
    """Return the chosen steps and those without a job of their own that they rest on: preparing data goes along."""
    wanted = set(chosen)
    for step in reversed(plan.steps):
        if step.id in wanted:
            wanted |= {name for name in step.depends_on if not needs_approval(plan.step(name))}
    return [step.id for step in plan.steps if step.id in wanted]


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else one_line(str(value))


def plan_cards(plan: Plan, only: frozenset[str] | None = None) -> tuple[StepCard, ...]:
    """Return the cards of the plan's steps in order; `only` keeps the steps of these ids."""
    plan_hash = plan.hash
    return tuple(step_card(plan_hash, step) for step in plan.steps if only is None or step.id in only)


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


def spec_diff(before: str, after: str) -> str:
    """Return the unified diff of two spec texts; empty when they are equal."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "spec.yaml (before)", "spec.yaml (now)", lineterm=""
    )
    return visible("\n".join(lines), 20_000)
