"""From a spec to a plan: gathers the facts that `specs.resolve` needs, and keeps a plan that still holds.

Reads files only. Resolving is pure and lives in `specs`; running a plan is the executor's business.
"""

import math
from pathlib import Path
from statistics import median

from pydantic import ValidationError

from specs.facts import DataFacts, Facts, ModelFacts
from specs.layout import ProjectLayout, RunLayout
from specs.load import LoadedSpec
from specs.plan import Plan, Step
from specs.run import RunManifest, TrainReport, TrainTask
from tools.catalog import model_facts
from tools.errors import UsageError
from tools.hardware import hardware_facts
from tools.ledger import Ledger

_RECENT_RUNS = 50


def make_plan(layout: ProjectLayout, ledger: Ledger, loaded: LoadedSpec, *, anew: bool = False) -> Plan:
    """Return the plan of a spec: the unfinished or finished one made from the same inputs, or a new one.

    Args:
        anew: make a new plan even when the last one was made from the same spec, data and model.

    Raises:
        PlanRefused: the spec asks for what cannot run here; the sentence says what and why.
        DataError: a data file cannot be used.
        UsageError: the base model is not known.
    """
    from specs.resolve import resolve

    facts = gather_facts(layout, ledger, loaded)
    fresh = resolve(loaded.spec, loaded.text, facts)
    known = ledger.latest_plan(fresh.spec_hash)
    if known is not None and not anew and _same_inputs(known, fresh):
        return known
    return fresh


def gather_facts(layout: ProjectLayout, ledger: Ledger, loaded: LoadedSpec) -> Facts:
    """Return what `resolve` needs to know about machine, model and data. Raises as `make_plan` does."""
    from specs.refuse import supported_stage
    from tools.tracking import tracking_uri

    spec = loaded.spec
    supported_stage(spec)
    base = model_facts(spec.model, layout.root, ledger.custom_model)
    return Facts(
        hardware=hardware_facts(layout.state_dir, _measured_speed(layout, base.name)),
        model=base,
        data=_data_facts(layout, loaded, base),
        runs_dir=str(layout.runs_dir),
        tracking_uri=tracking_uri(layout),
        artifacts_dir=str(layout.artifacts_dir),
        next_version=ledger.next_version(spec.name),
    )


def _data_facts(layout: ProjectLayout, loaded: LoadedSpec, base: ModelFacts) -> DataFacts:
    from tools.data.prepare import prepare
    from tools.data.tokens import token_counter

    spec = loaded.spec
    if not spec.data.sources:
        raise UsageError("The spec names no data.", "Add a file under data.sources, or tell `tailor chat` where it is.")
    prepared = prepare(
        spec.data,
        name=spec.name,
        root=layout.root,
        datasets_dir=layout.datasets_dir,
        system_prompt=spec.goal.system_prompt,
        counter=token_counter(Path(base.tokenizer_dir) if base.tokenizer_dir else None),
        context_length=base.context_length,
    )
    return prepared.facts


def _same_inputs(known: Plan, fresh: Plan) -> bool:
    """Whether two plans come from the same spec, data and model, so that what one has done counts for the other.

    Plans name their folders in full: in a project that was moved or copied, the old one's point elsewhere.
    """
    return known.spec_hash == fresh.spec_hash and _origins(known) == _origins(fresh)


def _origins(plan: Plan) -> dict[str, object]:
    return {step.id: (step.inputs, step.writes, _dataset_dir(step)) for step in plan.steps}


def _dataset_dir(step: Step) -> object:
    task = step.arguments.get("task", step.arguments)
    return task.get("dataset", {}).get("dir")


def _measured_speed(layout: ProjectLayout, model: str) -> float | None:
    """Median training speed of the project's earlier runs of the same model, in tokens per second."""
    speeds: list[float] = []
    for run_dir in sorted(layout.runs_dir.glob("r*"), key=lambda path: path.stat().st_mtime)[-_RECENT_RUNS:]:
        speed = _run_speed(RunLayout(run_dir), model)
        if speed is not None:
            speeds.append(speed)
    return median(speeds) if speeds else None


def _run_speed(run: RunLayout, model: str) -> float | None:
    try:
        task = RunManifest.model_validate_json(run.manifest_path.read_bytes()).task
        if not isinstance(task, TrainTask) or task.model.name != model:
            return None
        speed = TrainReport.model_validate_json(run.report_path.read_bytes()).tokens_per_s
    except (OSError, ValidationError):
        return None
    return speed if 0 < speed < math.inf else None
