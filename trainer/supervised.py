# pyright: basic
"""TRL's SFTTrainer with our order of examples, checkpoints, validation and refusal of numbers that are none.

Decides nothing about when: `callbacks.py` does.
"""

import contextlib
import math
import random
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from trl.trainer.sft_trainer import SFTTrainer

from trainer import checkpoint
from trainer.data import Encoded
from trainer.errors import TrainerError
from trainer.sampler import LengthBatches

_STATE_FILE = "trainer_state.json"


class SupervisedTrainer(SFTTrainer):
    """Trains on rows that are ids and labels already.

    Args:
        train: the encoded training rows, which are also in `train_dataset`.
        validation: the encoded validation rows, None for none.
        on_checkpoint: told each complete checkpoint.
        on_validation: told the metrics of each validation.
    """

    def __init__(
        self,
        *,
        train: Encoded,
        validation: Encoded | None,
        on_checkpoint: Callable[[checkpoint.Checkpoint], None],
        on_validation: Callable[[dict[str, float]], None],
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.num_tokens = 0
        self._train = train
        self._validation = validation
        self._on_checkpoint = on_checkpoint
        self._on_validation = on_validation

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthBatches:  # pyright: ignore[reportIncompatibleMethodOverride]
        batch_size = self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps
        return LengthBatches(self._train.lengths, batch_size, self.args.seed)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> Any:
        """Return the batches of one optimizer step, and count their tokens."""
        batches, num_items = super().get_batch_samples(epoch_iterator, num_batches, device)
        for batch in batches:
            mask = batch.get("attention_mask")
            self.num_tokens += int(mask.sum()) if mask is not None else batch["input_ids"].numel()
        return batches, num_items

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return the loss of a micro-batch. Raises TrainerError when it is no number."""
        loss = super().training_step(*args, **kwargs)
        self._refuse_no_number("loss", float(loss))
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if norm is not None:
            self._refuse_no_number("gradient", float(norm))
        return norm

    def _refuse_no_number(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            rate = self.args.learning_rate
            raise TrainerError(
                f"The {what} became {value} in step {self.state.global_step + 1}, so training cannot go on; "
                "the last good checkpoint is kept.",
                f"Lower the learning rate ({rate:g} now; try {rate / 3:.1g}) or raise train.warmup_ratio.",
            )

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Return loss and token accuracy on the validation rows. Leaves random states and mode as they were."""
        self.control.should_evaluate = False  # else the end of the epoch would ask again
        if self._validation is None:
            return {}
        with as_if_nothing_happened(self.model):
            metrics = self._measure(self._validation)
        self._on_validation(metrics)
        return metrics

    def _measure(self, encoded: Encoded) -> dict[str, float]:
        size = self.args.per_device_train_batch_size * 4
        order = sorted(range(len(encoded.rows)), key=lambda index: len(encoded.input_ids[index]))
        collate: Any = self.data_collator
        model: Any = self.model
        loss = hits = count = 0.0
        for start in range(0, len(order), size):
            rows = [
                {"input_ids": encoded.input_ids[i], "labels": encoded.labels[i]} for i in order[start : start + size]
            ]
            inputs = self._prepare_inputs(collate(rows))
            with torch.no_grad(), self.compute_loss_context_manager():
                outputs = model(**inputs, use_cache=False, fused_lm_head=True)
            loss -= float(outputs.log_probs.sum())
            hits += float(outputs.is_top1.sum())
            count += float(outputs.label_mask.sum())
        return {"loss": loss / max(count, 1), "token_accuracy": hits / max(count, 1)}

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        saved = checkpoint.save(
            Path(str(self.args.output_dir)), self.state.global_step, self.num_tokens, self._fill_checkpoint
        )
        self._on_checkpoint(saved)

    def _fill_checkpoint(self, folder: Path) -> None:
        self.save_model(str(folder), _internal_call=True)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / _STATE_FILE))

    def take_up(self, found: checkpoint.Checkpoint) -> Any:
        """Train on from a complete checkpoint."""
        self.num_tokens = found.marker.num_tokens
        return self.train(resume_from_checkpoint=str(found.path))


@contextlib.contextmanager
def as_if_nothing_happened(model: Any) -> Generator[None]:
    """Keep the random states and the training mode, so that looking at a model does not change its training."""
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])
        if gpu is not None:
            torch.cuda.set_rng_state(gpu)
