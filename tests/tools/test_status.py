import json
import os
import shutil
from pathlib import Path

import pytest

from specs.run import ModelRef
from tests.fakes.granted_project import a_plan, a_step
from tests.fakes.measured_project import MeasuredProject
from tests.fakes.planned_project import project_with_spec
from tests.fakes.quick_engine import write_data
from tools.client import Tailor
from tools.data.quality import QualityReport
from tools.errors import UsageError
from tools.evaluation.step import Baseline
from tools.ledger import Ledger, ModelRecord, StepRecord
from tools.status import data_files, data_quality, last_measured


@pytest.fixture
def tailor(tmp_path: Path) -> Tailor:
    return project_with_spec(tmp_path / "project")


def record(ledger: Ledger, plan: str, step: str, state: str, result: dict | None = None) -> None:
    ledger.save_step(StepRecord(plan, step, 1, f"g-{step}", "r1", 1, state, 0.0, 1.0, result=result))


def a_dataset(tailor: Tailor, name: str, version: str, num_train: int, at: float) -> Path:
    path = tailor.layout.datasets_dir / name / version / "quality.json"
    path.parent.mkdir(parents=True)
    lengths = {"p50": 1, "p95": 1, "max": 1, "context_length": None, "num_too_long": 0, "basis": "counted"}
    report = {
        "splits": {"train": num_train, "validation": 0, "test": 1}, "num_read": 1, "num_refused": 0, "refused": [],
        "num_duplicates": 0, "num_leaks": 0, "leaks": [], "num_conflicts": 0, "conflicts": [], "lengths": lengths,
        "labels": None, "private": [], "notices": [],
    }  # fmt: skip
    path.write_text(QualityReport.model_validate(report).model_dump_json())
    os.utime(path, (at, at))
    return path


def prepare(tailor: Tailor) -> None:
    plan = tailor.plan()
    for _ in tailor.run(plan, tailor.approve(plan, ["prepare_data"]), only=["prepare_data"]):
        pass


def test_status_of_an_empty_project_says_what_is_missing(tmp_path: Path):
    status = Tailor(tmp_path).status()
    assert status["spec"] == {"state": "missing"}
    assert (status["plan"], status["runs"], status["models"], status["data_files"]) == (None, [], [], [])


def test_status_names_the_defects_when_the_spec_is_not_valid(tailor: Tailor):
    tailor.layout.spec_path.write_text("name: 3\ncolour: red\n")
    spec = tailor.status()["spec"]
    assert spec["state"] == "invalid"
    assert len(spec["problems"]) > 1


def test_status_tells_each_steps_state_and_is_json(tailor: Tailor):
    plan = tailor.plan()
    with Ledger(tailor.layout.ledger_path) as ledger:
        record(ledger, plan.hash, "prepare_data", "succeeded")
        record(ledger, plan.hash, "baseline", "running")
        ledger.add_model(ModelRecord("old", 3, "r1", "/m", None, ModelRef(name="b", location="/b"), "aa"))
    status = json.loads(json.dumps(tailor.status()))
    assert status["plan"]["hash"] == plan.hash
    assert status["plan"]["steps"] == {
        "prepare_data": "succeeded", "baseline": "running", "train": "not_run", "evaluate": "not_run",
    }  # fmt: skip
    assert status["models"] == ["old@3"]
    assert (status["spec"]["state"], status["spec"]["name"]) == ("valid", "intents")


def test_status_calls_a_step_done_when_its_job_ended_while_nobody_watched(tailor: Tailor):
    plan = tailor.plan()
    prepared = tailor.run(plan, tailor.approve(plan, ["prepare_data"]), only=["prepare_data"])
    list(prepared)
    run = tailor.layout.run("r1")
    run.run_dir.mkdir(parents=True)
    base = {"name": "b", "location": "/b"}
    task = {
        "type": "generate", "model": base, "prompts_path": "/p", "max_new_tokens": 1, "batch_size": 1,
        "limits": {"device": "cpu", "threads": 1, "max_seconds": None},
    }  # fmt: skip
    manifest = {"run_id": "r1", "project": "p", "plan": plan.hash, "step": "baseline", "created_at": 1.0, "task": task}
    run.manifest_path.write_text(json.dumps(manifest))
    ended = {"type": "finished", "time": 2.0, "state": "succeeded", "message": "", "exit_code": 0, "seconds": 1.0}
    run.events_path.write_text(json.dumps(ended) + "\n")
    with Ledger(tailor.layout.ledger_path) as ledger:
        record(ledger, plan.hash, "baseline", "running")
    status = tailor.status()
    assert status["runs"][0]["state"] == status["plan"]["steps"]["baseline"] == "succeeded"


def test_status_calls_prepared_data_ended_when_its_folder_was_deleted(tailor: Tailor):
    prepare(tailor)
    assert tailor.status()["plan"]["steps"]["prepare_data"] == "succeeded"
    shutil.rmtree(tailor.layout.datasets_dir)
    assert tailor.status()["plan"]["steps"]["prepare_data"] == "ended"


