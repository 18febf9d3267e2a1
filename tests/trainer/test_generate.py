from collections.abc import Callable
from pathlib import Path

import pytest

from specs.layout import RunLayout
from specs.run import DatasetRow, Generation, ModelRef
from tests.fakes import tiny_chat_model
from tests.fakes import train_run as runs
from trainer.generate import plan_batches

RunChild = Callable[..., int]


def answers(layout: RunLayout) -> list[Generation]:
    return [Generation.model_validate_json(line) for line in layout.generations_path.read_bytes().splitlines()]


def test_batches_hold_every_row_once_longest_first() -> None:
    lengths = [5, 30, 7, 7, 12, 90, 5]
    batches = plan_batches(lengths, 3, context=100, max_new_tokens=8)
    assert sorted(index for batch in batches for index in batch) == list(range(7))
    assert [max(lengths[i] for i in batch) for batch in batches] == [90, 12, 5] or batches[0][0] == 5


def test_rows_near_the_context_are_batched_by_their_length_alone() -> None:
    lengths = [99, 98, 98, 97, 20, 10, 100, 120]
    batches = plan_batches(lengths, 4, context=100, max_new_tokens=8)
    assert batches == [[0], [1, 2], [3], [4, 5]]


@pytest.mark.slow
def test_answers_stand_in_the_order_of_the_prompts(
    tmp_path: Path, base: ModelRef, rows_path: Path, run_child: RunChild
) -> None:
    rows = [DatasetRow.model_validate_json(line) for line in rows_path.read_bytes().splitlines()]
    long = runs.row(99, prompt="y" * 400)
    runs.write_rows(rows_path, [*rows[:4], long, *rows[4:]])
    layout = runs.generate_run(tmp_path / "run", base, rows_path)
    assert run_child(layout) == 0, layout.log_path.read_text()
    told = answers(layout)
    assert [answer.id for answer in told] == [row.id for row in (*rows[:4], long, *rows[4:])]
    assert told[4] == Generation(id=long.id, text="", num_tokens=0, finish="prompt_too_long")
    assert all(answer.num_tokens <= 12 for answer in told)
    assert all((answer.finish == "length") == (answer.num_tokens == 12) for answer in told if answer.id != long.id)
    report = runs.report(layout)
    assert report["num_rows"] == 14
    assert report["num_tokens"] == sum(answer.num_tokens for answer in told)
    assert runs.kinds(layout)[0] == "started"
    assert runs.events(layout)[-2].done == 14  # type: ignore[union-attr]
    assert not list(layout.run_dir.glob("*.partial.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["killed", "torn", "stopped"])
def test_answers_are_those_of_an_unbroken_run_when_interrupted(
    tmp_path: Path, base: ModelRef, rows_path: Path, run_child: RunChild, way: str
) -> None:
    whole, broken = (runs.generate_run(tmp_path / name, base, rows_path) for name in ("whole", "broken"))
    assert run_child(whole) == 0
    if way == "stopped":
        assert run_child(broken, runs.terminate_at, "progress", 1) == 4
        assert runs.events(broken)[-1].state == "stopped"  # type: ignore[union-attr]
    else:
        assert run_child(broken, runs.die_at, "progress", 1) == -9
    partial = broken.run_dir / "generations.partial.jsonl"
    kept = partial.read_bytes()
    assert kept.count(b"\n") == 4
    if way == "torn":
        partial.write_bytes(kept[:-30])
    assert not broken.generations_path.exists()
    assert run_child(broken) == 0, broken.log_path.read_text()
    assert broken.generations_path.read_bytes() == whole.generations_path.read_bytes()


@pytest.mark.slow
def test_adapter_answers_when_it_is_on_top(
    tmp_path: Path, base: ModelRef, rows_path: Path, run_child: RunChild
) -> None:
    from trainer.export import hash_weights

    adapter = tiny_chat_model.make_adapter(tmp_path / "adapter", Path(base.location), seed=5)
    plain = runs.generate_run(tmp_path / "plain", base, rows_path)
    adapted = runs.generate_run(
        tmp_path / "adapted", base.model_copy(update={"adapter_dir": str(adapter)}), rows_path, batch_size=13
    )
    assert run_child(plain) == run_child(adapted) == 0
    assert plain.generations_path.read_bytes() != adapted.generations_path.read_bytes()
    assert runs.report(plain)["weights_sha256"] == hash_weights(Path(base.location))
    assert runs.report(adapted)["weights_sha256"] == hash_weights(adapter)


@pytest.mark.slow
def test_same_id_twice_is_refused(tmp_path: Path, base: ModelRef, run_child: RunChild) -> None:
    path = runs.write_rows(tmp_path / "prompts.jsonl", [runs.row(1), runs.row(2), runs.row(1)])
    layout = runs.generate_run(tmp_path / "run", base, path)
    assert run_child(layout) == 2
    assert "prompts.jsonl:3: the id" in runs.events(layout)[-1].message  # type: ignore[union-attr]
