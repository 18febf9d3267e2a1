import json

import pytest

from specs.data import DataSource, DataSpec, TestFile
from specs.layout import ProjectLayout
from specs.plan import Estimate, Plan, Step
from tools.data.prepare import prepare
from tools.data.step import PrepareData
from tools.data.tokens import token_counter
from tools.errors import DataError, GrantRefused, ToolError
from tools.steps import StepContext

DATA = DataSpec(sources=(DataSource(path="train.jsonl", rights="own"),), test=TestFile(path="test.jsonl"))


@pytest.fixture
def project(tmp_path, write_jsonl):
    write_jsonl("train.jsonl", {"prompt": "p", "completion": "a"}, {"prompt": "long " * 100, "completion": "b"})
    write_jsonl("test.jsonl", {"prompt": "r", "completion": "c"})
    return ProjectLayout(tmp_path)


def planned(layout, **changes):
    prepared = prepare(
        DATA,
        name="step",
        root=layout.root,
        datasets_dir=layout.datasets_dir,
        system_prompt="Be brief.",
        counter=token_counter(None),
        context_length=50,
    )
    arguments = {
        "name": "step",
        "version": prepared.version,
        "sources": [source.model_dump(mode="json") for source in DATA.sources],
        "test": DATA.test.model_dump(mode="json"),
        "validation_fraction": DATA.validation_fraction,
        "system_prompt": "Be brief.",
        "tokenizer_dir": None,
        "context_length": 50,
    }
    nothing = Estimate(
        seconds=0, seconds_low=0, seconds_high=0, memory_bytes=0, disk_bytes=0, cost_usd=0, num_tokens=0, basis=""
    )
    step = Step(
        id="prepare_data",
        kind="prepare_data",
        title="",
        effect="write",
        arguments=json.loads(json.dumps(arguments | changes)),
        inputs=prepared.facts.source_hashes,
        reads=(),
        writes=(),
        undo="",
        values=(),
        estimate=nothing,
        depends_on=(),
    )
    plan = Plan(name="step", spec_hash="", spec_text="", steps=(step,), max_usd=0, max_seconds=1)
    return StepContext(layout=layout, plan=plan, step=step, run_id=None)


def test_step_writes_the_planned_version_and_may_be_repeated(project):
    context = planned(project)
    result = PrepareData().finish(context)
    assert result == PrepareData().finish(context)
    assert result == {
        "dir": str(project.datasets_dir / "step" / context.step.arguments["version"]),
        "version": context.step.arguments["version"],
        "num_train": 1,
        "num_validation": 0,
        "num_test": 1,
        "num_refused": 1,
    }
    rows = (project.datasets_dir / "step" / result["version"] / "train.jsonl").read_text()
    assert json.loads(rows)["prompt"][0]["content"] == "Be brief."


def test_step_is_refused_with_the_file_named_when_data_changed_after_the_plan(project, write_jsonl):
    context = planned(project)
    write_jsonl("train.jsonl", {"prompt": "p", "completion": "changed"})
    with pytest.raises(GrantRefused, match=r"train.jsonl changed since the plan was made.*tailor plan"):
        PrepareData().finish(context)
    assert not project.datasets_dir.exists()


def test_step_is_refused_when_the_context_changed_after_the_plan(project):
    context = planned(project, context_length=5000)
    with pytest.raises(GrantRefused, match="context length"):
        PrepareData().finish(context)


def test_step_is_refused_when_a_file_is_gone(project):
    context = planned(project)
    (project.root / "test.jsonl").unlink()
    with pytest.raises(DataError, match="there is no such file"):
        PrepareData().finish(context)


def test_step_has_no_job(project):
    handler = PrepareData()
    assert (handler.has_job, handler.keeps_running) == (False, False)
    with pytest.raises(ToolError):
        handler.manifest(planned(project))
