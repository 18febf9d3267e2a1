"""The plan: steps, arguments, values with reasons, and what is refused before anything starts."""

from collections.abc import Callable
from typing import Any

import pytest

from specs.edit import Change, SpecPatch, apply_patch
from specs.errors import ExitCode, PlanRefused
from specs.facts import Facts
from specs.load import parse_spec
from specs.plan import Plan, Step
from specs.resolve import resolve
from specs.run import GenerateTask, JobLimits, ModelRef, TrainTask

MakeFacts = Callable[..., Facts]
_HUB = {"kind": "hub", "name": "Qwen/Qwen3-0.6B", "location": "Qwen/Qwen3-0.6B", "num_parameters": 600_000_000,
        "hidden_size": 1024, "num_layers": 28, "vocab_size": 151_936, "context_length": 32_768}  # fmt: skip


def _plan(text: str, facts: Facts, changes: dict[str, Any] | None = None) -> Plan:
    if changes:
        patch = SpecPatch(changes=tuple(Change(path=path, value=value) for path, value in changes.items()))
        text = apply_patch(text, patch, "spec.yaml", by_person=True).text
    return resolve(parse_spec(text, "spec.yaml").spec, text, facts)


def _value(step: Step, name: str) -> Any:
    return next(value for value in step.values if value.name == name)


def test_plan_has_all_steps_in_order_when_the_model_is_served(spec_text: str, make_facts: MakeFacts) -> None:
    plan = _plan(spec_text, make_facts())
    assert [step.id for step in plan.steps] == ["prepare_data", "baseline", "train", "evaluate", "deploy"]
    assert [step.effect for step in plan.steps] == ["write", "execute", "execute", "execute", "execute"]
    seen: set[str] = set()
    for step in plan.steps:
        assert set(step.depends_on) <= seen
        seen.add(step.id)
        assert step.undo.endswith(".") and step.estimate.basis.endswith(".")
        assert step.estimate.seconds_low <= step.estimate.seconds <= step.estimate.seconds_high
        assert step.estimate.cost_usd == 0
        assert all(value.reason and value.source for value in step.values)


def test_plan_ends_with_the_evaluation_when_nothing_is_served(spec_text: str, make_facts: MakeFacts) -> None:
    plan = _plan(spec_text, make_facts(), {"deployment.target": "none"})
    assert plan.steps[-1].id == "evaluate"


def test_plan_is_the_same_when_spec_and_facts_are(spec_text: str, make_facts: MakeFacts) -> None:
    first, second = _plan(spec_text, make_facts()), _plan(spec_text, make_facts())
    assert first.hash == second.hash
    assert Plan.model_validate_json(first.model_dump_json()).hash == first.hash


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"version": "other"}},
        {"model": {"weights_hash": "sha256:0"}},
        {"data": {"source_hashes": {"data/train.csv": "sha256:zz"}}},
        {"lengths": {"longest_completion": 15}},
    ],
)
def test_plan_has_another_hash_when_a_fact_changes(
    changes: dict[str, Any], spec_text: str, make_facts: MakeFacts
) -> None:
    assert _plan(spec_text, make_facts(**changes)).hash != _plan(spec_text, make_facts()).hash


