"""What was approved, begun and spent: the project's memory of everything that has an effect.

Recorded before the deed, so that a crash can be read back. Whether a grant is genuine is decided in
`tools.approvals`; nothing here launches or signs.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from specs.canonical import canonical_json, digest
from specs.plan import Plan
from specs.run import ModelRef
from tools.database import Database, Row
from tools.errors import ToolError
from tools.steps import JsonDict

RecordState: TypeAlias = Literal["pending", "running", "succeeded", "failed", "stopped"]

_VERSION = 1
_SCHEMA = """
CREATE TABLE plans (hash TEXT PRIMARY KEY, text TEXT NOT NULL, recorded INTEGER NOT NULL);
CREATE TABLE grants (
  grant_id TEXT PRIMARY KEY, digest TEXT NOT NULL, plan TEXT NOT NULL, step TEXT NOT NULL, max_usd REAL NOT NULL,
  max_seconds REAL NOT NULL, issued_at REAL NOT NULL, issued_uptime REAL NOT NULL, boot TEXT NOT NULL,
  ttl_s REAL NOT NULL, signer TEXT NOT NULL, mac TEXT NOT NULL, used_at REAL);
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, plan TEXT NOT NULL, step TEXT NOT NULL,
  launches INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TABLE steps (
  plan TEXT NOT NULL, step TEXT NOT NULL, attempt INTEGER NOT NULL, grant_id TEXT NOT NULL UNIQUE, run_id TEXT,
  first_launch INTEGER NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL DEFAULT '', hint TEXT NOT NULL DEFAULT '',
  result TEXT, seconds REAL NOT NULL DEFAULT 0, usd REAL NOT NULL, begun_at REAL NOT NULL, ended_at REAL,
  PRIMARY KEY (plan, step, attempt));
CREATE TABLE models (
  name TEXT NOT NULL, version INTEGER NOT NULL, run_id TEXT NOT NULL, model_dir TEXT NOT NULL, adapter_dir TEXT,
  base TEXT NOT NULL, weights_sha256 TEXT NOT NULL, PRIMARY KEY (name, version));
CREATE TABLE audit_head (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, line TEXT NOT NULL,
  written INTEGER NOT NULL)
"""


@dataclass(frozen=True)
class GrantRecord:
    """A grant as stored. Only its signature says whether it is one."""

    grant_id: str
    digest: str
    plan: str
    step: str
    max_usd: float
    max_seconds: float
    issued_at: float
    issued_uptime: float
    """Seconds since the machine started, by a clock nobody can set."""
    boot: str
    """The machine's start the uptime belongs to; empty where the system has no name for it."""
    ttl_s: float
    signer: str
    """Fingerprint of the signing key."""
    mac: str
    used_at: float | None = None


@dataclass(frozen=True)
class StepRecord:
    """The latest attempt at a step of a plan."""

    plan: str
    step: str
    attempt: int
    grant_id: str
    run_id: str | None
    first_launch: int
    """Launch of the job with which this attempt begins."""
    state: RecordState
    usd: float
    begun_at: float
    ended_at: float | None = None
    seconds: float = 0.0
    """Seconds of work, once it has ended."""
    message: str = ""
    hint: str = ""
    result: JsonDict | None = None


@dataclass(frozen=True)
class JobRecord:
    """The one job of a step of a plan."""

    run_id: str
    plan: str
    step: str
    launches: int
    """Launches recorded as intended, whether or not the last one has begun."""
    state: Literal["intent", "launched"]


@dataclass(frozen=True)
class ModelRecord:
    """A model this project trained."""

    name: str
    version: int
    run_id: str
    model_dir: str
    adapter_dir: str | None
    base: ModelRef
    weights_sha256: str

    @property
    def ref(self) -> ModelRef:
        """Return how to load it."""
        name = f"{self.name}@{self.version}"
        if self.adapter_dir is None:
            return ModelRef(name=name, location=self.model_dir)
        return self.base.model_copy(update={"name": name, "adapter_dir": self.adapter_dir})


@dataclass(frozen=True)
class Spend:
    """What a plan has used up, over all attempts and restarts."""

    seconds: float
    usd: float


def job_key(plan_hash: str, step_id: str) -> str:
    """Return the key under which a step's job exists at most once."""
    return digest({"plan": plan_hash, "step": step_id})


