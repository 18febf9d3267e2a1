import pytest

from trainer.callbacks import validation_steps


@pytest.mark.parametrize(
    ("total", "epochs", "steps"),
    [
        (18, 3, {6, 12, 18}),
        (18, 0.5, {18}),
        (100, 50, {10, 20, 30, 40, 50, 60, 70, 80, 90, 100}),
        (2, 10, {1, 2}),
        (1, 1, {1}),
    ],
)
def test_validations_follow_epochs_but_are_ten_at_most(total: int, epochs: float, steps: set[int]) -> None:
    assert validation_steps(total, epochs) == steps
