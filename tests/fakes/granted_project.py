"""A project whose plan is run by fake trainers: everything between a grant and a job is real."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from specs.layout import ProjectLayout, RunLayout
from specs.plan import Estimate, Plan, Step
from specs.run import GenerateTask, JobLimits, ModelRef, RunManifest
from tools.approvals import GrantIssuer, GrantKey, GrantVerifier
from tools.audit import AuditLog
from tools.backends.local.backend import LocalBackend
from tools.errors import ToolError
from tools.events import ExecutorEvent
from tools.executor import Executor
from tools.ledger import Ledger
from tools.steps import JsonDict, StepContext

FAKE_TRAINER = Path(__file__).with_name("fake_trainer.py")


def a_step(step_id: str, kind: str | None = None, *, after: tuple[str, ...] = (), **changes: object) -> Step:
    estimate = Estimate(
        seconds=1, seconds_low=1, seconds_high=2, memory_bytes=0, disk_bytes=0, cost_usd=0, num_tokens=0, basis="fake"
    )
    values: dict[str, object] = {
        "id": step_id,
        "kind": kind or step_id,
        "title": step_id,
        "effect": "execute",
        "arguments": {"epochs": 3},
        "inputs": {"data/train.csv": "sha256:aa"},
        "reads": (),
        "writes": (),
        "undo": "Nothing to take back.",
        "values": (),
        "estimate": estimate,
        "depends_on": after,
    }
    return Step.model_validate(values | changes)


def a_plan(*steps: Step, **changes: object) -> Plan:
    chosen = steps or (
        a_step("prepare_data"),
        a_step("train", after=("prepare_data",)),
        a_step("evaluate", after=("train",)),
    )
    values: dict[str, object] = {
        "name": "demo",
        "spec_hash": "sha256:00",
        "spec_text": "name: demo\n",
        "steps": chosen,
        "max_usd": 0.0,
        "max_seconds": 600.0,
    }
    return Plan.model_validate(values | changes)


def a_manifest(run_id: str, plan: str = "sha256:plan", step: str = "train") -> RunManifest:
    model = ModelRef(name="base", location="/nowhere")
    limits = JobLimits(device="cpu", threads=1, max_seconds=None)
    task = GenerateTask(model=model, prompts_path="/nowhere", max_new_tokens=1, batch_size=1, limits=limits)
    return RunManifest(run_id=run_id, project="demo", plan=plan, step=step, created_at=time.time(), task=task)


@dataclass
class FakeStep:
    """A handler without any work of its own; counts its effect in a file of the project."""

    has_job: bool = True
    keeps_running: bool = False
    result: JsonDict = field(default_factory=dict)
    error: ToolError | None = None

    def manifest(self, context: StepContext) -> RunManifest:
        return a_manifest(context.run_id or "", context.plan.hash, context.step.id)

    def finish(self, context: StepContext) -> JsonDict:
        if self.error is not None:
            raise self.error
        if self.has_job:
            return self.result
        path = context.layout.root / f"{context.step.id}.done"
        path.write_text(path.read_text() + "once more\n" if path.exists() else "once\n")
        return self.result


def handlers() -> dict[str, FakeStep]:
    model = {
        "name": "demo",
        "version": 1,
        "model_dir": str(FAKE_TRAINER.parent),
        "adapter_dir": None,
        "weights_sha256": "ab",
    }
    base = ModelRef(name="base", location="/nowhere").model_dump()
    return {
        "prepare_data": FakeStep(has_job=False, result={"version": "v"}),
        "baseline": FakeStep(),
        "train": FakeStep(result={**model, "base": base}),
        "evaluate": FakeStep(result={"checks": [{"name": "accuracy", "passed": True}]}),
        "deploy": FakeStep(keeps_running=True, result={"url": "http://127.0.0.1:1/v1"}),
    }


class GrantedProject:
    """A project with a person in it."""

    def __init__(self, root: Path, *options: str) -> None:
        self.layout = ProjectLayout(root)
        self.key = GrantKey.new()
        self.ledger = Ledger(self.layout.ledger_path)
        self.audit = AuditLog(self.layout.audit_path, self.ledger)
        self.options = list(options)
        self.backend = LocalBackend(self.layout, self.command)
        self.handlers = handlers()
        self.input_hash: Callable[[str, Step], str] = lambda name, step: step.inputs[name]

    def command(self, _manifest: RunManifest, run: RunLayout) -> list[str]:
        return [sys.executable, str(FAKE_TRAINER), str(run.run_dir), *self.options]

    def executor(self) -> Executor:
        return Executor(
            self.layout,
            self.ledger,
            self.audit,
            GrantVerifier(self.ledger, self.key),
            self.backend,
            self.handlers,
            self.input_hash,
            poll_s=0.02,
        )

    def approve(self, plan: Plan, *steps: str, max_seconds: float = 600.0) -> dict[str, str]:
        issuer = GrantIssuer(self.ledger, self.key)
        wanted = steps or tuple(step.id for step in plan.steps)
        return {
            step: issuer.issue(plan, step, max_usd=plan.max_usd, max_seconds=max_seconds).grant_id for step in wanted
        }

    def run(self, plan: Plan, grants: dict[str, str] | None = None, **options: object) -> list[ExecutorEvent]:
        return list(self.watch(plan, self.approve(plan) if grants is None else grants, **options))

    def watch(self, plan: Plan, grants: dict[str, str], **options: object) -> Iterator[ExecutorEvent]:
        return self.executor().run(plan, grants, **options)

    def effects(self, run_id: str) -> int:
        path = self.layout.run(run_id).run_dir / "effects"
        return len(path.read_text().splitlines()) if path.exists() else 0
