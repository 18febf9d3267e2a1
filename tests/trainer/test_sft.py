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