def test_arguments_are_those_the_handlers_read(spec_text: str, make_facts: MakeFacts) -> None:
    plan = _plan(spec_text, make_facts())
    prepare, baseline, train, evaluate, deploy = plan.steps
    assert set(prepare.arguments) == {
        "name", "version", "sources", "test", "validation_fraction", "system_prompt", "tokenizer_dir", "context_length"
    }  # fmt: skip
    assert prepare.inputs == {"data/train.csv": "sha256:aa", "data/test.csv": "sha256:bb"}
    assert prepare.arguments["sources"][0]["columns"]["prompt"] == "text"
    common = {"model", "dataset", "checks", "must_not_regress", "max_rows", "max_new_tokens", "batch_size", "limits"}
    assert set(baseline.arguments) == common
    assert set(evaluate.arguments) == common | {"train_step", "baseline_step"}
    assert (evaluate.arguments["train_step"], evaluate.arguments["baseline_step"]) == ("train", "baseline")
    assert baseline.inputs == train.inputs == {"dataset": "abc123", "model": "sha256:feed"}
    assert set(train.arguments) == {"task", "output"}
    assert train.arguments["output"] == {"name": "bank-intents", "version": 1}
    task = TrainTask.model_validate(train.arguments["task"])
    assert task.tracking is None and task.limits.max_seconds == 3600
    assert set(deploy.arguments) == {"base", "train_step", "name", "port", "ttl_s", "max_batch", "limits"}
    assert (deploy.arguments["name"], deploy.arguments["port"]) == ("bank-intents@1", 0)
    assert deploy.arguments["ttl_s"] == 8 * 3600
    assert JobLimits.model_validate(deploy.arguments["limits"]).max_seconds is None
    GenerateTask(
        model=ModelRef.model_validate(baseline.arguments["model"]),
        prompts_path="/x",
        max_new_tokens=baseline.arguments["max_new_tokens"],
        batch_size=baseline.arguments["batch_size"],
        limits=JobLimits.model_validate(baseline.arguments["limits"]),
    )


def test_settings_follow_the_recipe_when_the_spec_leaves_them_open(spec_text: str, make_facts: MakeFacts) -> None:
    train = _plan(spec_text, make_facts(), {"train.0.epochs": "auto"}).step("train")
    settings = TrainTask.model_validate(train.arguments["task"]).settings
    assert (settings.batch_size, settings.micro_batch_size) == (64, 64)
    assert (settings.learning_rate, settings.epochs, settings.lora) == (3e-3, 5, None)
    assert settings.max_length == 128
    assert (settings.save_every, settings.log_every) == (77, 5)
    assert settings.attention_dropout == 0.1
    assert _value(train, "epochs").default is None


def test_value_is_the_users_and_the_default_is_kept_when_the_spec_sets_it(
    spec_text: str, make_facts: MakeFacts
) -> None:
    value = _value(_plan(spec_text, make_facts()).step("train"), "epochs")
    assert (value.value, value.source, value.default) == (3, "spec", 5)


@pytest.mark.parametrize(
    ("batch", "micro"), [(64, 64), (96, 48), (7, 7), (130, 26), (1, 1), (67, 1)]
)  # 67 is prime and larger than what usually fits
def test_micro_batch_divides_the_batch_when_the_spec_sets_it(
    batch: int, micro: int, spec_text: str, make_facts: MakeFacts
) -> None:
    train = _plan(spec_text, make_facts(), {"train.0.batch_size": batch}).step("train")
    settings = TrainTask.model_validate(train.arguments["task"]).settings
    wanted = micro if batch <= 64 else max(size for size in range(1, 65) if batch % size == 0)
    assert settings.micro_batch_size == wanted
    assert settings.batch_size % settings.micro_batch_size == 0


def test_answers_have_room_when_the_wanted_ones_are_short(spec_text: str, make_facts: MakeFacts) -> None:
    evaluate = _plan(spec_text, make_facts()).step("evaluate")
    assert evaluate.arguments["max_new_tokens"] == 14 + 4
    assert evaluate.arguments["batch_size"] == 64


def test_answers_end_with_the_context_when_prompts_are_long(spec_text: str, make_facts: MakeFacts) -> None:
    lengths = {"longest": 510, "longest_prompt": 500, "longest_completion": 20}
    assert _plan(spec_text, make_facts(lengths=lengths)).step("baseline").arguments["max_new_tokens"] == 12


def test_rows_are_capped_when_the_spec_says_so(spec_text: str, make_facts: MakeFacts) -> None:
    plan = _plan(spec_text, make_facts(), {"evaluation.max_rows": 100})
    assert plan.step("evaluate").arguments["max_rows"] == 100
    assert _value(plan.step("baseline"), "rows").value == 100
    assert any("100 test rows" in note for note in plan.notes)


