import json
import subprocess
import sys
from pathlib import Path

import pytest

from specs.run import GenerateTask
from tests.fakes.measured_project import BASE, MeasuredProject, manifest_of
from tools.errors import ToolError
from tools.evaluation.report import read_report
from tools.evaluation.step import Baseline, Evaluate
from tools.steps import JsonDict

LABELS = ["card", "loan", "cash", "fees"] * 10


def logger(calls: list[str]):
    return lambda _layout, run: calls.append(run.run_dir.name)


def prompts_path(project: MeasuredProject, run_id: str) -> Path:
    task = Baseline().manifest(project.context("baseline", run_id)).task
    assert isinstance(task, GenerateTask)
    return Path(task.prompts_path)


def measured(project: MeasuredProject, calls: list[str] | None = None) -> JsonDict:
    """Baseline with nothing right, a trained model with 36 of 40 right, evaluated."""
    log = logger(calls if calls is not None else [])
    baseline, evaluate = Baseline(log, clock=lambda: 100.0), Evaluate(log, clock=lambda: 300.0)
    context = project.context("baseline", "r1")
    project.answered(baseline, context, project.answers(["?"] * 40), "before")
    project.results["baseline"] = baseline.finish(context)
    trained = BASE.model_copy(update={"name": "bank@1", "location": "/runs/r2/model"})
    project.results["train"] = {"model": trained.model_dump(), "started_at": 200.0}
    context = project.context("evaluate", "r3")
    right = project.answers([f" {label}\n" for label in LABELS[:36]] + ["card!"] * 4)
    project.answered(evaluate, context, right, "after")
    return evaluate.finish(context)