class Ledger(Database):
    """The ledger of one project. Opened on first use; close it, or use it as a context manager.

    Every method raises ToolError when the file cannot be read or written; a change is then not made at all.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA, _VERSION)

    def record_plan(self, plan: Plan) -> None:
        """Keep a plan; it becomes the latest."""
        text = canonical_json(plan.model_dump(mode="json")).decode()
        self.change(
            "INSERT INTO plans VALUES (?, ?, (SELECT coalesce(max(recorded), 0) + 1 FROM plans))"
            " ON CONFLICT (hash) DO UPDATE SET recorded = excluded.recorded",
            (plan.hash, text),
        )

    def plan(self, plan_hash: str) -> Plan | None:
        """Return a recorded plan. Raises ToolError when its text is not what its hash names."""
        return _recorded_plan(self.row("SELECT hash, text FROM plans WHERE hash = ?", (plan_hash,)), self.path)

    def latest_plan(self, spec_hash: str | None = None) -> Plan | None:
        """Return the plan recorded last, of all or of one spec."""
        row = self.row(
            "SELECT hash, text FROM plans WHERE ?1 IS NULL OR json_extract(text, '$.spec_hash') = ?1"
            " ORDER BY recorded DESC LIMIT 1",
            (spec_hash,),
        )
        return _recorded_plan(row, self.path)

    def approved_plan(self) -> Plan | None:
        """Return the plan that a grant was last made for."""
        newest = "SELECT plan FROM grants ORDER BY rowid DESC LIMIT 1"
        return _recorded_plan(self.row(f"SELECT hash, text FROM plans WHERE hash = ({newest})"), self.path)

    def add_grant(self, grant: GrantRecord) -> None:
        """Keep a new grant."""
        values = asdict(grant)
        names = ", ".join(values)
        self.change(f"INSERT INTO grants ({names}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))

    def grant(self, grant_id: str) -> GrantRecord | None:
        """Return a grant as stored."""
        row = self.row("SELECT * FROM grants WHERE grant_id = ?", (grant_id,))
        return GrantRecord(**row) if row else None

    def use_grant(self, grant_id: str, used_at: float) -> bool:
        """Mark a grant as used; False when it was used before, by whoever came first."""
        return (
            self.change("UPDATE grants SET used_at = ? WHERE grant_id = ? AND used_at IS NULL", (used_at, grant_id))
            == 1
        )

    def claim_job(self, plan_hash: str, step_id: str, *, taken: int = 0) -> JobRecord:
        """Return the job of a step, made with a new run id when there is none yet.

        Args:
            plan_hash: the plan.
            step_id: the step.
            taken: highest number of a run folder, as one left by an earlier ledger; a new run id lies above it.
        """
        key = job_key(plan_hash, step_id)
        self.change(
            "INSERT INTO jobs (number, key, plan, step, launches, state)"
            " SELECT max(coalesce(max(number), 0), ?) + 1, ?, ?, ?, 0, 'intent' FROM jobs WHERE true"
            " ON CONFLICT (key) DO NOTHING",
            (taken, key, plan_hash, step_id),
        )
        row = self.row("SELECT number, plan, step, launches, state FROM jobs WHERE key = ?", (key,))
        if row is None:
            raise ToolError(f"The job of step {step_id} was not recorded in {self.path}.", retryable=True)
        return JobRecord(f"r{row['number']}", row["plan"], row["step"], row["launches"], row["state"])

    def intend_launch(self, job: JobRecord) -> JobRecord:
        """Record that a job is about to be launched once more; of several callers with the same record one counts."""
        self.change(
            "UPDATE jobs SET launches = launches + 1, state = 'intent' WHERE key = ? AND launches = ?",
            (job_key(job.plan, job.step), job.launches),
        )
        return self.claim_job(job.plan, job.step)

    def confirm_launch(self, job: JobRecord) -> None:
        """Record that the launch which was intended has begun."""
        self.change("UPDATE jobs SET state = 'launched' WHERE key = ?", (job_key(job.plan, job.step),))

    def begin_step(self, grant: GrantRecord, job: JobRecord | None, *, usd: float, now: float) -> StepRecord:
        """Record the next attempt at the step a grant is for, as pending.

        Args:
            grant: the grant, used in the same transaction.
            job: the step's job, None for a step without one; its latest intended launch is the attempt's first.
            usd: the most the attempt may cost, in US dollars.
            now: seconds since the epoch.
        """
        previous = self.step(grant.plan, grant.step)
        record = StepRecord(
            plan=grant.plan,
            step=grant.step,
            attempt=previous.attempt + 1 if previous else 1,
            grant_id=grant.grant_id,
            run_id=job.run_id if job else None,
            first_launch=job.launches if job else 0,
            state="pending",
            usd=usd,
            begun_at=now,
        )
        self.save_step(record)
        return record

    def save_step(self, record: StepRecord) -> None:
        """Record an attempt as it stands now."""
        values = {**asdict(record), "result": None if record.result is None else _text(record.result)}
        names = ", ".join(values)
        updates = ", ".join(f"{name} = excluded.{name}" for name in values)
        self.change(
            f"INSERT INTO steps ({names}) VALUES ({', '.join('?' * len(values))})"
            f" ON CONFLICT (plan, step, attempt) DO UPDATE SET {updates}",
            tuple(values.values()),
        )

    def step(self, plan_hash: str, step_id: str) -> StepRecord | None:
        """Return the latest attempt at a step."""
        return next((record for record in self.steps(plan_hash) if record.step == step_id), None)

    def steps(self, plan_hash: str | None = None) -> tuple[StepRecord, ...]:
        """Return the latest attempt at each step that was begun, of one plan or of all."""
        rows = self.rows("SELECT * FROM steps WHERE ?1 IS NULL OR plan = ?1 ORDER BY attempt", (plan_hash,))
        latest = {(row["plan"], row["step"]): row for row in rows}
        return tuple(_step_record(row) for row in latest.values())

    def spent(self, plan_hash: str) -> Spend:
        """Return what all attempts of a plan have used: seconds of ended ones, dollars of all."""
        row = self.row(
            "SELECT coalesce(sum(seconds), 0.0) AS seconds, coalesce(sum(usd), 0.0) AS usd FROM steps WHERE plan = ?",
            (plan_hash,),
        )
        return Spend(row["seconds"], row["usd"]) if row else Spend(0.0, 0.0)

    def add_model(self, model: ModelRecord) -> None:
        """Keep a model of this project. Raises ToolError when another run has made that version."""
        values = (model.name, model.version, model.run_id, model.model_dir, model.adapter_dir)
        with self.transaction():
            row = self.row("SELECT run_id FROM models WHERE name = ? AND version = ?", (model.name, model.version))
            if row is not None and row["run_id"] != model.run_id:
                raise ToolError(
                    f"{model.name}@{model.version} was already made by run {row['run_id']}, so the model of run"
                    f" {model.run_id} cannot have that name.",
                    "Make a new plan with `tailor plan`; it takes the next version.",
                )
            self.change(
                "REPLACE INTO models (name, version, run_id, model_dir, adapter_dir, base, weights_sha256)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*values, model.base.model_dump_json(), model.weights_sha256),
            )

    def models(self) -> tuple[ModelRecord, ...]:
        """Return the project's models by name and version."""
        rows = self.rows("SELECT * FROM models ORDER BY name, version")
        return tuple(_model_record(row) for row in rows)

    def custom_model(self, name: str, version: int) -> ModelRef | None:
        """Return how to load a model of this project, None when there is none of that name and version."""
        found = [model for model in self.models() if (model.name, model.version) == (name, version)]
        return found[0].ref if found else None

    def next_version(self, name: str) -> int:
        """Return the version number the next model of that name gets, from 1."""
        return max((model.version for model in self.models() if model.name == name), default=0) + 1


def _recorded_plan(row: Row | None, path: Path) -> Plan | None:
    if row is None:
        return None
    plan = Plan.model_validate_json(row["text"])
    if plan.hash != row["hash"]:
        raise ToolError(
            f"A plan in {path} is not the one that was recorded: its content does not match its hash.",
            "Make a new plan with `tailor plan`; the ledger was changed from outside.",
        )
    return plan


def _text(value: JsonDict) -> str:
    return json.dumps(value, allow_nan=False)


def _step_record(row: Row) -> StepRecord:
    values = dict(row)
    values["result"] = None if row["result"] is None else json.loads(row["result"])
    return StepRecord(**values)


def _model_record(row: Row) -> ModelRecord:
    values = dict(row)
    values["base"] = ModelRef.model_validate_json(row["base"])
    return ModelRecord(**values)
