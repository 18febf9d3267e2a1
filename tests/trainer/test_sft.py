from collections.abc import Callable
from pathlib import Path

import pytest

from specs.layout import RunLayout
from specs.run import DatasetRef, ModelRef
from tests.fakes import train_run as runs

RunChild = Callable[..., int]


@pytest.fixture(scope="module")
def unbroken(
    tmp_path_factory: pytest.TempPathFactory, base: ModelRef, dataset: DatasetRef, run_child: RunChild
) -> Callable[[str], RunLayout]:
    """Runs that nothing disturbed, by tuning."""
    made: dict[str, RunLayout] = {}

    def get(tuning: str) -> RunLayout:
        if tuning not in made:
            layout = runs.train_run(tmp_path_factory.mktemp("unbroken") / tuning, base, dataset, **TUNINGS[tuning])
            assert run_child(layout) == 0, layout.log_path.read_text()
            made[tuning] = layout
        return made[tuning]

    return get


TUNINGS = {"full": {"micro_batch_size": 4}, "lora": {"lora": runs.LORA}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tuning", "mine", "arguments", "taken_up"),
    [
        ("full", runs.die_at, ("step", 3), None),  # before the first checkpoint
        ("full", runs.die_at, ("checkpoint", 1), 5),
        ("full", runs.die_at, ("step", 14), 10),  # in the third epoch
        ("full", runs.die_in_checkpoint, (2,), 5),  # a torn checkpoint of step 10
        ("lora", runs.die_at, ("step", 9), 5),
    ],
)
def test_weights_are_those_of_an_unbroken_run_when_killed_and_relaunched(
    tmp_path: Path,
    base: ModelRef,
    dataset: DatasetRef,
    run_child: RunChild,
    unbroken: Callable[[str], RunLayout],
    tuning: str,
    mine: Callable[..., None],
    arguments: tuple[object, ...],
    taken_up: int | None,
) -> None:
    layout = runs.train_run(tmp_path / "run", base, dataset, **TUNINGS[tuning])
    assert run_child(layout, mine, *arguments) == -9
    assert run_child(layout) == 0, layout.log_path.read_text()
    again, reference = runs.report(layout), runs.report(unbroken(tuning))
    assert again["weights_sha256"] == reference["weights_sha256"]
    assert again["launches"] == 2
    for name in ("num_tokens", "train_loss", "validation_loss", "steps"):
        assert again[name] == reference[name], name
    starts = [event for event in runs.events(layout) if event.type == "started"]
    assert [event.resumed_from for event in starts] == [None, taken_up]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["signal", "file"])
def test_weights_are_those_of_an_unbroken_run_when_stopped_and_started_again(
    tmp_path: Path,
    base: ModelRef,
    dataset: DatasetRef,
    run_child: RunChild,
    unbroken: Callable[[str], RunLayout],
    way: str,
) -> None:
    layout = runs.train_run(tmp_path / "run", base, dataset, **TUNINGS["full"])
    if way == "signal":
        assert run_child(layout, runs.terminate_at, "step", 7) == 4
    else:
        assert run_child(layout, runs.touch_at, "step", 7, str(layout.stop_path)) == 4
    last, stopped = runs.events(layout)[-1], runs.report(layout)
    assert last.state == "stopped"  # type: ignore[union-attr]
    assert "step 8 of 18; it is saved" in last.message  # type: ignore[union-attr]
    assert (stopped["state"], stopped["steps"]) == ("stopped", 8)
    assert not layout.model_dir.exists()
    assert not layout.stop_path.exists()
    assert run_child(layout) == 0
    assert runs.report(layout)["weights_sha256"] == runs.report(unbroken("full"))["weights_sha256"]
    assert runs.report(layout)["seconds"] > stopped["seconds"]


@pytest.mark.slow
def test_finished_run_tells_all_of_its_course(unbroken: Callable[[str], RunLayout], base: ModelRef) -> None:
    layout = unbroken("full")
    told = runs.events(layout)
    steps = [event for event in told if event.type == "step"]
    assert [event.step for event in steps] == list(range(1, 19))
    assert steps[-1].loss < steps[0].loss / 2
    assert all(event.total_steps == 18 and event.tokens_per_s and event.grad_norm for event in steps)
    assert [event.elapsed_s for event in steps] == sorted(event.elapsed_s for event in steps)
    assert [event.step for event in told if event.type == "evaluated"] == [6, 12, 18]
    assert [event.step for event in told if event.type == "sample"] == [6, 12, 18]
    assert [event.step for event in told if event.type == "checkpoint"] == [5, 10, 15]
    start = next(event for event in told if event.type == "started")
    assert (start.total_steps, start.num_examples, start.threads, start.resumed_from) == (18, 44, 1, None)
    assert start.num_trainable == start.num_parameters
    assert told[-1].type == "finished"
    report = runs.report(layout)
    assert report["state"] == "succeeded"
    assert report["validation_loss"] == [event for event in told if event.type == "evaluated"][-1].metrics["loss"]


