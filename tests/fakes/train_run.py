"""Run directories that train or answer with tiny models, and processes that die where a test wants them to."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from specs.events import TRAIN_EVENT, EventBase, TrainEvent
from specs.layout import RunLayout
from specs.run import (
    DatasetRef,
    DatasetRow,
    GenerateTask,
    JobLimits,
    LoraSettings,
    Message,
    ModelRef,
    RunManifest,
    SftSettings,
    TrackingRef,
    TrainTask,
)

COLOURS = ("red", "green", "blue", "black")
SETTINGS: dict[str, Any] = {
    "epochs": 3,
    "learning_rate": 3e-3,
    "batch_size": 8,
    "micro_batch_size": 8,
    "max_length": 128,
    "warmup_ratio": 0.1,
    "weight_decay": 0.01,
    "scheduler": "cosine",
    "loss_on": "completion",
    "seed": 3,
    "lora": None,
    "attention_dropout": 0.1,
    "save_every": 5,
    "log_every": 1,
}
LORA = LoraSettings(rank=4, alpha=8, dropout=0.1)
LIMITS = JobLimits(device="cpu", threads=1, max_seconds=None)


def row(number: int, *, prompt: str | None = None, answer: str | None = None) -> DatasetRow:
    """Return a row whose answer follows from its prompt."""
    colour = COLOURS[number % len(COLOURS)]
    asked = Message(
        role="user", content=prompt if prompt is not None else f"{colour} thing {'x' * (number % 7)}{number}"
    )
    told = Message(role="assistant", content=answer if answer is not None else colour)
    name = hashlib.sha256(f"{number}{asked.content}".encode()).hexdigest()[:16]
    return DatasetRow(id=name, prompt=(asked,), completion=(told,), source=f"data/train.csv:{number + 1}")


def write_rows(path: Path, rows: list[DatasetRow]) -> Path:
    """Write rows as a dataset file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(item.model_dump_json() + "\n" for item in rows))
    return path


def write_dataset(folder: Path, *, train: int = 44, validation: int = 6) -> DatasetRef:
    """Write a dataset version."""
    write_rows(folder / "train.jsonl", [row(i) for i in range(train)])
    write_rows(folder / "validation.jsonl", [row(i) for i in range(1000, 1000 + validation)])
    write_rows(folder / "test.jsonl", [row(i) for i in range(2000, 2008)])
    return DatasetRef(name="colours", version="sha256:0", dir=str(folder))


def write_manifest(run_dir: Path, task: TrainTask | GenerateTask) -> RunLayout:
    """Make a run directory."""
    run_dir.mkdir(parents=True, exist_ok=True)
    manifest = RunManifest(
        run_id=run_dir.name, project="tests", plan="sha256:0", step=task.type, created_at=0.0, task=task
    )
    layout = RunLayout(run_dir)
    layout.manifest_path.write_text(manifest.model_dump_json())
    return layout


def train_run(
    run_dir: Path,
    model: ModelRef,
    dataset: DatasetRef,
    *,
    limits: JobLimits = LIMITS,
    tracking: TrackingRef | None = None,
    **settings: Any,
) -> RunLayout:
    """Make a run directory that trains."""
    task = TrainTask(
        method="sft",
        model=model,
        dataset=dataset,
        settings=SftSettings.model_validate({**SETTINGS, **settings}),
        limits=limits,
        tracking=tracking,
    )
    return write_manifest(run_dir, task)


def generate_run(
    run_dir: Path, model: ModelRef, prompts: Path, *, max_new_tokens: int = 12, batch_size: int = 4
) -> RunLayout:
    """Make a run directory that answers."""
    task = GenerateTask(
        model=model,
        prompts_path=str(prompts),
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        limits=LIMITS,
    )
    return write_manifest(run_dir, task)


def events(layout: RunLayout) -> list[TrainEvent]:
    """Return the events of a run."""
    return [TRAIN_EVENT.validate_json(line) for line in layout.events_path.read_bytes().splitlines()]


def kinds(layout: RunLayout) -> list[str]:
    """Return the types of a run's events."""
    return [event.type for event in events(layout)]


def report(layout: RunLayout) -> dict[str, Any]:
    """Return the report of a run."""
    return json.loads(layout.report_path.read_text())


def run_in_child(run_dir: Path, log: Path, before: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """Body of a child process: run the job, after `before` has laid its mine."""
    os.environ["OMP_NUM_THREADS"] = "1"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if before is not None:
        before(*arguments)
    from trainer.run import run

    os._exit(run(run_dir))


def die_at(kind: str, number: int) -> None:
    """Lay a mine: SIGKILL this process right after it has written its `number`-th event of a kind."""
    at_event(kind, number, lambda: os.kill(os.getpid(), signal.SIGKILL))


def terminate_at(kind: str, number: int) -> None:
    """Lay a mine: SIGTERM to this process right after it has written its `number`-th event of a kind."""
    at_event(kind, number, lambda: os.kill(os.getpid(), signal.SIGTERM))


def touch_at(kind: str, number: int, path: str) -> None:
    """Lay a mine: make a file right after the `number`-th event of a kind."""
    at_event(kind, number, Path(path).touch)


def die_in_checkpoint(number: int) -> None:
    """Lay a mine: SIGKILL this process when the `number`-th checkpoint has its files but not its marker."""
    from trainer import checkpoint

    real, count = checkpoint.sync_folder, [0]

    def sync(folder: Path) -> None:
        if folder.name.startswith("step-"):
            count[0] += 1
            if count[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
        real(folder)

    checkpoint.sync_folder = sync


def at_event(kind: str, number: int, act: Callable[[], None]) -> None:
    """Call `act` right after the `number`-th event of a kind is written."""
    from trainer.events import EventLog

    real, seen = EventLog.write, [0]

    def write(self: EventLog, event: EventBase) -> None:
        real(self, event)
        if getattr(event, "type", "") == kind:
            seen[0] += 1
            if seen[0] == number:
                act()

    EventLog.write = write  # type: ignore[method-assign]


def wait_for(condition: Callable[[], bool], patience_s: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