def test_data_files_leaves_hidden_folders_and_other_files_out(tmp_path: Path):
    write_data(tmp_path)
    for name in (
        ".tailor/datasets/x/train.jsonl", ".git/a.json", "node_modules/b.json", "__pycache__/c.json", "data/.d.csv",
        "notes.txt", "deep/er/rows.PARQUET",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert data_files(tmp_path) == ["data/test.csv", "data/train.csv", "deep/er/rows.PARQUET"]


def test_data_files_stops_at_fifty(tmp_path: Path):
    for number in range(60):
        (tmp_path / f"{number:02d}.csv").touch()
    assert len(data_files(tmp_path)) == 50


def test_results_are_refused_when_nothing_was_measured(tailor: Tailor):
    with pytest.raises(UsageError, match="Nothing was measured yet: this project has no plan"):
        tailor.results()
    plan = tailor.plan()
    with pytest.raises(UsageError, match=r"Nothing was measured yet for the plan of intents.*tailor run"):
        tailor.results(plan.hash)
    with pytest.raises(UsageError, match="There is no such plan"):
        tailor.results("sha256:0000")
    with pytest.raises(UsageError, match="There is no run r9"):
        tailor.results("r9")


def test_results_name_the_run_that_was_measured_last_when_the_newest_plan_was_not(baseline_only: Tailor):
    layout = baseline_only.layout
    plan = baseline_only.known_plan()
    with Ledger(layout.ledger_path) as ledger:
        record(ledger, plan.hash, "evaluate", "succeeded", {"evaluation": "e"})
        ledger.record_plan(plan.model_copy(update={"notes": ("another plan",)}))
    newest = baseline_only.known_plan()
    assert newest.hash != plan.hash
    assert last_measured(layout) == plan.hash
    with pytest.raises(UsageError, match="An earlier plan was measured: `tailor report"):
        baseline_only.results()


@pytest.fixture
def baseline_only(tmp_path: Path) -> Tailor:
    """A project whose baseline is measured and whose evaluation failed."""
    project = MeasuredProject(tmp_path, ["card", "loan"] * 5)
    handler, plan = Baseline(lambda *_: None), project.plan()
    context = project.context("baseline", "r1", plan)
    project.answered(handler, context, project.answers(["card"] * 10))
    result = handler.finish(context)
    with Ledger(project.layout.ledger_path) as ledger:
        ledger.record_plan(plan)
        record(ledger, plan.hash, "baseline", "succeeded", result)
        record(ledger, plan.hash, "evaluate", "failed")
    return Tailor(tmp_path)


@pytest.mark.parametrize("of", [None, "r1"])
def test_results_are_the_baselines_when_no_evaluation_succeeded(baseline_only: Tailor, of: str | None):
    results = json.loads(json.dumps(baseline_only.results(of)))
    assert results["checks"][0]["baseline"]["value"] == 0.5
    assert (results["model"], results["endpoint"], results["side_by_side"], results["health"]) == (None, None, [], [])
    assert results["steps"]["evaluate"] == "failed"


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_results_are_told_as_gone_when_the_report_cannot_be_read(baseline_only: Tailor, content: str | None):
    path = baseline_only.layout.run("r1").evaluation_path
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UsageError, match=r"report .*evaluation\.json cannot be read") as caught:
        baseline_only.results()
    assert "tailor run --again" in caught.value.hint


def test_data_quality_says_how_to_prepare_when_there_is_none(tailor: Tailor):
    with pytest.raises(UsageError, match=r"No data was prepared.*--approve prepare_data"):
        data_quality(tailor.layout)


def test_data_quality_is_of_the_plans_dataset_even_when_another_was_written_later(tailor: Tailor):
    prepare(tailor)
    a_dataset(tailor, "later", "ab12", 7, at=4e9)
    found = data_quality(tailor.layout)
    assert (found.name, found.report.splits.test) == ("intents", 24)
    assert found.version == tailor.known_plan().step("prepare_data").arguments["version"]


def test_data_quality_is_of_the_newest_when_the_plan_prepared_nothing_yet(tailor: Tailor):
    tailor.plan()
    a_dataset(tailor, "one", "ab12", 1, at=3_000)
    a_dataset(tailor, "one", "cd34", 2, at=2_000)
    a_dataset(tailor, "two", "ef56", 3, at=1_000)
    found = {wanted: data_quality(tailor.layout, wanted).report.splits.train for wanted in (None, "one", "two")}
    assert found == {None: 1, "one": 1, "two": 3}
    assert data_quality(tailor.layout, "one@cd").version == "cd34"


@pytest.mark.parametrize("name", ["three", "two@zz", "../x", "\x1b[2J"])
def test_data_quality_names_the_datasets_when_one_is_unknown(tailor: Tailor, name: str):
    a_dataset(tailor, "two", "ef56", 3, at=1_000)
    with pytest.raises(UsageError, match="There is no dataset") as caught:
        data_quality(tailor.layout, name)
    assert "two@ef56" in caught.value.hint
    assert "\x1b" not in str(caught.value)


def test_data_quality_is_told_in_a_sentence_when_its_file_is_damaged(tailor: Tailor):
    a_dataset(tailor, "two", "ef56", 3, at=1_000).write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        data_quality(tailor.layout)


def test_results_find_the_plan_of_a_run_id(baseline_only: Tailor):
    with Ledger(baseline_only.layout.ledger_path) as ledger:
        ledger.record_plan(a_plan(a_step("train")))
    with pytest.raises(UsageError, match="Nothing was measured yet for the plan of demo"):
        baseline_only.results()
    assert baseline_only.results("r1")["name"] == "bank"