@pytest.mark.slow
def test_saved_model_is_complete_and_as_the_base_but_for_its_weights(
    unbroken: Callable[[str], RunLayout], base: ModelRef
) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from trainer.export import hash_weights

    layout = unbroken("full")
    before, after = AutoConfig.from_pretrained(base.location), AutoConfig.from_pretrained(layout.model_dir)
    assert after.attention_dropout == before.attention_dropout == 0.0
    assert after.use_cache
    AutoModelForCausalLM.from_pretrained(layout.model_dir)
    tokenizer = AutoTokenizer.from_pretrained(layout.model_dir)
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(base.location).chat_template
    assert hash_weights(layout.model_dir) == runs.report(layout)["weights_sha256"]
    assert hash_weights(layout.model_dir) != hash_weights(Path(base.location))
    assert sorted(path.name for path in layout.model_dir.iterdir()) == [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


@pytest.mark.slow
def test_adapter_is_trained_on_when_it_is_the_base(
    tmp_path: Path, base: ModelRef, dataset: DatasetRef, run_child: RunChild, unbroken: Callable[[str], RunLayout]
) -> None:
    first = unbroken("lora")
    assert (first.model_dir / "adapter_config.json").exists()
    assert not (first.model_dir / "model.safetensors").exists()
    assert runs.report(first)["num_trainable"] < runs.report(first)["num_parameters"] / 4
    custom = base.model_copy(update={"adapter_dir": str(first.model_dir)})
    further = runs.train_run(tmp_path / "further", custom, dataset, epochs=1, lora=runs.LORA)
    assert run_child(further) == 0, further.log_path.read_text()
    assert (further.model_dir / "adapter_model.safetensors").exists()
    begun = next(event.loss for event in runs.events(further) if event.type == "step")
    assert begun < 0.9 * next(event.loss for event in runs.events(first) if event.type == "step")
    merged = runs.train_run(tmp_path / "merged", custom, dataset, epochs=1)
    assert run_child(merged) == 0, merged.log_path.read_text()
    assert (merged.model_dir / "model.safetensors").exists()
    other = runs.train_run(tmp_path / "other", custom, dataset, lora=runs.LORA.model_copy(update={"rank": 16}))
    assert run_child(other) == 2
    assert "rank 4 and alpha 8" in runs.events(other)[-1].message  # type: ignore[union-attr]


@pytest.mark.slow
def test_loss_that_is_no_number_fails_with_a_next_step_and_keeps_the_checkpoint(
    tmp_path: Path, base: ModelRef, dataset: DatasetRef, run_child: RunChild
) -> None:
    layout = runs.train_run(tmp_path / "run", base, dataset, learning_rate=1e37, save_every=1, scheduler="constant")
    assert run_child(layout) == 1
    last = runs.events(layout)[-1]
    assert last.type == "finished"
    assert "so training cannot go on" in last.message
    assert "Lower the learning rate" in last.hint
    assert list(layout.checkpoints_dir.glob("step-*/COMPLETE"))
    assert not layout.report_path.exists()


@pytest.mark.slow
def test_bf16_base_is_saved_in_bf16_when_it_was_stored_so(
    tmp_path: Path, base: ModelRef, dataset: DatasetRef, run_child: RunChild
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path / "half"
    AutoModelForCausalLM.from_pretrained(base.location, dtype=torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base.location).save_pretrained(folder)
    stored = base.model_copy(update={"location": str(folder)})
    layout = runs.train_run(tmp_path / "run", stored, dataset, epochs=1, log_every=4)
    assert run_child(layout) == 0, layout.log_path.read_text()
    assert {tensor.dtype for tensor in load_file(layout.model_dir / "model.safetensors").values()} == {torch.bfloat16}
    assert [event.step for event in runs.events(layout) if event.type == "step"] == [1, 4, 5, 6]


@pytest.mark.slow
def test_long_rows_fail_before_training_and_are_named(
    tmp_path: Path, base: ModelRef, dataset: DatasetRef, run_child: RunChild
) -> None:
    layout = runs.train_run(tmp_path / "run", base, dataset, max_length=30)
    assert run_child(layout) == 2
    assert "rows of train.jsonl are longer than 30 tokens" in runs.events(layout)[-1].message  # type: ignore[union-attr]
    assert "started" not in runs.kinds(layout)
