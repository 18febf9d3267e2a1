"""Reads a training run's events for signs that the training went wrong, and says so in sentences.

Thresholds: gradient norm above 100 is unstable (Axolotl's training notes); validation over training loss above 1.5
calls for fewer epochs, above 2 for an earlier checkpoint (Azure AI Foundry fine-tuning guidance). Nothing is stopped
here.
"""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

from pydantic import ValidationError

from specs.events import TRAIN_EVENT, Evaluated, StepDone, TrainEvent, Warned
from specs.layout import RunLayout

UNSTABLE_GRAD_NORM = 100.0
RATIO_FEWER_EPOCHS = 1.5
RATIO_EARLIER_CHECKPOINT = 2.0
_RISEN = 1.05
_NOT_FALLING = 0.95
_FEWEST_STEPS = 10
_LOSS_NAMES = ("loss", "validation_loss", "eval_loss")
_WHILE_SMALL = 0.1


def health_of_run(run: RunLayout) -> list[str]:
    """Return the warnings about a run from its events file; lines that are no event are passed over.

    A loss written as NaN is no valid event, but it is seen.
    """
    try:
        lines = run.events_path.read_bytes().splitlines()
    except OSError:
        return []
    events: list[TrainEvent] = []
    broken: list[int] = []
    for line in lines:
        try:
            events.append(TRAIN_EVENT.validate_json(line))
        except ValidationError:
            step = _step_without_number(line)
            if step is not None:
                broken.append(step)
    return [*_not_a_number(broken), *health(events)]


def health(events: Iterable[TrainEvent]) -> list[str]:
    """Return warnings about a training run as sentences, none for a healthy one."""
    kept = list(events)
    steps = [event for event in kept if isinstance(event, StepDone)]
    validations = [(event.step, loss) for event in kept if isinstance(event, Evaluated) and (loss := _loss(event))]
    return [
        *(event.message for event in kept if isinstance(event, Warned) and "nan" in event.code.lower()),
        *_gradients(steps),
        *_falling(steps),
        *_overfitting(steps, validations),
    ]


def _step_without_number(line: bytes) -> int | None:
    """Return the step of an event line whose loss or gradient is NaN or infinite, None for any other line."""
    try:
        parsed: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(parsed, dict):
        return None
    event = cast("dict[str, Any]", parsed)
    metrics = event.get("metrics")
    values = [*event.values(), *(cast("dict[str, Any]", metrics).values() if isinstance(metrics, dict) else ())]
    step = event.get("step")
    wrong = any(isinstance(value, float) and not math.isfinite(value) for value in values)
    return step if wrong and isinstance(step, int) else None


def _not_a_number(steps: Sequence[int]) -> list[str]:
    if not steps:
        return []
    return [
        f"The loss or the gradient stopped being a number at step {steps[0]}: the training diverged. Lower the "
        "learning rate and train again."
    ]


def _loss(event: Evaluated) -> float | None:
    return next((event.metrics[name] for name in _LOSS_NAMES if name in event.metrics), None)


def _gradients(steps: Sequence[StepDone]) -> list[str]:
    high = [step for step in steps if step.grad_norm is not None and step.grad_norm > UNSTABLE_GRAD_NORM]
    if not high:
        return []
    worst = max(high, key=lambda step: step.grad_norm or 0.0)
    times = "once" if len(high) == 1 else f"at {len(high)} of {len(steps)} logged steps"
    return [
        f"The gradient norm went above {UNSTABLE_GRAD_NORM:g} {times}, to {worst.grad_norm:.3g} at step {worst.step}: "
        "the training is unstable. A lower learning rate or a longer warm-up helps."
    ]


def _ends(steps: Sequence[StepDone]) -> tuple[float, float]:
    """Return the mean loss of the first and of the last tenth of the logged steps."""
    size = max(1, len(steps) // 10)
    losses = [step.loss for step in steps]
    return sum(losses[:size]) / size, sum(losses[-size:]) / size


def _falling(steps: Sequence[StepDone]) -> list[str]:
    if len(steps) < _FEWEST_STEPS:
        return []
    first, last = _ends(steps)
    if last < _NOT_FALLING * first or first < _WHILE_SMALL:
        return []
    return [
        f"The training loss did not fall: {first:.3g} at the start, {last:.3g} at the end. The learning rate may be "
        "too low or far too high, or the wanted answers cannot be told from the prompts."
    ]


def _overfitting(steps: Sequence[StepDone], validations: Sequence[tuple[int, float]]) -> list[str]:
    if not steps or not validations:
        return []
    _, training = _ends(steps)
    best_step, best = min(validations, key=lambda pair: pair[1])
    last = validations[-1][1]
    if training <= 0 or last < _WHILE_SMALL or last / training <= RATIO_FEWER_EPOCHS:
        return []
    ratio = f"The validation loss {last:.3g} is {last / training:.1f} times the training loss {training:.3g}"
    if last <= _RISEN * best:
        return [f"{ratio}, but it has not risen: the training rows are learnt by heart, so trust only the test rows."]
    risen = f"{ratio} and has risen from {best:.3g} at step {best_step}"
    if last / training > RATIO_EARLIER_CHECKPOINT:
        return [f"{risen}: the model is overfitted. Take an earlier checkpoint or train for fewer epochs."]
    return [f"{risen}: train for fewer epochs."]
