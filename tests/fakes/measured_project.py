"""A project with a prepared dataset, a plan and finished runs, as the step handlers find them; no job is started."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specs.layout import ProjectLayout, RunLayout
from specs.plan import Estimate, Plan, Step
from specs.run import (
    DatasetRef,
    DatasetRow,
    GenerateReport,
    Generation,
    JobLimits,
    Message,
    ModelRef,
    RunManifest,
    SftSettings,
    TrainReport,
    TrainTask,
)
from tools.steps import StepContext, StepHandler

LIMITS = JobLimits(device="cpu", threads=1, max_seconds=None)
BASE = ModelRef(name="seedling", location="/models/seedling")
SETTINGS = SftSettings(
    epochs=1, learning_rate=1e-3, batch_size=8, micro_batch_size=8, max_length=64, warmup_ratio=0.1, weight_decay=0.0,
    scheduler="cosine", loss_on="completion", seed=0, lora=None, attention_dropout=None, save_every=10, log_every=1,
)  # fmt: skip
NOTHING = Estimate(
    seconds=0, seconds_low=0, seconds_high=0, memory_bytes=0, disk_bytes=0, cost_usd=0, num_tokens=0, basis="none"
)
DEFAULT_CHECK = {"name": "accuracy", "scorer": "exact_match", "threshold": 0.8}


def row(index: int, wanted: str, prompt: str = "") -> DatasetRow:
    """Return a test row."""
    return DatasetRow(
        id=f"{index:016x}",
        prompt=(Message(role="user", content=prompt or f"question {index}"),),
        completion=(Message(role="assistant", content=wanted),),
        source=f"data/test.csv:{index + 2}",
    )


@dataclass
class MeasuredProject:
    """A project below `root` whose test rows want the answers in `wanted`."""

    root: Path
    wanted: Sequence[str]
    checks: Sequence[Mapping[str, Any]] = (DEFAULT_CHECK,)
    regressions: Sequence[Mapping[str, Any]] = ()
    max_rows: int | None = None
    version: str = "v" * 16
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layout = ProjectLayout(self.root)
        self.dataset_dir = self.layout.datasets_dir / "bank" / self.version
        self.dataset_dir.mkdir(parents=True)
        self.rows = [row(index, wanted) for index, wanted in enumerate(self.wanted)]
        lines = "".join(f"{each.model_dump_json()}\n" for each in self.rows)
        (self.dataset_dir / "test.jsonl").write_text(lines)
        self.results["prepare_data"] = {"dir": str(self.dataset_dir), "version": self.version}

    @property
    def dataset(self) -> DatasetRef:
        return DatasetRef(name="bank", version=self.version, dir=str(self.dataset_dir))

    def plan(self, kinds: Sequence[str] = ("prepare_data", "baseline", "train", "evaluate")) -> Plan:
        measuring = {
            "model": BASE.model_dump(),
            "dataset": self.dataset.model_dump(),
            "checks": list(self.checks),
            "must_not_regress": list(self.regressions),
            "max_rows": self.max_rows,
            "max_new_tokens": 16,
            "batch_size": 32,
            "limits": LIMITS.model_dump(),
        }
        task = TrainTask(method="sft", model=BASE, dataset=self.dataset, settings=SETTINGS, limits=LIMITS)
        arguments: dict[str, dict[str, Any]] = {
            "prepare_data": {},
            "baseline": measuring,
            "train": {"task": task.model_dump(mode="json"), "output": {"name": "bank", "version": 1}},
            "evaluate": {**measuring, "train_step": "train", "baseline_step": "baseline"},
        }
        steps = [
            Step(
                id=kind, kind=kind, title=kind, effect="execute", arguments=arguments[kind], inputs={}, reads=(),
                writes=(), undo="", values=(), estimate=NOTHING, depends_on=(),
            )
            for kind in kinds
        ]  # fmt: skip
        return Plan(name="bank", spec_hash="h", spec_text="", steps=tuple(steps), max_usd=0, max_seconds=3600)

    def context(self, step: str, run_id: str, plan: Plan | None = None) -> StepContext:
        plan = plan or self.plan()
        return StepContext(self.layout, plan, plan.step(step), run_id, self.results)

    def answered(
        self, handler: StepHandler, context: StepContext, answers: Mapping[str, str], weights: str = "w"
    ) -> RunLayout:
        """Write what the job of the handler's manifest would leave: run.json, generations.jsonl, report.json."""
        run = context.run
        run.run_dir.mkdir(parents=True, exist_ok=True)
        run.manifest_path.write_text(handler.manifest(context).model_dump_json())
        made = [Generation(id=id_, text=text, num_tokens=3, finish="stop") for id_, text in answers.items()]
        run.generations_path.write_text("".join(f"{each.model_dump_json()}\n" for each in made))
        report = GenerateReport(
            num_rows=len(made), num_tokens=3 * len(made), seconds=1.5, rows_per_s=100, weights_sha256=weights
        )
        run.report_path.write_text(report.model_dump_json())
        return run

    def answers(self, texts: Sequence[str]) -> dict[str, str]:
        """Return an answer for each row by id."""
        return {each.id: text for each, text in zip(self.rows, texts, strict=True)}

    def trained(self, handler: StepHandler, context: StepContext, *, adapter: bool = False) -> RunLayout:
        """Write what a training job would leave."""
        run = context.run
        run.model_dir.mkdir(parents=True)
        run.manifest_path.write_text(handler.manifest(context).model_dump_json())
        (run.model_dir / ("adapter_config.json" if adapter else "config.json")).write_text("{}")
        (run.model_dir / "model.safetensors").write_bytes(b"")
        report = TrainReport(
            state="succeeded", steps=10, total_steps=10, epochs=1, train_loss=0.1, validation_loss=None, seconds=7.5,
            num_tokens=100, tokens_per_s=10, num_parameters=5, num_trainable=5, peak_memory_bytes=1,
            weights_sha256="trained", launches=1,
        )  # fmt: skip
        run.report_path.write_text(report.model_dump_json())
        return run


def manifest_of(run: RunLayout) -> RunManifest:
    """Return the manifest of a run."""
    return RunManifest.model_validate(json.loads(run.manifest_path.read_text()))
