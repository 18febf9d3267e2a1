from pathlib import Path

import pytest

from specs.run import LoraSettings, TrainTask
from tests.fakes.measured_project import BASE, MeasuredProject
from tools.errors import ToolError
from tools.training.step import Train


def test_manifest_trains_on_the_prepared_dataset_and_logs_to_the_projects_store(tmp_path: Path):
    project = MeasuredProject(tmp_path, ["card"])
    manifest = Train(clock=lambda: 12.5).manifest(project.context("train", "r2"))
    task = manifest.task
    assert isinstance(task, TrainTask)
    assert (manifest.run_id, manifest.step, manifest.created_at) == ("r2", "train", 12.5)
    assert task.dataset == project.dataset
    assert task.tracking is not None
    assert task.tracking.uri == f"sqlite:///{project.layout.tracking_path}"
    assert task.tracking.experiment == "bank"
    assert task.tracking.artifacts_dir == str(project.layout.artifacts_dir)
    assert task.tracking.tags["tailor.run"] == "r2"
    assert task.tracking.tags["tailor.plan"] == project.plan().hash


def test_manifest_is_the_same_when_made_again(tmp_path: Path):
    project = MeasuredProject(tmp_path, ["card"])
    train = Train(clock=lambda: 1.0)
    assert train.manifest(project.context("train", "r2")) == train.manifest(project.context("train", "r2"))


def test_manifest_is_refused_when_another_dataset_version_was_prepared(tmp_path: Path):
    project = MeasuredProject(tmp_path, ["card"])
    project.results["prepare_data"]["version"] = "newer"
    with pytest.raises(ToolError, match="newer was prepared"):
        Train().manifest(project.context("train", "r2"))


def test_finish_returns_the_whole_model_when_all_weights_were_trained(tmp_path: Path):
    project = MeasuredProject(tmp_path, ["card"])
    train, context = Train(clock=lambda: 3.0), project.context("train", "r2")
    run = project.trained(train, context)
    result = train.finish(context)
    assert result["model"] == {
        "name": "bank@1",
        "location": str(run.model_dir),
        "revision": None,
        "adapter_dir": None,
    }
    assert (result["model_dir"], result["adapter_dir"]) == (str(run.model_dir), None)
    assert (result["name"], result["version"], result["weights_sha256"], result["seconds"]) == (
        "bank",
        1,
        "trained",
        7.5,
    )
    assert (result["base"], result["started_at"], result["health"]) == (BASE.model_dump(), 3.0, [])
    assert train.finish(context) == result


def test_finish_returns_the_adapter_on_its_base_when_an_adapter_was_trained(tmp_path: Path):
    project = MeasuredProject(tmp_path, ["card"])
    plan = project.plan()
    task = plan.step("train").arguments["task"]
    task["settings"]["lora"] = LoraSettings(rank=8, alpha=16, dropout=0.0).model_dump()
    train, context = Train(), project.context("train", "r2", plan)
    run = project.trained(train, context, adapter=True)
    result = train.finish(context)
    assert result["model"]["location"] == BASE.location
    assert result["model"]["adapter_dir"] == result["adapter_dir"] == str(run.model_dir)


@pytest.mark.parametrize("missing", ["report.json", "model/config.json", "model/model.safetensors"])
def test_finish_is_refused_with_the_log_named_when_the_job_left_no_model(tmp_path: Path, missing: str):
    project = MeasuredProject(tmp_path, ["card"])
    train, context = Train(), project.context("train", "r2")
    run = project.trained(train, context)
    (run.run_dir / missing).unlink()
    with pytest.raises(ToolError, match="training run r2 left no") as caught:
        train.finish(context)
    assert "trainer.log" in caught.value.hint


def test_second_stage_starts_from_the_model_of_the_first(tmp_path: Path):
    project = MeasuredProject(tmp_path, ["card"])
    plan = project.plan()
    second = plan.step("train").model_copy(update={"id": "train-2"})
    plan = plan.model_copy(update={"steps": (*plan.steps[:3], second, plan.steps[3])})
    context = project.context("train-2", "r3", plan)
    with pytest.raises(ToolError, match="trains on from the step train, which has no result"):
        Train().manifest(context)
    project.results["train"] = {"model": BASE.model_copy(update={"location": "/runs/r2/model"}).model_dump()}
    task = Train().manifest(context).task
    assert isinstance(task, TrainTask)
    assert task.model.location == "/runs/r2/model"