def test_threads_are_measured_unless_the_spec_names_them(spec_text: str, make_facts: MakeFacts) -> None:
    assert _plan(spec_text, make_facts()).step("train").arguments["task"]["limits"]["threads"] is None
    plan = _plan(spec_text, make_facts(), {"compute.threads": 1})
    assert plan.step("train").arguments["task"]["limits"]["threads"] == 1


def test_hub_model_gets_an_adapter_when_tuning_is_auto(spec_text: str, make_facts: MakeFacts) -> None:
    changes = {"model": {"base": "Qwen/Qwen3-0.6B", "revision": "a" * 40, "license_accepted": True}, "budget.hours": 90}
    hub = {**_HUB, "revision": "a" * 40, "weights_hash": "revision:" + "a" * 40, "size_bytes": 1_200_000_000}
    plan = _plan(spec_text, make_facts(model=hub), {**changes, "model.license_accepted": True})
    settings = TrainTask.model_validate(plan.step("train").arguments["task"]).settings
    assert settings.lora is not None and not settings.lora.quantized
    assert settings.learning_rate == pytest.approx(5e-4 * (2000 / 1024) ** 0.0775, rel=0.02)
    assert plan.step("train").arguments["task"]["model"]["revision"] == "a" * 40
    assert any("downloaded from the hub" in note for note in plan.notes)
    assert plan.step("train").estimate.disk_bytes > 1_200_000_000


@pytest.mark.parametrize(
    ("changes", "facts", "words", "hint"),
    [
        ({"train": [{"method": "cpt"}]}, {}, "train.0.method is cpt", "sft"),
        ({"train": [{"method": "dpo"}]}, {}, "train.0.method is dpo", "sft"),
        ({"train": [{"method": "rlvr", "reward": "r.py"}]}, {}, "train.0.method is rlvr", "sft"),
        ({"train": [{"method": "rlaif", "judge": "j", "rubric": "r"}]}, {}, "train.0.method is rlaif", "sft"),
        ({"train": [{"method": "sft"}, {"method": "sft"}]}, {}, "chains 2 training stages", "name@version"),
        ({"compute.backend": "bedrock"}, {}, "compute.backend is bedrock", "backend: local"),
        ({"compute.backend": "sagemaker_training"}, {}, "sagemaker_training", "backend: local"),
        ({"deployment.target": "sagemaker"}, {}, "deployment.target is sagemaker", "target: local"),
        ({"deployment.target": "bedrock"}, {}, "deployment.target is bedrock", "none"),
        ({"data.synthesis": {"brief": "b", "rows": 5}}, {}, "data.synthesis", "synthesis: null"),
        ({"data.sources": []}, {}, "no training rows", "data.sources"),
        ({"model.license_accepted": False}, {}, "licence of seedling (apache-2.0)", "license_accepted: true"),
        ({}, {"model": _HUB}, "not pinned to a commit", "model.revision"),
        ({"model.revision": "main"}, {"model": {**_HUB, "revision": "b" * 40}}, "not pinned", "b" * 40),
        ({}, {"data": {"num_train": 9, "num_refused": 4}}, "Training rows: 9 (4 refused)", "50 to 100"),
        ({}, {"data": {"num_test": 0}}, "no test rows", "fraction"),
        ({"train.0.tuning": "qlora"}, {}, "QLoRA", "tuning: lora"),
        ({"compute.device": "cuda"}, {}, "no CUDA GPU", "device: auto"),
        ({"train.0.max_length": 64}, {}, "longest example has 121 tokens, the limit is 64", "auto"),
        ({"train.0.max_length": 4096}, {}, "reads at most 512 tokens", "512"),
        ({}, {"lengths": {"longest": 600}}, "600 tokens, the limit is 512: under one in", "data check"),
        ({}, {"lengths": {"longest": 600, "p95": 590}}, "more than one in twenty", "longer-reading"),
        ({"budget.hours": 0.001}, {}, "at least", "budget.hours"),
        ({"compute.max_memory_gb": 0.5}, {}, "compute.max_memory_gb allows 0.5 GB", "smaller"),
        ({"compute.max_disk_gb": 0.001}, {}, "allowed by compute.max_disk_gb", "Raise"),
        ({}, {"hardware": {"free_disk_bytes": 1_000_000}}, "free on this disk", "Free some space"),
        ({}, {"hardware": {"memory_bytes": 500_000_000}}, "this machine has 0.5 GB", "smaller"),
        ({"train.0.tuning": "full", "budget.hours": 9999},
         {"model": {"num_parameters": 8_000_000_000, "kind": "path"}, "hardware": {"gpu": "H200",
          "gpu_memory_bytes": 24_000_000_000}}, "the GPU (H200) has 24.0 GB", "lora"),
    ],
)  # fmt: skip
def test_plan_is_refused_with_a_way_out_when(
    changes: dict[str, Any], facts: dict[str, Any], words: str, hint: str, spec_text: str, make_facts: MakeFacts
) -> None:
    with pytest.raises(PlanRefused) as caught:
        _plan(spec_text, make_facts(**facts), changes)
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == ExitCode.USAGE


