# pyright: basic
"""Supervised fine-tuning from a manifest to a saved model: data in, events, checkpoints, model and report out."""

import contextlib
import math
import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, set_seed

from specs.atomic import write_text
from specs.errors import ExitCode
from specs.events import Finished, Sample, Started
from specs.run import SftSettings, TrainReport, TrainTask
from trainer import checkpoint, data, export, fused_head, hardware, model, trl_args
from trainer.callbacks import Flow
from trainer.errors import TrainerError
from trainer.job import Job, finished
from trainer.supervised import SupervisedTrainer, as_if_nothing_happened
from trainer.tracking import Tracker

_SAMPLE_TOKENS = 64
_VERSIONED = ("torch", "transformers", "trl", "peft", "accelerate")


@dataclass(frozen=True)
class Material:
    """What training starts from."""

    profile: hardware.Profile
    tokenizer: Any
    config: Any
    train: data.Encoded
    validation: data.Encoded | None


def train(task: TrainTask, job: Job) -> Finished:
    """Train the task's model in the job's run directory, from its newest complete checkpoint where there is one.

    Returns the last event. Raises TrainerError, JobStopped before training has begun, or what a library raises.
    """
    facts = hardware.machine()
    material = _prepare(task, job, hardware.profile(task.limits.device, facts))
    _choose_threads(task, job, facts, material)
    job.stop.check()
    tracker = Tracker(task.tracking, job.manifest.run_id, job.state.tracking_run, job.events)
    flow = Flow(job, task.settings, tracker, validates=material.validation is not None)
    trainer = _trainer(task, job, material, flow)
    tracker.start(_params(task), task.dataset)
    found = checkpoint.newest(job.layout.checkpoints_dir)
    _tell_start(job, material, trainer, found)
    try:
        if found is None:
            trainer.train()
        else:
            trainer.take_up(found)
    except BaseException:
        job.remember(train_s=flow.seconds)
        tracker.finish("failed", {})
        raise
    return _finish(task, job, material, trainer, flow, tracker)


def _prepare(task: TrainTask, job: Job, profile: hardware.Profile) -> Material:
    settings = task.settings
    config = model.load_config(task.model)
    tokenizer = model.load_tokenizer(task.model)
    folder = Path(task.dataset.dir)
    limit = min(settings.max_length, model.context_length(config))
    encoded: dict[str, data.Encoded] = {}
    for name in ("train.jsonl", "validation.jsonl"):
        rows = data.read_rows(folder / name)
        if rows or name == "train.jsonl":
            encoded[name] = data.encode(tokenizer, rows, settings.loss_on)
            data.check(encoded[name], limit=limit, loss_on=settings.loss_on, file_name=name)
    train_rows = encoded["train.jsonl"]
    job.events.warn("trained_tokens", data.mask_sentence(train_rows, tokenizer))
    if train_rows.num_parted:
        job.events.warn(
            "prompt_parted",
            f"In {train_rows.num_parted} rows the chat template writes the prompt another way once an answer follows; "
            "training starts where the two part.",
            "Look at the trained part above: it should be the answer and its end mark.",
        )
    job.stop.check()
    return Material(profile, tokenizer, config, train_rows, encoded.get("validation.jsonl"))


def _choose_threads(task: TrainTask, job: Job, facts: hardware.Machine, material: Material) -> None:
    hidden = getattr(material.config.get_text_config(), "hidden_size", 256)
    rows = task.settings.micro_batch_size * int(sum(material.train.lengths) / len(material.train.rows))
    threads = hardware.choose_threads(task.limits.threads, job.state.threads, facts, hidden=hidden, rows=rows)
    hardware.use_threads(threads)
    job.remember(threads=threads)


def _trainer(task: TrainTask, job: Job, material: Material, flow: Flow) -> SupervisedTrainer:
    settings, profile = task.settings, material.profile
    if not fused_head.mend(version("trl"), profile.device) and profile.device == "cpu":
        job.events.warn(
            "slow_head",
            f"TRL {version('trl')} is not the version whose loss Tailor speeds up on the CPU; training is slower.",
            "Install trl 1.16 for full speed.",
        )
    loaded, lora = _model(task, material)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in loaded.parameters())
    trainer = SupervisedTrainer(
        train=material.train,
        validation=material.validation,
        on_checkpoint=flow.told_checkpoint,
        on_validation=lambda metrics: _after_validation(job, material, trainer, flow, metrics),
        model=loaded,
        args=trl_args.sft_config(
            settings,
            profile,
            str(job.layout.checkpoints_dir),
            checkpointing=trl_args.needs_checkpointing(
                settings, profile, material.config, model_bytes=weights, longest=max(material.train.lengths)
            ),
        ),
        train_dataset=Dataset.from_dict({"input_ids": material.train.input_ids, "labels": material.train.labels}),
        processing_class=material.tokenizer,
        callbacks=[flow],
        peft_config=lora,
    )
    trainer.remove_callback(PrinterCallback)
    flow.count_tokens = lambda: trainer.num_tokens
    return trainer


