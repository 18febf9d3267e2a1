"""A plan as text for people: steps, what each takes, values with their reasons. Made from the plan's cards alone."""

import textwrap

from agent.events import PlanReady, StepCard, ValueCard
from specs.plan import Estimate
from tools.wording import count, duration, money, size

_MAX_NAME_WIDTH = 24
_MAX_VALUE_WIDTH = 12
# what a person decides on; the full plan has the rest
_MAIN_VALUES = ("tuning", "epochs", "learning_rate", "batch_size")


def plan_text(plan: PlanReady, width: int = 80, *, brief: bool = False) -> str:
    """Return the plan for a terminal of `width` columns.

    Args:
        plan: the plan.
        width: columns of the terminal.
        brief: leave out what each figure rests on and all but the values that matter most.
    """
    total_s = sum(step.estimate.seconds for step in plan.steps)
    head = (
        f"Plan {short_hash(plan.plan)} for {plan.name}: {count(len(plan.steps), 'step')}, about {duration(total_s)}, "
        f"at most {money(plan.max_usd)} and {duration(plan.max_seconds)}."
    )
    lines = [*wrapped(head, width, indent="", hanging="  "), ""]
    for number, step in enumerate(plan.steps, start=1):
        lines += _brief_lines(number, step, width) if brief else [*_step_lines(number, step, width), ""]
    if brief:
        lines += ["", "`tailor plan` shows every value, its reason, and what the estimates rest on.", ""]
    for note in plan.notes:
        lines += wrapped(f"Note: {note}", width, indent="", hanging="  ")
    return "\n".join(lines).rstrip() + "\n"


def estimate_text(estimate: Estimate) -> str:
    """Return what a step is expected to take, and what the figures rest on."""
    return f"takes {_takes(estimate)}. Basis: {estimate.basis}"


def wrapped(text: str, width: int, *, indent: str, hanging: str) -> list[str]:
    """Return `text` wrapped to `width` columns; `hanging` stands before every line but the first."""
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def short_hash(plan_hash: str) -> str:
    """Return enough of a hash to tell plans apart by eye."""
    return plan_hash.removeprefix("sha256:")[:12]


def _takes(estimate: Estimate) -> str:
    spread = f"{duration(estimate.seconds_low)} to {duration(estimate.seconds_high)}"
    return (
        f"about {duration(estimate.seconds)} ({spread}), {size(estimate.memory_bytes)} memory, "
        f"{size(estimate.disk_bytes)} disk, {money(estimate.cost_usd)}"
    )


def _brief_lines(number: int, step: StepCard, width: int) -> list[str]:
    lines = wrapped(f"{number}. {step.id}: {step.title}", width, indent="", hanging="   ")
    lines += wrapped(_takes(step.estimate), width, indent="   ", hanging="   ")
    if step.id.startswith("train"):
        lines += _value_lines([value for value in step.values if value.name in _MAIN_VALUES], width)
    return lines


def _step_lines(number: int, step: StepCard, width: int) -> list[str]:
    lines = wrapped(f"{number}. {step.id}: {step.title}", width, indent="", hanging="   ")
    lines += wrapped(estimate_text(step.estimate), width, indent="   ", hanging="   ")
    if step.reads:
        lines += wrapped(f"reads  {', '.join(step.reads)}", width, indent="   ", hanging="          ")
    if step.writes:
        lines += wrapped(f"writes {', '.join(step.writes)}", width, indent="   ", hanging="          ")
    lines += wrapped(f"undo   {step.undo}", width, indent="   ", hanging="          ")
    return lines + _value_lines(step.values, width)


def _value_lines(values: "list[ValueCard] | tuple[ValueCard, ...]", width: int) -> list[str]:
    name_width = min(_MAX_NAME_WIDTH, max((len(value.name) for value in values), default=0))
    value_width = min(_MAX_VALUE_WIDTH, max((len(value.value) for value in values), default=0))
    lines: list[str] = []
    for value in values:
        name = f"   {value.name:<{name_width}}  "
        if len(value.value) <= value_width:
            head = f"{name}{value.value:<{value_width}}  "
            lines += wrapped(value.reason, width, indent=head, hanging=" " * len(head)) or [head.rstrip()]
        else:
            below = " " * len(name)
            lines += wrapped(value.value, width, indent=name, hanging=below)
            lines += wrapped(value.reason, width, indent=below, hanging=below)
    return lines
