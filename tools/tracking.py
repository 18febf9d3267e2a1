"""Logs evaluations to the project's MLflow store, in a process of its own.

The only module of `tools` that uses MLflow. Nothing waits for it and nothing fails with it: without MLflow there is a
notice in the log and no more. The trainer logs its own training runs to the same store.
"""

import importlib.util
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specs.layout import ProjectLayout, RunLayout
from specs.roots import package_root
from specs.run import RunManifest

if TYPE_CHECKING:
    from tools.evaluation.report import EvaluationReport

_LOG = logging.getLogger(__name__)
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
_RUN_TAG = "tailor.run"
_LOW_PRIORITY = 10
_DIGEST_LENGTH = 32


def tracking_uri(layout: ProjectLayout) -> str:
    """Return the address of the project's MLflow store. SQLite, since MLflow 3 refuses the file store."""
    return f"sqlite:///{layout.tracking_path}"


def log_evaluation(layout: ProjectLayout, run: RunLayout) -> bool:
    """Start logging the evaluation of a run in the background; return whether it was started.

    The process of its own outlives this one and keeps MLflow's seconds and memory out of it. TAILOR_TRACKING=off in the
    environment turns it off.
    """
    if os.environ.get("TAILOR_TRACKING") == "off":
        return False
    if importlib.util.find_spec("mlflow") is None:
        _LOG.info("MLflow is not installed, so the evaluation in %s is not logged to it.", run.evaluation_path)
        return False
    command = [sys.executable, "-m", "tools.tracking", str(layout.root), run.run_dir.name]
    environment = {**os.environ, **_QUIET, "PYTHONSAFEPATH": "1", "PYTHONPATH": str(package_root())}
    try:
        with layout.log_path.open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
            )
    except OSError as error:
        _LOG.warning("The evaluation in %s is not logged to MLflow: %s", run.evaluation_path, error)
        return False
    threading.Thread(target=process.wait, name="tracking", daemon=True).start()
    return True


def write_evaluation(layout: ProjectLayout, run: RunLayout) -> str:
    """Log the evaluation of a run and return the id of its MLflow run; one that is logged already is left as it is.

    Logged: decoding settings, thresholds and weights as parameters; values with the ends of their intervals as metrics;
    the dataset version as input; evaluation.json and a table of all answers as artifacts; plan, step and the runs it
    rests on as tags.

    Raises:
        ToolError: the run has no evaluation.
    """
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput

    from tools.evaluation.report import read_report

    report = read_report(run)
    manifest = RunManifest.model_validate_json(run.manifest_path.read_bytes())
    client: Any = MlflowClient(tracking_uri=tracking_uri(layout))
    experiment = _experiment(client, manifest.project, layout.artifacts_dir)
    logged = f"tags.`{_RUN_TAG}` = '{run.run_dir.name}' and attributes.status = 'FINISHED'"
    known = client.search_runs([experiment], logged, max_results=1)
    if known:
        return str(known[0].info.run_id)
    made = client.create_run(experiment, tags=_tags(report, manifest), run_name=f"{manifest.step} {run.run_dir.name}")
    run_id = str(made.info.run_id)
    for name, value in _parameters(report).items():
        client.log_param(run_id, name, value)
    for name, value in _metrics(report).items():
        client.log_metric(run_id, name, value)
    test_set = report.test_set
    dataset = Dataset(
        name=test_set.dataset,
        digest=test_set.version.removeprefix("sha256:")[:_DIGEST_LENGTH],
        source_type="local",
        source=test_set.rows_path,
    )
    client.log_inputs(run_id, datasets=[DatasetInput(dataset=dataset)])
    client.log_artifact(run_id, str(run.evaluation_path))
    client.log_table(run_id, data=_table(report), artifact_file="answers.json")
    client.set_terminated(run_id)
    return run_id


def main(arguments: Sequence[str]) -> int:
    """Log one evaluation: project folder and run id. Returns the exit code."""
    os.nice(_LOW_PRIORITY)
    layout = ProjectLayout(Path(arguments[0]))
    write_evaluation(layout, layout.run(arguments[1]))
    return 0


def _experiment(client: Any, name: str, artifacts_dir: Path) -> str:
    """Return the id of the experiment, made with its own artifact folder: MLflow's default is the current directory."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts_dir.as_uri()))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _tags(report: "EvaluationReport", manifest: RunManifest) -> dict[str, str]:
    tags = {
        _RUN_TAG: manifest.run_id,
        "tailor.plan": manifest.plan,
        "tailor.step": manifest.step,
        "tailor.dataset": report.test_set.version,
        "tailor.verdict": report.verdict.decision,
        "tailor.baseline_run": report.baseline.run,
    }
    if report.custom is not None:
        tags["tailor.model"] = report.custom.model
        tags["tailor.weights"] = report.custom.weights_sha256
    return tags


def _parameters(report: "EvaluationReport") -> dict[str, object]:
    parameters: dict[str, object] = {
        "decoding": report.decoding.strategy,
        "max_new_tokens": report.decoding.max_new_tokens,
        "batch_size": report.decoding.batch_size,
        "num_rows": report.test_set.num_rows,
        "dataset_version": report.test_set.version,
        "baseline_model": report.baseline.model,
        "baseline_weights_sha256": report.baseline.weights_sha256,
    }
    if report.custom is not None:
        parameters["custom_model"] = report.custom.model
        parameters["custom_weights_sha256"] = report.custom.weights_sha256
    return parameters | {f"{check.name}.threshold": check.threshold for check in report.checks}


def _metrics(report: "EvaluationReport") -> dict[str, float]:
    metrics: dict[str, float] = {}
    for result in (*report.checks, *report.regressions):
        metrics[f"{result.name}.passed"] = float(result.passed)
        for side, interval in (
            ("baseline", result.baseline),
            ("custom", result.custom),
            ("difference", result.difference),
        ):
            if interval is not None:
                metrics[f"{result.name}.{side}"] = interval.value
                metrics[f"{result.name}.{side}.low"] = interval.low
                metrics[f"{result.name}.{side}.high"] = interval.high
        if result.difference is not None:
            metrics[f"{result.name}.p"] = result.difference.p
    return metrics


def _table(report: "EvaluationReport") -> dict[str, list[str]]:
    from tools.evaluation.side_by_side import answers_of

    base = answers_of(report, report.baseline)
    table = {
        "id": [answer.id for answer in base],
        "source": [answer.source for answer in base],
        "prompt": [answer.prompt[-1].content if answer.prompt else "" for answer in base],
        "wanted": [answer.wanted for answer in base],
        "baseline": [answer.text for answer in base],
    }
    if report.custom is not None:
        table["custom"] = [answer.text for answer in answers_of(report, report.custom)]
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
