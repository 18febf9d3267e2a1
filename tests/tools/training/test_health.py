from collections.abc import Sequence
from pathlib import Path

import pytest

from specs.events import Evaluated, StepDone, TrainEvent, Warned
from specs.layout import RunLayout
from tools.training.health import health, health_of_run


def steps(losses: Sequence[float], grad_norms: Sequence[float] = ()) -> list[TrainEvent]:
    return [
        StepDone(
            time=1.0,
            step=number,
            total_steps=len(losses),
            epoch=1.0,
            loss=loss,
            learning_rate=1e-3,
            grad_norm=grad_norms[number - 1] if grad_norms else 1.0,
            elapsed_s=1.0,
        )
        for number, loss in enumerate(losses, start=1)
    ]


def validated(*losses: float) -> list[TrainEvent]:
    return [Evaluated(time=1.0, step=10 * n, metrics={"loss": loss}) for n, loss in enumerate(losses, start=1)]


FALLING = [2.0 - index * 0.05 for index in range(30)]


def test_health_is_silent_when_the_loss_falls_and_validation_follows():
    assert health([*steps(FALLING), *validated(1.0, 0.7)]) == []
    assert health([]) == []


def test_health_warns_when_the_gradient_norm_passes_100():
    norms = [1.0] * 28 + [150.0, 900.0]
    (warning,) = health(steps(FALLING, norms))
    assert "at 2 of 30 logged steps, to 900 at step 30" in warning


def test_health_warns_when_the_loss_does_not_fall():
    (warning,) = health(steps([2.0] * 20))
    assert "did not fall: 2 at the start, 2 at the end" in warning


def test_health_waits_for_enough_steps_before_it_judges_the_loss():
    assert health(steps([2.0] * 9)) == []


@pytest.mark.parametrize(
    ("validation", "words"),
    [
        ((0.7, 0.95), "train for fewer epochs."),
        ((0.7, 1.5), "Take an earlier checkpoint"),
        ((1.6, 1.5), "it has not risen"),
    ],
)
def test_health_warns_when_validation_is_far_above_training(validation: tuple[float, ...], words: str):
    (warning,) = health([*steps(FALLING), *validated(*validation)])
    assert words in warning


def test_health_is_silent_when_both_losses_are_tiny():
    assert health([*steps([*FALLING, *[0.001] * 30]), *validated(0.05, 0.08)]) == []


def test_health_repeats_the_trainers_own_warning_of_nan():
    assert health([Warned(time=1.0, code="loss_nan", message="The loss is NaN.")]) == ["The loss is NaN."]


def test_health_of_run_sees_a_loss_that_is_not_a_number(tmp_path: Path):
    run = RunLayout(tmp_path)
    (good,) = steps([1.0])
    bad = good.model_dump_json().replace('"loss":1.0', '"loss":NaN').replace('"step":1', '"step":7')
    run.events_path.write_text(f'{good.model_dump_json()}\n{{"type": "unknown"}}\n{bad}\n[1]\n{{"torn')
    (warning,) = health_of_run(run)
    assert "at step 7" in warning


def test_health_of_run_is_silent_when_there_are_no_events(tmp_path: Path):
    assert health_of_run(RunLayout(tmp_path)) == []
