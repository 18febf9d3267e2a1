import json
import shutil
from pathlib import Path

import pytest

from specs.edit import Change
from specs.layout import RunLayout
from specs.roots import seedling_dir
from specs.run import ModelRef
from tests.fakes.measured_project import LIMITS, SETTINGS
from tests.fakes.planned_project import project_with_spec
from tools.client import Tailor
from tools.errors import UsageError
from tools.ledger import Ledger, ModelRecord
from tools.planning import gather_facts


@pytest.fixture
def tailor(tmp_path: Path) -> Tailor:
    return project_with_spec(tmp_path / "project")


def a_training(tailor: Tailor, run_id: str, model: str, tokens_per_s: float) -> RunLayout:
    run = tailor.layout.run(run_id)
    run.run_dir.mkdir(parents=True)
    task = {
        "type": "train", "method": "sft", "model": {"name": model, "location": "/m"},
        "dataset": {"name": "d", "version": "v", "dir": "/d"}, "settings": SETTINGS.model_dump(),
        "limits": LIMITS.model_dump(),
    }  # fmt: skip
    manifest = {"run_id": run_id, "project": "p", "plan": "x", "step": "train", "created_at": 1.0, "task": task}
    report = {
        "state": "succeeded", "steps": 1, "total_steps": 1, "epochs": 1, "train_loss": 0.1, "validation_loss": None,
        "seconds": 1, "num_tokens": 1, "tokens_per_s": tokens_per_s, "num_parameters": 5, "num_trainable": 5,
        "peak_memory_bytes": 1, "weights_sha256": "aa", "launches": 1,
    }  # fmt: skip
    run.manifest_path.write_text(json.dumps(manifest))
    run.report_path.write_text(json.dumps(report))
    return run


def measured_speed(tailor: Tailor) -> float | None:
    with Ledger(tailor.layout.ledger_path) as ledger:
        return gather_facts(tailor.layout, ledger, tailor.load_spec()).hardware.tokens_per_s


def test_plan_is_the_recorded_one_when_spec_data_and_model_are_the_same(tailor: Tailor):
    plan = tailor.plan()
    tailor.layout.spec_path.write_text(tailor.layout.spec_path.read_text() + "# a comment\n")
    a_training(tailor, "r1", "seedling", 5_000)
    assert tailor.plan().hash == plan.hash
    assert tailor.known_plan().hash == plan.hash


def test_plan_is_new_when_a_byte_of_the_data_changed(tailor: Tailor):
    plan = tailor.plan()
    path = tailor.layout.root / "data" / "train.csv"
    path.write_bytes(path.read_bytes().replace(b"message 7 ", b"message X ", 1))
    other = tailor.plan()
    assert other.hash != plan.hash
    assert other.steps[0].inputs["data/train.csv"] != plan.steps[0].inputs["data/train.csv"]
    assert tailor.known_plan().hash == other.hash


def test_plan_is_new_and_names_the_new_folder_when_the_project_was_moved(tailor: Tailor):
    plan = tailor.plan()
    moved = tailor.layout.root.rename(tailor.layout.root.with_name("elsewhere"))
    other = Tailor(moved).plan()
    assert other.hash != plan.hash
    assert other.step("train").arguments["task"]["dataset"]["dir"].startswith(str(moved))
    assert Tailor(moved).plan().hash == other.hash


def test_plan_is_new_when_a_value_of_the_spec_changed(tailor: Tailor):
    plan = tailor.plan()
    tailor.patch_spec([Change(path="train.0.epochs", value=3)])
    assert tailor.plan().spec_hash != plan.spec_hash


def test_plan_is_new_when_the_base_model_changed(tailor: Tailor):
    base = tailor.layout.root / "base"
    shutil.copytree(seedling_dir(), base)
    tailor.patch_spec(
        [Change(path="model.base", value="base"), Change(path="model.license_accepted", value=True)], by_person=True
    )
    plan = tailor.plan()
    assert tailor.plan().hash == plan.hash
    with (base / "CARD.md").open("a") as stream:
        stream.write(".")
    assert tailor.plan().hash != plan.hash


def test_plan_anew_trains_the_next_version_when_nothing_changed(tailor: Tailor):
    plan = tailor.plan()
    with Ledger(tailor.layout.ledger_path) as ledger:
        base = ModelRef(name="seedling", location="/m")
        ledger.add_model(ModelRecord("intents", 1, "r2", "/m", None, base, "aa"))
    assert tailor.plan().hash == plan.hash
    anew = tailor.plan(anew=True)
    assert (plan.step("train").title, anew.step("train").title) == ("Train intents@1", "Train intents@2")


def test_measured_speed_is_the_median_of_earlier_trainings_of_the_same_model(tailor: Tailor):
    assert measured_speed(tailor) is None
    for number, speed in enumerate((4_000, 5_000, 90_000), start=1):
        a_training(tailor, f"r{number}", "seedling", speed)
    a_training(tailor, "r4", "another", 7)
    assert measured_speed(tailor) == 5_000
    assert "5,000 tokens a second, measured by an earlier run" in tailor.plan().step("train").estimate.basis


@pytest.mark.parametrize("manifest", ["", "[]", '{"task": 3}'])
def test_measured_speed_leaves_out_runs_that_cannot_be_read(tailor: Tailor, manifest: str):
    a_training(tailor, "r1", "seedling", 0)
    a_training(tailor, "r2", "seedling", 5_000).report_path.write_text("[]")
    a_training(tailor, "r3", "seedling", 5_000).manifest_path.write_text(manifest)
    a_training(tailor, "r4", "seedling", 5_000).report_path.unlink()
    assert measured_speed(tailor) is None


def test_plan_is_refused_with_the_next_step_when_the_spec_names_no_data(tailor: Tailor):
    tailor.patch_spec([Change(path="data.sources", value=[])])
    with pytest.raises(UsageError, match=r"names no data.*data\.sources"):
        tailor.plan()
    with pytest.raises(UsageError, match="There is no plan recorded"):
        tailor.known_plan()


def test_plan_of_an_earlier_spec_is_used_again_when_the_spec_returns_to_it(tmp_path: Path):
    tailor = project_with_spec(tmp_path / "project")
    first = tailor.plan()
    tailor.patch_spec([Change(path="train.0.epochs", value=7)])
    second = tailor.plan()
    tailor.undo_spec()
    assert second.hash != first.hash
    assert tailor.plan().hash == first.hash
    assert tailor.known_plan().hash == first.hash
