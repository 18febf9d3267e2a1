import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from specs.layout import ProjectLayout
from tests.fakes.measured_project import BASE, MeasuredProject
from tools import tracking
from tools.evaluation.step import Baseline, Evaluate
from tools.tracking import log_evaluation, tracking_uri, write_evaluation


def evaluated(root: Path) -> MeasuredProject:
    project = MeasuredProject(root, ["card", "loan"] * 5)

    def unlogged(*_: object) -> None:
        return None

    baseline, context = Baseline(unlogged), project.context("baseline", "r1")
    project.answered(baseline, context, project.answers(["card"] * 10), "before")
    project.results["baseline"] = baseline.finish(context)
    project.results["train"] = {"model": BASE.model_copy(update={"name": "bank@1"}).model_dump()}
    evaluate, context = Evaluate(unlogged), project.context("evaluate", "r3")
    project.answered(evaluate, context, project.answers(["card", "loan"] * 5), "after")
    evaluate.finish(context)
    return project


def test_tracking_uri_is_the_projects_sqlite_store():
    assert tracking_uri(ProjectLayout(Path("/home/me/bank"))) == "sqlite:////home/me/bank/.tailor/mlflow.db"


def test_logging_is_passed_over_when_mlflow_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    layout = ProjectLayout(tmp_path)
    assert log_evaluation(layout, layout.run("r1")) is False
    assert list(tmp_path.iterdir()) == []


def test_logging_is_passed_over_when_it_is_turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TAILOR_TRACKING", "off")
    monkeypatch.setattr(tracking.subprocess, "Popen", None)
    layout = ProjectLayout(tmp_path)
    layout.state_dir.mkdir()
    assert log_evaluation(layout, layout.run("r1")) is False


def test_logging_never_fails_when_the_log_cannot_be_written(tmp_path: Path):
    layout = ProjectLayout(tmp_path / "gone")
    assert log_evaluation(layout, layout.run("r1")) is False


def test_logging_starts_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TAILOR_TRACKING", raising=False)
    started: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **settings: object) -> None:
            started.append(command)
            assert settings["start_new_session"] is True

        def wait(self) -> int:
            return 0

    monkeypatch.setattr(tracking.subprocess, "Popen", Process)
    layout = ProjectLayout(tmp_path)
    layout.state_dir.mkdir()
    assert log_evaluation(layout, layout.run("r3")) is True
    assert started == [[sys.executable, "-m", "tools.tracking", str(tmp_path), "r3"]]


@pytest.mark.slow
def test_evaluation_stands_in_the_store_with_intervals_table_and_lineage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    monkeypatch.chdir(tmp_path)
    project = evaluated(tmp_path)
    layout = project.layout
    run_id = write_evaluation(layout, layout.run("r3"))
    assert write_evaluation(layout, layout.run("r3")) == run_id

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri(layout))
    logged = client.get_run(run_id)
    metrics, tags = logged.data.metrics, logged.data.tags
    assert (metrics["accuracy.baseline"], metrics["accuracy.custom"]) == (0.5, 1.0)
    assert metrics["accuracy.custom.low"] < 1.0 <= metrics["accuracy.custom.high"]
    assert (tags["tailor.run"], tags["tailor.baseline_run"]) == ("r3", "r1")
    assert logged.data.params["custom_weights_sha256"] == "after"
    assert logged.inputs.dataset_inputs[0].dataset.digest == project.version
    assert logged.info.artifact_uri.startswith(layout.artifacts_dir.as_uri())
    names = {artifact.path for artifact in client.list_artifacts(run_id)}
    assert names == {"evaluation.json", "answers.json"}
    assert not Path("mlruns").exists()


def test_module_loads_no_mlflow_when_it_is_imported():
    program = "import sys, tools.tracking; print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
