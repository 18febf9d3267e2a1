# pyright: basic
"""Decides at the end of every optimizer step what follows: an event, a validation, a checkpoint, the end."""

import math
import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from specs.events import CheckpointSaved, Evaluated, StepDone
from specs.run import SftSettings
from trainer.checkpoint import Checkpoint
from trainer.errors import JobStopped
from trainer.job import Job
from trainer.tracking import Tracker

_MOST_VALIDATIONS = 10


class Flow(TrainerCallback):
    """The flow of one launch, and the events it tells.

    Attributes:
        count_tokens: gives the tokens seen in training, padding excluded; set once the trainer is there.
        stopped: why the loop was left early, None when it ran to its end.
        validation_loss: of the last validation.
    """

    def __init__(self, job: Job, settings: SftSettings, tracker: Tracker, *, validates: bool) -> None:
        self._job = job
        self._settings = settings
        self._tracker = tracker
        self._validates = validates
        self._earlier_s = job.state.train_s
        self._began = self._step_began = time.monotonic()
        self._busy_s = 0.0
        self._first_step = 0
        self._logged_tokens = 0
        self._validate_at: set[int] = set()
        self.count_tokens: Callable[[], int] = int
        self.stopped: JobStopped | None = None
        self.validation_loss: float | None = None
        self.step = 0
        self.total_steps = 0

    @property
    def validations(self) -> int:
        """Validations due up to the present step."""
        return sum(step <= self.step for step in self._validate_at)

    @property
    def seconds(self) -> float:
        """Seconds in the training loop over all launches."""
        return self._earlier_s + time.monotonic() - self._began

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note where the loop starts."""
        self._began = time.monotonic()
        self._first_step = self.step = state.global_step
        self._logged_tokens = self.count_tokens()
        self.total_steps = state.max_steps
        self._validate_at = validation_steps(state.max_steps, self._settings.epochs) if self._validates else set()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note when a step starts: validations and checkpoints are not counted into the speed."""
        self._step_began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set what the trainer does after this step."""
        self._busy_s += time.monotonic() - self._step_began
        step = self.step = state.global_step
        ends = step >= state.max_steps
        if not ends:
            self.stopped = self._job.stop.reason()
        control.should_evaluate = step in self._validate_at
        # the last step gets no checkpoint: resuming there would train one step too many
        control.should_save = not ends and (self.stopped is not None or step % self._settings.save_every == 0)
        # a checkpoint is logged at, so that a resumed run averages the same losses as an unbroken one
        control.should_log = step % self._settings.log_every == 0 or step == 1 or ends or control.should_save
        control.should_training_stop = ends or self.stopped is not None
        self._job.remember(force=False, train_s=self.seconds, tracking_run=self._tracker.run_id)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Tell a step that was logged."""
        if not logs or "loss" not in logs:
            return
        step = state.global_step
        num_tokens = self.count_tokens()
        rate = (time.monotonic() - self._began) / max(step - self._first_step, 1)
        event = StepDone(
            time=time.time(),
            step=step,
            total_steps=state.max_steps,
            epoch=float(state.epoch or 0.0),
            loss=float(logs["loss"]),
            learning_rate=float(logs["learning_rate"]),
            grad_norm=_number(logs.get("grad_norm")),
            tokens_per_s=(num_tokens - self._logged_tokens) / max(self._busy_s, 1e-9),
            elapsed_s=self.seconds,
            eta_s=rate * (state.max_steps - step),
        )
        self._busy_s, self._logged_tokens = 0.0, num_tokens
        self._job.events.write(event)
        self._tracker.metrics(
            step, {"loss": event.loss, "learning_rate": event.learning_rate, "grad_norm": event.grad_norm}
        )

    def told_checkpoint(self, saved: Checkpoint) -> None:
        """Tell a complete checkpoint."""
        self._job.remember(train_s=self.seconds)
        self._job.events.write(
            CheckpointSaved(time=time.time(), step=saved.marker.step, path=str(saved.path), size_bytes=saved.size_bytes)
        )

    def told_validation(self, metrics: dict[str, float]) -> None:
        """Tell the metrics of a validation."""
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        self.validation_loss = finite.get("loss")
        self._job.events.write(Evaluated(time=time.time(), step=self.step, metrics=finite))
        self._tracker.metrics(self.step, {f"validation_{name}": value for name, value in finite.items()})


def validation_steps(total_steps: int, epochs: float) -> set[int]:
    """Return the steps after which to validate: each epoch's last, but ten at most, and always the last of all."""
    count = min(_MOST_VALIDATIONS, max(1, math.ceil(epochs)))
    return {math.ceil(total_steps * part / count) for part in range(1, count + 1)}


def _number(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(float(value)) else None