def test_baseline_manifest_answers_the_frozen_test_rows_with_the_base_model(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    task = Baseline().manifest(project.context("baseline", "r1")).task
    assert isinstance(task, GenerateTask)
    assert (task.model, task.prompts_path) == (BASE, str(project.dataset_dir / "test.jsonl"))
    assert (task.max_new_tokens, task.batch_size) == (16, 32)


@pytest.mark.parametrize("kind", ["checks", "regressions"])
def test_bad_pattern_is_refused_before_anything_is_answered(tmp_path: Path, kind: str):
    bad = {"name": "shape", "scorer": "regex", "pattern": "(open"}
    measures = {"checks": [{**bad, "threshold": 0.5}]} if kind == "checks" else {"regressions": [bad]}
    project = MeasuredProject(tmp_path, LABELS, **measures)
    with pytest.raises(ToolError, match="the check shape is no regular expression"):
        Baseline().manifest(project.context("baseline", "r1"))


def test_manifest_draws_the_same_rows_again_when_max_rows_is_set(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS, max_rows=7)
    paths = [prompts_path(project, run_id) for run_id in ("r1", "r2")]
    assert paths[0] == paths[1]
    ids = [json.loads(line)["id"] for line in paths[0].read_text().splitlines()]
    assert len(set(ids)) == 7
    assert ids == sorted(ids)
    assert ids != [row.id for row in project.rows[:7]]


def test_evaluate_manifest_loads_the_trained_model(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    project.results["train"] = {"model": {"name": "bank@1", "location": "/base", "adapter_dir": "/adapter"}}
    task = Evaluate().manifest(project.context("evaluate", "r3")).task
    assert isinstance(task, GenerateTask)
    assert (task.model.name, task.model.adapter_dir) == ("bank@1", "/adapter")


def test_evaluate_result_has_the_checks_in_the_published_shape(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    result = measured(project)
    (check,) = json.loads(json.dumps(result))["checks"]
    assert list(check) == ["name", "scorer", "rows", "threshold", "passed", "baseline", "custom", "difference"]
    assert list(check["baseline"]) == list(check["custom"]) == ["value", "low", "high"]
    assert list(check["difference"]) == ["value", "low", "high", "p", "wins", "ties", "losses"]
    assert (check["rows"], check["passed"], check["custom"]["value"]) == (40, True, 0.9)
    assert (check["difference"]["wins"], check["difference"]["ties"], check["difference"]["losses"]) == (36, 4, 0)
    assert result["verdict"]["decision"] == "passed"
    assert result["generations"] == str(project.layout.run("r3").generations_path)


def test_evaluate_writes_the_report_with_both_weights_and_the_dataset_version(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    measured(project)
    report = read_report(project.layout.run("r3"))
    assert report.custom is not None
    assert (report.baseline.weights_sha256, report.custom.weights_sha256) == ("before", "after")
    assert (report.test_set.version, report.test_set.num_rows) == (project.version, 40)
    assert manifest_of(project.layout.run("r3")).plan == report.plan


def test_finish_gives_the_same_result_when_called_again(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    first = measured(project)
    before = project.layout.run("r3").evaluation_path.read_bytes()
    assert Evaluate(logger([])).finish(project.context("evaluate", "r3")) == first
    assert project.layout.run("r3").evaluation_path.read_bytes() == before


def test_baseline_is_not_logged_by_itself_when_a_training_follows(tmp_path: Path):
    calls: list[str] = []
    measured(MeasuredProject(tmp_path, LABELS), calls)
    assert calls == ["r3"]


def test_baseline_is_logged_when_no_training_follows(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    calls: list[str] = []
    baseline = Baseline(logger(calls))
    context = project.context("baseline", "r1", project.plan(("prepare_data", "baseline")))
    project.answered(baseline, context, project.answers(LABELS))
    assert baseline.finish(context)["verdict"]["decision"] == "skip_training"
    assert calls == ["r1"]


def test_baseline_is_refused_when_answers_are_missing(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    baseline, context = Baseline(logger([])), project.context("baseline", "r1")
    answers = project.answers(LABELS)
    for row in project.rows[:5]:
        del answers[row.id]
    project.answered(baseline, context, answers)
    with pytest.raises(ToolError, match="5 of 40 test rows have no answer"):
        baseline.finish(context)
    assert not context.run.evaluation_path.exists()


def test_evaluate_is_refused_when_the_baseline_measured_another_dataset_version(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    measured(project)
    project.results["baseline"]["dataset"]["version"] = "older"
    with pytest.raises(ToolError, match="dataset version older"):
        Evaluate(logger([])).finish(project.context("evaluate", "r3"))


def test_evaluate_is_refused_when_the_baseline_answered_other_rows(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    measured(project)
    path = project.layout.run("r1").generations_path
    path.write_text(path.read_text().replace(project.rows[0].id, "f" * 16))
    with pytest.raises(ToolError, match="1 of 40 test rows have no answer"):
        Evaluate(logger([])).finish(project.context("evaluate", "r3"))


def test_evaluate_is_refused_when_the_decoding_settings_differ(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    measured(project)
    project.results["baseline"]["decoding"]["max_new_tokens"] = 8
    with pytest.raises(ToolError, match="different decoding settings"):
        Evaluate(logger([])).finish(project.context("evaluate", "r3"))


def test_evaluate_is_refused_when_another_dataset_version_was_prepared(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    project.results["prepare_data"]["version"] = "newer"
    with pytest.raises(ToolError, match="newer was prepared"):
        Baseline().manifest(project.context("baseline", "r1"))


@pytest.mark.parametrize("missing", ["baseline", "train"])
def test_evaluate_is_refused_when_an_earlier_step_has_no_result(tmp_path: Path, missing: str):
    project = MeasuredProject(tmp_path, LABELS)
    measured(project)
    del project.results[missing]
    with pytest.raises(ToolError, match=f"result of the step {missing}"):
        Evaluate(logger([])).finish(project.context("evaluate", "r3"))


def test_report_warns_when_both_sides_have_the_same_weights(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    measured(project)
    context = project.context("evaluate", "r4")
    evaluate = Evaluate(logger([]))
    project.answered(evaluate, context, project.answers(["?"] * 40), "before")
    result = evaluate.finish(context)
    assert any("same weights" in note for note in result["notes"])
    assert result["checks"][0]["difference"]["p"] == 1.0


def test_report_warns_when_the_baseline_came_after_the_training(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS)
    measured(project)
    project.results["train"]["started_at"] = 50.0
    result = Evaluate(logger([])).finish(project.context("evaluate", "r3"))
    assert any("not before" in note for note in result["notes"])


def test_evaluate_scores_the_drawn_rows_alone_when_max_rows_is_set(tmp_path: Path):
    project = MeasuredProject(tmp_path, LABELS, max_rows=10)
    baseline, context = Baseline(logger([])), project.context("baseline", "r1")
    drawn = [json.loads(line)["id"] for line in prompts_path(project, "r1").read_text().splitlines()]
    project.answered(baseline, context, {id_: "card" for id_ in drawn})
    assert baseline.finish(context)["rows"] == 10


def test_evaluation_is_refused_when_there_are_no_test_rows(tmp_path: Path):
    project = MeasuredProject(tmp_path, [])
    with pytest.raises(ToolError, match="no test rows"):
        Baseline().manifest(project.context("baseline", "r1"))


@pytest.mark.parametrize("module", ["tools.evaluation.step", "tools.training.step", "tools.evaluation.text"])
def test_handlers_load_nothing_heavy_before_they_score(module: str):
    program = f"import sys, {module}; print({{'numpy', 'mlflow', 'pandas'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
