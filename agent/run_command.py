"""`tailor run`: plan, approve, run, and end with one typed line. What a person types here is a grant."""

import sys
from collections.abc import Mapping

from agent.cards import plan_ready, with_groundwork
from agent.narrator import Narrator
from agent.plan_text import estimate_text, plan_text, short_hash
from specs.errors import ExitCode
from specs.plan import Plan, Step
from tools.client import Tailor
from tools.errors import UsageError
from tools.events import ExecutorEvent, PlanFinished, StepFinished

_EXIT_CODES: dict[str, ExitCode] = {
    "succeeded": ExitCode.DONE,
    "failed": ExitCode.FAILED,
    "stopped": ExitCode.STOPPED,
    "waiting": ExitCode.WAITING,
}


def run_plan(tailor: Tailor, *, approved: str | None, max_usd: float | None, again: bool, json_mode: bool) -> int:
    """Run the plan of the project's spec and return the exit code.

    Args:
        tailor: the project.
        approved: `all`, or step ids with commas, as typed by a person; None = ask at the terminal.
        max_usd: cap in US dollars that the person set.
        again: train another version although nothing changed.
        json_mode: print events as JSON lines on stdout.
    """
    plan = tailor.plan(anew=again)
    open_steps = _open_steps(tailor, plan)
    if open_steps:
        _say(plan_text(plan_ready(plan), brief=True))
    else:
        _say(f"Everything in plan {short_hash(plan.hash)} is done; --again trains another version.")
    grants = _grants(tailor, plan, open_steps, approved, max_usd)
    narrator = Narrator()
    finished: PlanFinished | None = None
    for event in tailor.run(plan, grants):
        if json_mode:
            _print_json(event)
        for line in narrator.feed(event):
            _say(line)
        if isinstance(event, StepFinished):
            _say_worth(plan, event)
        if isinstance(event, PlanFinished):
            finished = event
    if finished is None:
        return ExitCode.FAILED
    if not json_mode:
        _print_results(tailor, plan, finished)
    return _EXIT_CODES[finished.state]


def _say_worth(plan: Plan, event: StepFinished) -> None:
    """Say after the baseline whether training is worth it; approved steps go on all the same."""
    if plan.step(event.step).kind != "baseline" or event.result is None or event.skipped:
        return
    verdict = event.result["verdict"]
    mark = "! " if verdict["decision"] == "skip_training" else "  "
    _say(f"{mark}{verdict['text']}")
    if verdict["decision"] == "skip_training" and any(step.kind == "train" for step in plan.steps):
        _say("  What was approved goes on; Ctrl+C and `tailor stop RUN` end it.")


def _open_steps(tailor: Tailor, plan: Plan) -> list[Step]:
    """Steps that need an approval: neither done nor begun under one."""
    states = tailor.status()["plan"]["steps"]
    done = {name for name, state in states.items() if state in {"succeeded", "running"}}
    return [step for step in plan.steps if step.id not in done]


def _grants(
    tailor: Tailor, plan: Plan, open_steps: list[Step], approved: str | None, max_usd: float | None
) -> Mapping[str, str]:
    if approved is not None:
        wanted = [name.strip() for name in approved.split(",") if name.strip()]
        if not wanted:
            raise UsageError("--approve names no step.", "Write `--approve all`, or step ids with commas between.")
        if wanted == ["all"]:
            return tailor.approve(plan, "all", max_usd=max_usd)
        unknown = [name for name in wanted if name not in {step.id for step in plan.steps}]
        return tailor.approve(plan, unknown or with_groundwork(plan, wanted), max_usd=max_usd)
    if not sys.stdin.isatty():
        return {}
    return _ask(tailor, plan, open_steps, max_usd)


def _ask(tailor: Tailor, plan: Plan, open_steps: list[Step], max_usd: float | None) -> Mapping[str, str]:
    """Ask for each open step, in order; stop asking at the first that is not approved."""
    grants: dict[str, str] = {}
    for step in open_steps:
        _say(f"\n{step.id}: {step.title}\n  {estimate_text(step.estimate)}\n  undo: {step.undo}")
        sys.stderr.write("Approve this step? [y]es, [a]ll that follow, [n]o: ")
        sys.stderr.flush()
        answer = sys.stdin.readline().strip().lower()
        if answer in {"a", "all"}:
            rest = [later.id for later in open_steps if later.id not in grants]
            return {**grants, **tailor.approve(plan, rest, max_usd=max_usd)}
        if answer not in {"y", "yes"}:
            break
        grants |= tailor.approve(plan, [step.id], max_usd=max_usd)
    return grants


def _print_json(event: ExecutorEvent) -> None:
    sys.stdout.write(event.model_dump_json(ensure_ascii=True) + "\n")
    sys.stdout.flush()


def _print_results(tailor: Tailor, plan: Plan, finished: PlanFinished) -> None:
    if not finished.checks:
        return
    from agent.commands import show, terminal_width
    from agent.result_text import results_text

    show(results_text(tailor.results(plan.hash), terminal_width()))


def _say(text: str) -> None:
    sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()