def _model(task: TrainTask, material: Material) -> tuple[Any, Any]:
    """Return the model to train and the new adapter to put on it, None for no new one."""
    settings = task.settings
    full = settings.lora is None
    dtype = model.training_dtype(material.profile, full=full, num_parameters=_num_stored(task, material))
    loaded: Any = model.load_model(
        task.model, material.profile, dtype, quantized=bool(settings.lora and settings.lora.quantized)
    )
    if settings.attention_dropout is not None:
        _set_attention_dropout(loaded, settings.attention_dropout)
    if task.model.adapter_dir is None:
        return loaded, trl_args.lora_config(settings.lora, task.model.revision) if settings.lora else None
    set_seed(settings.seed)
    adapted = model.load_adapter(loaded, task.model, trainable=not full)
    if full:
        return adapted.merge_and_unload().requires_grad_(True), None
    own = adapted.peft_config["default"]
    if settings.lora and (own.r, own.lora_alpha) != (settings.lora.rank, settings.lora.alpha):
        raise TrainerError(
            f"{task.model.name} is an adapter of rank {own.r} and alpha {own.lora_alpha}; training it further at rank "
            f"{settings.lora.rank} and alpha {settings.lora.alpha} is not possible.",
            f"Set train.rank to {own.r} and train.alpha to {own.lora_alpha}, or train.tuning to full.",
            exit_code=ExitCode.USAGE,
        )
    return adapted, None


def _num_stored(task: TrainTask, material: Material) -> int:
    """Return the parameters of a model by the size of its configuration: layers of 12 squares, and the vocabulary."""
    text = material.config.get_text_config()
    hidden = getattr(text, "hidden_size", 0)
    return 12 * getattr(text, "num_hidden_layers", 0) * hidden * hidden + 2 * hidden * getattr(text, "vocab_size", 0)


def _set_attention_dropout(loaded: Any, value: float) -> None:
    for module in loaded.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = value
    loaded.config.attention_dropout = value


def _tell_start(job: Job, material: Material, trainer: Any, found: checkpoint.Checkpoint | None) -> None:
    counts = [(p.numel(), p.requires_grad) for p in trainer.model.parameters()]
    rows = len(material.train.rows)
    micro_batches = math.ceil(rows / trainer.args.per_device_train_batch_size)
    steps_per_epoch = math.ceil(micro_batches / trainer.args.gradient_accumulation_steps)
    job.events.write(
        Started(
            time=time.time(),
            task="train",
            pid=os.getpid(),
            device=material.profile.device,
            dtype=material.profile.dtype_name,
            threads=torch.get_num_threads(),
            num_parameters=sum(size for size, _ in counts),
            num_trainable=sum(size for size, trained in counts if trained),
            num_examples=rows,
            total_steps=math.ceil(trainer.args.num_train_epochs * steps_per_epoch),
            resumed_from=found.marker.step if found else None,
            versions={"python": platform.python_version(), **{name: version(name) for name in _VERSIONED}},
        )
    )


def _params(task: TrainTask) -> dict[str, Any]:
    settings = task.settings.model_dump(exclude={"lora"})
    lora = task.settings.lora.model_dump() if task.settings.lora else {}
    return {
        "method": task.method,
        "base_model": task.model.name,
        "base_location": task.model.location,
        "tuning": "lora" if task.settings.lora else "full",
        **settings,
        **{f"lora_{name}": value for name, value in lora.items()},
    }


