"""What a project has and what its plans measured, read from ledger and files. Reads only; nothing is kept here."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from specs.errors import SpecError
from specs.layout import ProjectLayout
from specs.plan import Plan
from tools.errors import ToolError, UsageError
from tools.escape import one_line
from tools.ledger import Ledger, StepRecord
from tools.spec_file import SpecFile
from tools.steps import JsonDict

if TYPE_CHECKING:
    from tools.data.quality import QualityReport
    from tools.evaluation.report import EvaluationReport

_DATA_SUFFIXES = frozenset({".jsonl", ".json", ".csv", ".tsv", ".parquet"})
_MAX_DATA_FILES = 50
_MAX_FOLDERS = 500
_SIDE_BY_SIDE_ROWS = 12


@dataclass(frozen=True)
class DatasetQuality:
    """A prepared dataset version and what is known of its rows."""

    name: str
    version: str
    report: "QualityReport"


def project_status(layout: ProjectLayout, ledger: Ledger) -> JsonDict:
    """Return spec, data files, latest plan with the state of each step, runs and models, as JSON values."""
    from tools.runs import list_runs

    plan = ledger.latest_plan()
    return {
        "project": str(layout.root),
        "spec": _spec_state(layout),
        "data_files": data_files(layout.root),
        "plan": None
        if plan is None
        else {"hash": plan.hash, "name": plan.name, "steps": step_states(layout, ledger, plan)},
        "runs": [{"run": run.run_id, "step": run.step, "state": run.state} for run in list_runs(layout)],
        "models": [f"{model.name}@{model.version}" for model in ledger.models()],
    }


def step_states(layout: ProjectLayout, ledger: Ledger, plan: Plan) -> dict[str, str]:
    """Return the state of each step: not_run, pending, running, succeeded, failed, stopped, or ended.

    Ended are a server that no longer runs and prepared data that was deleted: both are made again once approved.
    """
    records = {record.step: record for record in ledger.steps(plan.hash)}
    states: dict[str, str] = {}
    for step in plan.steps:
        record = records.get(step.id)
        states[step.id] = "not_run" if record is None else record.state
        if states[step.id] == "running" and _has_succeeded(layout, records[step.id]):
            # nobody watched its end; the next run records it, without a new approval
            states[step.id] = "succeeded"
        if step.kind == "deploy" and states[step.id] == "succeeded" and not _is_served(layout, records, step.id):
            states[step.id] = "ended"
        if step.kind == "prepare_data" and states[step.id] == "succeeded" and _is_deleted(records[step.id]):
            states[step.id] = "ended"
    return states


def data_files(root: Path) -> list[str]:
    """Return the data files below a project's folder, relative to it, hidden folders left out."""
    found: list[str] = []
    for number, (folder, folders, files) in enumerate(os.walk(root)):
        if number >= _MAX_FOLDERS:
            break
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")) and name != "node_modules")
        for name in sorted(files):
            if Path(name).suffix.lower() in _DATA_SUFFIXES and not name.startswith("."):
                found.append(str((Path(folder) / name).relative_to(root)))
    return found[:_MAX_DATA_FILES]


def plan_results(
    layout: ProjectLayout, ledger: Ledger, of: str | None, *, num_rows: int = _SIDE_BY_SIDE_ROWS
) -> JsonDict:
    """Return what was measured for a plan: checks, verdict, report, rows side by side, model and server.

    Args:
        layout: the project.
        ledger: its ledger.
        of: hash of a plan or id of one of its runs; None = the latest plan.
        num_rows: how many rows side by side; with 0 no row is read.

    Raises:
        UsageError: nothing was measured yet, or there is no such plan or run.
        ToolError: a result in the ledger is not the one that was measured.
    """
    plan = _find_plan(layout, ledger, of)
    records = {record.step: record for record in ledger.steps(plan.hash)}
    measured = _measurement(layout, plan, records)
    report = _report(Path(measured["evaluation"]))
    return {
        "plan": plan.hash,
        "name": plan.name,
        "steps": step_states(layout, ledger, plan),
        "checks": measured["checks"],
        "verdict": measured["verdict"],
        "report": report.model_dump(mode="json"),
        "side_by_side": _side_by_side(report, num_rows),
        "health": _value(records, "train", "health", []),
        "model": report.custom.model if report.custom else None,
        "endpoint": _value(records, "deploy", "url", None) if _is_served(layout, records) else None,
    }


def plan_report(layout: ProjectLayout, ledger: Ledger, of: str | None = None) -> "EvaluationReport":
    """Return the evaluation of a plan, or its baseline while there is no evaluation. Raises as `plan_results`."""
    plan = _find_plan(layout, ledger, of)
    records = {record.step: record for record in ledger.steps(plan.hash)}
    return _report(Path(_measurement(layout, plan, records)["evaluation"]))


