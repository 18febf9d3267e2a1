"""A plan as text for people: steps, what each takes, every value with its reason. Made from the plan's cards alone."""

import textwrap

from agent.events import PlanReady, StepCard, ValueCard
from specs.plan import Estimate
from tools.wording import duration, money, size

_NAME_WIDTH = 22


def plan_text(plan: PlanReady, width: int = 80) -> str:
    """Return the plan for a terminal of `width` columns."""
    total_s = sum(step.estimate.seconds for step in plan.steps)
    lines = [
        f"Plan {short_hash(plan.plan)} for {plan.name}: {len(plan.steps)} steps, about {duration(total_s)}, "
        f"at most {money(plan.max_usd)} and {duration(plan.max_seconds)}.",
        "",
    ]
    for number, step in enumerate(plan.steps, start=1):
        lines += [*step_lines(number, step, width), ""]
    for note in plan.notes:
        lines += wrapped(f"Note: {note}", width, indent="", hanging="  ")
    return "\n".join(lines).rstrip() + "\n"


def step_lines(number: int, step: StepCard, width: int) -> list[str]:
    """Return the lines of one step: title, estimate, what it touches, its values."""
    lines = wrapped(f"{number}. {step.id}: {step.title}", width, indent="", hanging="   ")
    lines += wrapped(estimate_text(step.estimate), width, indent="   ", hanging="   ")
    if step.reads:
        lines += wrapped(f"reads  {', '.join(step.reads)}", width, indent="   ", hanging="          ")
    if step.writes:
        lines += wrapped(f"writes {', '.join(step.writes)}", width, indent="   ", hanging="          ")
    lines += wrapped(f"undo   {step.undo}", width, indent="   ", hanging="          ")
    for value in step.values:
        lines += _value_lines(value, width)
    return lines


def estimate_text(estimate: Estimate) -> str:
    """Return what a step is expected to take, and what the figures rest on."""
    spread = f"{duration(estimate.seconds_low)} to {duration(estimate.seconds_high)}"
    return (
        f"takes about {duration(estimate.seconds)} ({spread}), {size(estimate.memory_bytes)} memory, "
        f"{size(estimate.disk_bytes)} disk, {money(estimate.cost_usd)}. Basis: {estimate.basis}"
    )


def wrapped(text: str, width: int, *, indent: str, hanging: str) -> list[str]:
    """Return `text` wrapped to `width` columns; `hanging` stands before every line but the first."""
    return textwrap.wrap(text, max(width, 40), initial_indent=indent, subsequent_indent=hanging, break_long_words=False)


def short_hash(plan_hash: str) -> str:
    """Return enough of a hash to tell plans apart by eye."""
    return plan_hash.removeprefix("sha256:")[:12]


def _value_lines(value: ValueCard, width: int) -> list[str]:
    head = f"   {value.name:<16} {value.value:<{_NAME_WIDTH - 10}} "
    return wrapped(value.reason, width, indent=head, hanging=" " * 20)