def _after_validation(job: Job, material: Material, trainer: Any, flow: Flow, metrics: dict[str, float]) -> None:
    flow.told_validation(metrics)
    encoded = material.validation
    if encoded is None:
        return
    index = flow.validations % len(encoded.rows)
    row = encoded.rows[index]
    prompt = encoded.input_ids[index][: encoded.prompt_lengths[index]]
    room = model.context_length(material.config) - len(prompt)
    expected = len(encoded.input_ids[index]) - len(prompt)
    length = min(_SAMPLE_TOKENS, 2 * expected + 8, room)
    if length < 1:
        return
    with as_if_nothing_happened(trainer.model), torch.no_grad(), trainer.compute_loss_context_manager():
        ids = torch.tensor([prompt], device=trainer.model.device)
        answer = trainer.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=length,
            do_sample=False,
            pad_token_id=material.tokenizer.pad_token_id,
            eos_token_id=material.tokenizer.eos_token_id,
        )
    job.events.write(
        Sample(
            time=time.time(),
            step=flow.step,
            prompt=row.prompt[-1].content if row.prompt else "",
            completion=material.tokenizer.decode(answer[0, len(prompt) :], skip_special_tokens=True),
            expected=row.completion[-1].content if row.completion else None,
        )
    )


def _finish(task: TrainTask, job: Job, material: Material, trainer: Any, flow: Flow, tracker: Tracker) -> Finished:
    stopped = flow.stopped
    seconds = flow.seconds
    if stopped is None:
        export.publish(job.layout.model_dir, lambda folder: _save(trainer.model, material, folder))
        weights = export.hash_weights(job.layout.model_dir)
    else:
        found = checkpoint.newest(job.layout.checkpoints_dir)
        weights = export.hash_weights(found.path) if found else ""
    report = _report(task, material, trainer, flow, seconds, weights)
    report = report.model_copy(update={"launches": job.state.launches})
    tracker.metrics(flow.step, {"train_loss": report.train_loss, "final_validation_loss": report.validation_loss})
    tracker.finish(report.state, {"weights_sha256": weights, "model_dir": str(job.layout.model_dir)})
    job.remember(train_s=seconds, tracking_run=tracker.run_id)
    write_text(job.layout.report_path, report.model_dump_json(indent=2))
    if stopped is not None:
        message = f"{stopped.reason} Training stands at step {flow.step} of {flow.total_steps}; it is saved."
        return finished("stopped", message, stopped.hint, ExitCode.STOPPED, seconds)
    loss = "" if report.validation_loss is None else f" Validation loss {report.validation_loss:.4f}."
    message = f"Trained {report.steps} steps in {seconds:.0f} s.{loss}"
    return finished("succeeded", message, "", ExitCode.DONE, seconds)


def _save(trained: Any, material: Material, folder: Path) -> None:
    """Write the model as it was found but for its weights: dropout and dtype of its configuration restored."""
    stored = material.config.get_text_config()
    with contextlib.suppress(AttributeError):
        _set_attention_dropout(trained, stored.attention_dropout)
    is_adapter = hasattr(trained, "peft_config")
    if not is_adapter:
        trained.config.use_cache = True
        if stored.dtype in (torch.bfloat16, torch.float16):
            trained = trained.to(stored.dtype)
    export.write_model(trained, material.tokenizer, folder)


def _report(task: TrainTask, material: Material, trainer: Any, flow: Flow, seconds: float, weights: str) -> TrainReport:
    counts = [(p.numel(), p.requires_grad) for p in trainer.model.parameters()]
    return TrainReport(
        state="succeeded" if flow.stopped is None else "stopped",
        steps=flow.step,
        total_steps=flow.total_steps,
        epochs=float(trainer.state.epoch or 0.0),
        train_loss=_last_epoch_loss(trainer.state.log_history, task.settings),
        validation_loss=flow.validation_loss,
        seconds=seconds,
        num_tokens=trainer.num_tokens,
        tokens_per_s=trainer.num_tokens / max(seconds, 1e-9),
        num_parameters=sum(size for size, _ in counts),
        num_trainable=sum(size for size, trained in counts if trained),
        peak_memory_bytes=hardware.peak_memory_bytes(material.profile.device),
        weights_sha256=weights,
        launches=1,
    )


def _last_epoch_loss(history: list[dict[str, Any]], settings: SftSettings) -> float | None:
    """Return the mean of the losses logged in the last epoch trained."""
    logged = [(entry["epoch"], entry["loss"]) for entry in history if "loss" in entry and "epoch" in entry]
    if not logged:
        return None
    start = logged[-1][0] - min(1.0, settings.epochs)
    losses = [loss for epoch, loss in logged if epoch > start]
    return sum(losses) / len(losses)
