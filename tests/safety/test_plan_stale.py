import hashlib
import json
from pathlib import Path

import pytest

from specs.plan import Plan, Step
from specs.run import DatasetRef, ModelRef
from tests.fakes.granted_project import GrantedProject, a_plan, a_step
from tools.events import ExecutorEvent, StepFinished, StepWaiting
from tools.inputs import StepInputs


@pytest.fixture
def stale(project: GrantedProject):
    """Approve a plan, change something, run, and return what was said about the step."""

    def run(plan: Plan, run_as: Plan | None = None) -> ExecutorEvent:
        events = project.run(run_as or plan, project.approve(plan))
        assert not project.layout.runs_dir.exists()
        assert not list(project.layout.root.glob("*.done"))
        return next(event for event in events if isinstance(event, StepFinished | StepWaiting))

    return run


@pytest.fixture
def real_inputs(project: GrantedProject) -> StepInputs:
    project.input_hash = StepInputs(project.layout)
    return project.input_hash


def a_model(folder: Path) -> ModelRef:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return ModelRef(name="base", location=str(folder))


def test_step_is_refused_when_an_argument_changed_after_the_approval(stale):
    plan = a_plan(a_step("train"))
    event = stale(plan, a_plan(a_step("train", arguments={"epochs": 4})))
    assert isinstance(event, StepWaiting)
    assert "argument epochs was 3, now is 4" in event.message
    assert "--approve train" in event.hint


def test_step_is_refused_when_the_plan_around_it_changed(stale):
    event = stale(a_plan(a_step("train")), a_plan(a_step("train"), max_seconds=7200.0))
    assert isinstance(event, StepWaiting)
    assert "plan around it" in event.message


@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_step_is_refused_when_a_byte_of_a_source_file_changed(project: GrantedProject, stale, real_inputs, prefix: str):
    path = project.layout.root / "train.csv"
    path.write_bytes(b"text,category\nhello,greeting\n")
    digest = prefix + hashlib.sha256(path.read_bytes()).hexdigest()
    plan = a_plan(a_step("prepare_data", inputs={"train.csv": digest}))
    path.write_bytes(b"text,category\nhello,Greeting\n")
    event = stale(plan)
    assert event.state == "failed"
    assert "train.csv changed since the plan was made" in event.message
    assert "tailor plan" in event.hint
    path.write_bytes(b"text,category\nhello,greeting\n")
    assert project.run(plan)[-1].state == "succeeded"


def test_step_is_refused_when_a_source_file_is_gone(stale, real_inputs):
    event = stale(a_plan(a_step("prepare_data", inputs={"train.csv": "aa"})))
    assert event.state == "failed"
    assert "train.csv cannot be read" in event.message


def test_step_is_refused_when_the_weights_changed(project: GrantedProject, stale, real_inputs: StepInputs):
    model = a_model(project.layout.root / "base")
    step = a_step("train", arguments={"task": {"model": model.model_dump()}}, inputs={"model": "?"})
    step = a_step("train", arguments=step.arguments, inputs={"model": real_inputs("model", step)})
    (project.layout.root / "base" / "model.safetensors").write_bytes(b"Weights")
    event = stale(a_plan(step))
    assert event.state == "failed"
    assert "model changed" in event.message


def test_step_is_refused_when_an_adapter_changed(project: GrantedProject, stale, real_inputs: StepInputs):
    model = a_model(project.layout.root / "base").model_copy(update={"adapter_dir": str(project.layout.root / "lora")})
    (project.layout.root / "lora").mkdir()
    weights = project.layout.root / "lora" / "adapter_model.safetensors"
    weights.write_bytes(b"lora")
    arguments = {"base": model.model_dump()}
    digest = real_inputs("model", a_step("deploy", arguments=arguments, inputs={"model": "?"}))
    weights.write_bytes(b"Lora")
    event = stale(a_plan(a_step("deploy", arguments=arguments, inputs={"model": digest})))
    assert "model changed" in event.message


def test_step_is_refused_when_a_row_of_the_dataset_changed(project: GrantedProject, stale, real_inputs: StepInputs):
    from tools.data.dataset import SPLITS, version_of

    folder = project.layout.root / "dataset"
    folder.mkdir()
    for split in SPLITS:
        (folder / f"{split}.jsonl").write_text(json.dumps({"id": split}) + "\n")
    hashes = {
        f"{split}.jsonl": hashlib.sha256((folder / f"{split}.jsonl").read_bytes()).hexdigest() for split in SPLITS
    }
    version = version_of(hashes)
    dataset = DatasetRef(name="demo", version=version, dir=str(folder))
    arguments = {"dataset": dataset.model_dump()}
    step: Step = a_step("evaluate", arguments=arguments, inputs={"dataset": version})
    assert real_inputs("dataset", step) == version
    (folder / "test.jsonl").write_text(json.dumps({"id": "other"}) + "\n")
    event = stale(a_plan(step))
    assert event.state == "failed"
    assert "no longer those of version" in event.message


def test_step_is_refused_when_an_input_cannot_be_checked(stale, real_inputs):
    event = stale(a_plan(a_step("train", inputs={"moon phase": "full"})))
    assert event.state == "failed"
    assert "cannot check" in event.message
