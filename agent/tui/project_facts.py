"""What ledger and run directories say about the project, read from disk in a thread. Reads only."""

from agent.tui.state import ProjectFacts
from specs.errors import SpecError
from specs.layout import ProjectLayout
from specs.load import load_spec
from tools.errors import ToolError
from tools.escape import one_line
from tools.ledger import Ledger
from tools.runs import RunInfo, list_runs
from tools.status import step_states


def read_facts(layout: ProjectLayout) -> ProjectFacts:
    """Return what is known now; what cannot be read is left out."""
    runs = list_runs(layout)
    running = tuple(run.run_id for run in runs if run.state == "running" and run.task != "serve")
    serving = tuple(run.run_id for run in runs if run.state == "running" and run.task == "serve")
    bare = ProjectFacts(running=running, serving=serving, has_votes=layout.votes_path.exists())
    if not layout.ledger_path.exists():
        return bare
    try:
        return _of_plan(layout, runs, bare)
    except (ToolError, OSError):
        return bare


def _of_plan(layout: ProjectLayout, runs: tuple[RunInfo, ...], bare: ProjectFacts) -> ProjectFacts:
    with Ledger(layout.ledger_path) as ledger:
        plan = ledger.latest_plan()
        if plan is None:
            return bare
        states = step_states(layout, ledger, plan)
        latest = {run.step: run for run in runs if run.plan == plan.hash}
        return ProjectFacts(
            spec_name=one_line(plan.name, 60),
            plan=plan.hash,
            steps=tuple((step.id, step.kind, one_line(step.title, 200), states[step.id]) for step in plan.steps),
            seconds=tuple((step, run.seconds) for step, run in latest.items()),
            runs=tuple((step, run.run_id) for step, run in latest.items()),
            spent_usd=ledger.spent(plan.hash).usd,
            budget_usd=plan.max_usd,
            running=bare.running,
            serving=bare.serving,
            has_votes=bare.has_votes,
            is_planned=_is_planned(layout, plan.spec_hash),
        )


def _is_planned(layout: ProjectLayout, spec_hash: str) -> bool:
    """Whether the spec on disk is the planned one; one that cannot be read was told of elsewhere."""
    try:
        return load_spec(layout.spec_path).hash == spec_hash
    except (SpecError, OSError):
        return True