def data_quality(layout: ProjectLayout, wanted: str | None = None) -> DatasetQuality:
    """Return the quality report of a prepared dataset.

    Args:
        layout: the project.
        wanted: name of a dataset, or name@version (the first digits of the version do); None = the dataset of the
            latest plan, or the one written last where that plan has not prepared its own yet.

    Raises:
        UsageError: nothing was prepared yet, there is no such dataset, or its report cannot be read.
    """
    from tools.data.quality import QualityReport

    folder = _dataset_dir(layout, wanted)
    try:
        report = QualityReport.model_validate_json((folder / "quality.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"The quality report in {folder} cannot be read.", f"Delete {folder} and prepare the data again."
        ) from error
    return DatasetQuality(folder.parent.name, folder.name, report)


def _dataset_dir(layout: ProjectLayout, wanted: str | None) -> Path:
    found = sorted(layout.datasets_dir.glob("[!.]*/[!.]*/quality.json"), key=lambda path: path.stat().st_mtime)
    folders = [path.parent for path in found]
    if not folders:
        raise UsageError("No data was prepared in this project yet.", "`tailor run --approve prepare_data` does it.")
    name, _, version = (wanted or "").partition("@")
    called = [folder for folder in folders if name in ("", folder.parent.name) and folder.name.startswith(version)]
    if not called:
        known = ", ".join(f"{folder.parent.name}@{folder.name}" for folder in folders[-10:])
        raise UsageError(f"There is no dataset {one_line(wanted or '')}.", f"The project has {known}.")
    planned = _planned_dataset(layout)
    return planned if planned in called else called[-1]


def _planned_dataset(layout: ProjectLayout) -> Path | None:
    with Ledger(layout.ledger_path) as ledger:
        plan = ledger.latest_plan()
    arguments = next((step.arguments for step in plan.steps if step.kind == "prepare_data"), None) if plan else None
    return layout.datasets_dir / arguments["name"] / arguments["version"] if arguments else None


def _spec_state(layout: ProjectLayout) -> JsonDict:
    try:
        loaded = SpecFile(layout).load()
    except UsageError:
        return {"state": "missing"}
    except SpecError as error:
        return {"state": "invalid", "problems": [problem.message for problem in error.problems]}
    return {"state": "valid", "name": loaded.spec.name, "hash": loaded.hash, "path": layout.spec_name}


def last_measured(layout: ProjectLayout) -> str | None:
    """Return the hash of the plan that was evaluated last, whichever plan came after it; None when none was."""
    record = _last_evaluated(layout)
    return record.plan if record is not None else None


def _last_evaluated(layout: ProjectLayout) -> StepRecord | None:
    if not layout.ledger_path.exists():
        return None
    with Ledger(layout.ledger_path) as ledger:
        evaluated = [record for record in ledger.steps() if record.step == "evaluate" and record.state == "succeeded"]
    return max(evaluated, key=lambda record: record.ended_at or 0.0, default=None)


def _find_plan(layout: ProjectLayout, ledger: Ledger, of: str | None) -> Plan:
    if of is None:
        plan = ledger.latest_plan()
        if plan is None:
            raise UsageError("Nothing was measured yet: this project has no plan.", "`tailor plan` makes one.")
    elif of.startswith("sha256:"):
        plan = ledger.plan(of)
    else:
        from tools.runs import run_info

        plan = ledger.plan(run_info(layout, of).plan)
    if plan is None:
        raise UsageError("There is no such plan in this project.", "`tailor plan` makes one.")
    return plan


def _is_served(layout: ProjectLayout, records: dict[str, StepRecord], step: str = "deploy") -> bool:
    from tools.runs import run_info

    record = _succeeded(records, step)
    return record is not None and record.run_id is not None and run_info(layout, record.run_id).state == "running"


def _is_deleted(record: StepRecord) -> bool:
    folder = (record.result or {}).get("dir")
    return folder is not None and not Path(folder).is_dir()


def _has_succeeded(layout: ProjectLayout, record: StepRecord) -> bool:
    from tools.runs import run_info

    try:
        return record.run_id is not None and run_info(layout, record.run_id).state == "succeeded"
    except UsageError:
        return False


def _succeeded(records: dict[str, StepRecord], step: str) -> StepRecord | None:
    record = records.get(step)
    return record if record is not None and record.state == "succeeded" else None


def _value(records: dict[str, StepRecord], step: str, name: str, default: Any) -> Any:
    record = _succeeded(records, step)
    return default if record is None or record.result is None else record.result.get(name, default)


def _measurement(layout: ProjectLayout, plan: Plan, records: dict[str, StepRecord]) -> JsonDict:
    from tools.audit import changed_results

    if changed := changed_results(layout.audit_path, records.values()):
        raise ToolError(
            f"The recorded result of step {changed[0].step} is not the one that was measured.",
            "Measure anew: tailor run --again",
        )
    measured = _succeeded(records, "evaluate") or _succeeded(records, "baseline")
    if measured is None or measured.result is None:
        earlier = _last_evaluated(layout)
        shown = f" An earlier plan was measured: `tailor report {earlier.run_id}`." if earlier is not None else ""
        raise UsageError(
            f"Nothing was measured yet for the plan of {plan.name}.",
            f"Run it: `tailor run` asks before each step.{shown}",
        )
    return measured.result


def _report(path: Path) -> "EvaluationReport":
    from tools.evaluation.report import EvaluationReport

    try:
        return EvaluationReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a whole report"
        raise UsageError(
            f"The report {path} cannot be read: {reason}.",
            "Was the run deleted or edited? `tailor run --again` measures anew.",
        ) from error


def _side_by_side(report: "EvaluationReport", num_rows: int) -> list[JsonDict]:
    from tools.evaluation.side_by_side import side_by_side

    if report.custom is None or num_rows == 0:
        return []
    return [row.model_dump(mode="json") for row in side_by_side(report, num_rows)]
