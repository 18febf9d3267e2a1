"""Run directories made by hand: a manifest, the marks of its launches, events as a job would tell them."""

import json
from pathlib import Path

from specs.events import EventBase, Finished, StepDone
from specs.layout import ProjectLayout, RunLayout
from specs.run import (
    DatasetRef,
    GenerateTask,
    JobLimits,
    ModelRef,
    RunManifest,
    ServeTask,
    SftSettings,
    TrainTask,
)

BEGIN = 1_700_000_000.0
"""When the made-up jobs begin."""
LIMITS = JobLimits(device="cpu", threads=2, max_seconds=2880)
SETTINGS = SftSettings(
    epochs=2,
    learning_rate=1e-3,
    batch_size=8,
    micro_batch_size=8,
    max_length=128,
    warmup_ratio=0.1,
    weight_decay=0.01,
    scheduler="cosine",
    loss_on="completion",
    seed=1,
    lora=None,
    attention_dropout=None,
    save_every=100,
    log_every=1,
)
MODEL = ModelRef(name="seedling", location="/models/seedling")
TRAIN = TrainTask(
    method="sft",
    model=MODEL,
    dataset=DatasetRef(name="tickets", version="1", dir="/data"),
    settings=SETTINGS,
    limits=LIMITS,
)
GENERATE = GenerateTask(model=MODEL, prompts_path="/data/test.jsonl", max_new_tokens=8, batch_size=4, limits=LIMITS)
SERVE = ServeTask(
    models=(MODEL, ModelRef(name="tickets@1", location="/models/tickets")),
    port=0,
    api_key_path="/keys/1",
    ttl_s=3600,
    max_batch=4,
    limits=LIMITS,
)


def make_run(
    layout: ProjectLayout, run_id: str, task: TrainTask | GenerateTask | ServeTask = TRAIN, step: str = ""
) -> RunLayout:
    """Make a run directory that was not launched yet."""
    run = layout.run(run_id)
    run.run_dir.mkdir(parents=True)
    manifest = RunManifest(
        run_id=run_id, project="tickets", plan="sha256:0", step=step or task.type, created_at=BEGIN, task=task
    )
    run.manifest_path.write_text(manifest.model_dump_json())
    return run


def launch(run: RunLayout, number: int = 1, time: float = BEGIN) -> None:
    """Mark that a launch has begun."""
    offset = run.events_path.stat().st_size if run.events_path.exists() else 0
    (run.run_dir / f"started-{number}").write_text(json.dumps({"time": time, "events_offset": offset}))


def tell(run: RunLayout, *events: EventBase) -> None:
    """Append events."""
    with run.events_path.open("a", encoding="utf-8") as stream:
        stream.writelines(event.model_dump_json() + "\n" for event in events)


def end(run: RunLayout, number: int = 1, *, rc: int | None = 0, signal: int | None = None, time: float = 0.0) -> None:
    """Mark that a launch has ended."""
    run.exit_path.write_text(json.dumps({"launch": number, "rc": rc, "signal": signal, "time": time or BEGIN + 60}))


def write_log(run: RunLayout, *lines: str) -> None:
    """Append to what the job wrote for people."""
    with run.log_path.open("a", encoding="utf-8") as stream:
        stream.writelines(line + "\n" for line in lines)


def step(number: int, loss: float, total: int = 500) -> StepDone:
    """Return a step as training tells it."""
    return StepDone(
        time=BEGIN + 2.9 * number,
        step=number,
        total_steps=total,
        epoch=2 * number / total,
        loss=loss,
        learning_rate=1.1e-4,
        grad_norm=0.82,
        tokens_per_s=11_200.0,
        elapsed_s=2.9 * number,
        eta_s=2.9 * (total - number),
    )


def finished(state: str = "succeeded", message: str = "Done.", hint: str = "", at: float = BEGIN + 60) -> Finished:
    """Return a closing event."""
    codes = {"succeeded": 0, "failed": 1, "stopped": 4}
    return Finished.model_validate(
        {"time": at, "state": state, "message": message, "hint": hint, "exit_code": codes[state], "seconds": 60.0}
    )


def lock(run: RunLayout) -> Path:
    """Return the file whose lock says that the job lives; a test that holds it plays the job."""
    run.lock_path.touch()
    return run.lock_path
