"""Estimates: they follow the figures they rest on and move the right way."""

from collections.abc import Callable

import pytest

from specs import estimate
from specs.choose import choose_sft
from specs.estimate import Machine
from specs.facts import Facts
from specs.methods import SftSpec
from specs.plan import Estimate

MakeFacts = Callable[..., Facts]
_CPU = Machine(uses_gpu=False, threads=None)
_GPU = Machine(uses_gpu=True, threads=None)


def _train(facts: Facts, machine: Machine = _CPU, tuning: str = "auto", epochs: float = 10) -> Estimate:
    stage = SftSpec(method="sft", tuning=tuning, epochs=epochs)  # pyright: ignore[reportArgumentType]
    return estimate.train(facts, choose_sft(stage, facts, machine)[0], machine)


def test_training_range_holds_the_measured_time_when_the_job_is_the_measured_one(make_facts: MakeFacts) -> None:
    found = _train(make_facts(hardware={"cores": 1}))
    assert found.seconds_low < 90 * 1.6 and found.seconds_high > 90
    assert found.num_tokens == int(24.1 * 9803 * 10)


def test_training_time_uses_the_measured_speed_when_there_was_a_run(make_facts: MakeFacts) -> None:
    found = _train(make_facts(hardware={"tokens_per_s": 20_000.0}))
    assert found.seconds == pytest.approx(24.1 * 9803 * 10 / 20_000 + 12, rel=0.01)
    assert "measured by an earlier run" in found.basis


def test_training_is_slower_when_the_processor_lacks_bf16(make_facts: MakeFacts) -> None:
    slow, fast = _train(make_facts(hardware={"bf16": False})), _train(make_facts())
    assert slow.seconds > 2 * fast.seconds
    assert "without bf16" in slow.basis


def test_training_time_grows_with_epochs_and_parameters(make_facts: MakeFacts) -> None:
    facts = make_facts()
    assert _train(facts, epochs=20).seconds > 1.8 * _train(facts, epochs=10).seconds
    sizes = [100_000, 830_000, 2_000_000, 3_640_000, 5_000_000, 6_700_000, 60_000_000]
    times = [_train(make_facts(model={"num_parameters": size})).seconds for size in sizes]
    assert times == sorted(times)
    assert times[-1] > 8 * times[-2]


def test_gpu_estimate_is_wide_and_holds_the_published_speed(make_facts: MakeFacts) -> None:
    facts = make_facts(model={"num_parameters": 8_030_000_000, "kind": "hub", "hidden_size": 4096, "num_layers": 32})
    found = _train(facts, _GPU, "lora")
    tokens = found.num_tokens
    assert found.seconds_low < 20 + tokens / 12_000 + 1
    assert found.seconds_high > tokens / 3_083
    assert found.seconds_high > 4 * found.seconds_low


def test_adapter_needs_less_memory_and_disk_than_full_tuning(make_facts: MakeFacts) -> None:
    facts = make_facts(model={"num_parameters": 600_000_000, "kind": "hub", "hidden_size": 1024, "num_layers": 28})
    full, lora = _train(facts, _GPU, "full"), _train(facts, _GPU, "lora")
    qlora = _train(facts, _GPU, "qlora")
    assert qlora.memory_bytes < lora.memory_bytes < full.memory_bytes
    assert lora.disk_bytes < full.disk_bytes
    assert full.memory_bytes > 16 * 600_000_000


def test_checkpoint_disk_matches_the_measured_ten_megabytes(make_facts: MakeFacts) -> None:
    assert 20_000_000 < _train(make_facts()).disk_bytes < 40_000_000


def test_answering_takes_longer_when_rows_or_answers_grow(make_facts: MakeFacts) -> None:
    facts = make_facts()
    base = estimate.generate(facts, _CPU, 3080, 18, 64)
    assert base.seconds_low < 3.5 + 5 and base.seconds_high > 3.5
    assert estimate.generate(facts, _CPU, 30_800, 18, 64).seconds > base.seconds
    assert estimate.generate(facts, _CPU, 3080, 180, 64).seconds > base.seconds
    assert estimate.generate(facts, _GPU, 3080, 18, 64).seconds > 0


def test_server_holds_two_sets_of_weights_when_all_of_them_were_trained(make_facts: MakeFacts) -> None:
    facts = make_facts(model={"num_parameters": 1_000_000_000})
    both = estimate.serve(facts, _CPU, 8, side_by_side=True)
    assert both.memory_bytes - estimate.serve(facts, _CPU, 8, side_by_side=False).memory_bytes == 4_000_000_000


@pytest.mark.parametrize(("rows", "batch", "epochs", "steps"), [(100, 64, 3, 6), (128, 64, 1, 2), (10, 64, 0.5, 1)])
def test_steps_count_the_last_incomplete_batch(
    rows: int, batch: int, epochs: float, steps: int, make_facts: MakeFacts
) -> None:
    facts = make_facts(data={"num_train": rows})
    settings = choose_sft(SftSpec(method="sft", epochs=epochs, batch_size=batch), facts, _CPU)[0]
    assert estimate.num_steps(rows, settings) == steps