def test_qlora_is_planned_when_there_is_a_gpu(spec_text: str, make_facts: MakeFacts) -> None:
    gpu = {"gpu": "H200", "gpu_memory_bytes": 140_000_000_000}
    plan = _plan(spec_text, make_facts(hardware=gpu), {"train.0.tuning": "qlora"})
    assert plan.step("train").arguments["task"]["settings"]["lora"]["quantized"]
    assert "published figures" in plan.step("train").estimate.basis


@pytest.mark.parametrize(
    ("changes", "facts", "words"),
    [
        ({}, {}, "seedling is a tiny model"),
        ({}, {}, "Nothing leaves this machine"),
        ({}, {}, "With 3,080 test rows, differences under about 3.6 points"),
        ({}, {"data": {"num_train": 30}}, "30 training rows are few"),
        ({}, {"data": {"num_test": 12}}, "Fewer than 25 test rows"),
        ({}, {"data": {"num_refused": 1200}}, "1,200 rows are refused"),
        ({}, {"data": {"warnings": ("6 % of the rows are duplicates.",)}}, "6 % of the rows are duplicates."),
        ({"train.0.lora": {"rank": 8}}, {}, "are not used"),
        ({"goal.bad_examples": [{"prompt": "a", "answer": "b", "why": "c"}]}, {}, "nothing is trained or measured"),
        ({"budget.tokens": 1000}, {}, "budget.tokens caps nothing here"),
        ({"budget.hours": 0.015}, {}, "will likely take"),
    ],
)
def test_plan_notes_tell_when(
    changes: dict[str, Any], facts: dict[str, Any], words: str, spec_text: str, make_facts: MakeFacts
) -> None:
    notes = _plan(spec_text, make_facts(**facts), changes).notes
    assert any(words in note for note in notes), notes
    assert all(note.endswith((".", "!")) for note in notes)


def test_notes_are_few_when_all_is_well(spec_text: str, make_facts: MakeFacts) -> None:
    assert len(_plan(spec_text, make_facts(), {"goal.bad_examples": []}).notes) == 3


def test_grant_digest_changes_when_an_argument_or_the_plan_changes(spec_text: str, make_facts: MakeFacts) -> None:
    step = _plan(spec_text, make_facts()).step("train")
    other = _plan(spec_text, make_facts(), {"train.0.epochs": 4}).step("train")
    assert step.digest("sha256:1") != other.digest("sha256:1")
    assert step.digest("sha256:1") != step.digest("sha256:2")
