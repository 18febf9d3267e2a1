"""Puts the executor of a project together, and stops what runs. What is decided here is only which part goes where."""

from collections.abc import Mapping

from specs.layout import ProjectLayout
from specs.plan import StepKind
from tools.approvals import GrantKey, GrantVerifier
from tools.audit import AuditLog
from tools.backends.base import JobBackend
from tools.backends.local.backend import LocalBackend
from tools.executor import Executor
from tools.inputs import StepInputs
from tools.ledger import Ledger
from tools.runs import run_info
from tools.steps import JsonDict, StepHandler

_STOP_SENTENCES = {
    "succeeded": "Run {run} had already finished.",
    "failed": "Run {run} had already failed.",
    "stopped": "Run {run} is stopped.",
    "lost": "Run {run} was not running any more.",
}


def executor(layout: ProjectLayout, ledger: Ledger, key: GrantKey) -> Executor:
    """Return the executor of a project; it accepts grants signed with `key` alone."""
    return Executor(
        layout=layout,
        ledger=ledger,
        audit=AuditLog(layout.audit_path, ledger),
        verifier=GrantVerifier(ledger, key),
        backend=backend(layout),
        handlers=handlers(),
        input_hash=StepInputs(layout),
    )


def backend(layout: ProjectLayout) -> JobBackend:
    """Return where a project's jobs run."""
    return LocalBackend(layout)


def handlers() -> Mapping[StepKind, StepHandler]:
    """Return what does the work of each kind of step."""
    from tools.data.step import PrepareData
    from tools.deployment.step import Deploy
    from tools.evaluation.step import Baseline, Evaluate
    from tools.training.step import Train

    return {
        "prepare_data": PrepareData(),
        "baseline": Baseline(),
        "train": Train(),
        "evaluate": Evaluate(),
        "deploy": Deploy(),
    }


def stop_run(layout: ProjectLayout, run_id: str) -> JsonDict:
    """Stop a run and say how it stands. Raises UsageError for an unknown id, ToolError when it does not end."""
    before = run_info(layout, run_id)
    if before.state not in ("succeeded", "stopped"):
        backend(layout).stop(run_id)
    state = run_info(layout, run_id).state
    sentence = _STOP_SENTENCES.get(state, "Run {run} is {state}.").format(run=run_id, state=state)
    return {"run": run_id, "state": state, "message": sentence}


def teardown(layout: ProjectLayout, name: str | None) -> list[str]:
    """Stop the servers of a name, or all, and say what was stopped. Raises UsageError when none has that name."""
    from tools.deployment.teardown import teardown as stop_servers

    return [str(stopped) for stopped in stop_servers(layout, backend(layout), name)]
