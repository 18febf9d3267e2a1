"""Runs the granted steps of a plan: record first, then act, each effect once, whatever crashes in between.

The one place that launches for the agent, the command line and the SDK. It checks grants and inputs itself, just
before the effect; what a step does is known to its handler alone.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from specs.errors import TailorError
from specs.events import Finished
from specs.layout import ProjectLayout
from specs.plan import Plan, Step, StepKind
from specs.run import ModelRef
from tools.approvals import GrantVerifier
from tools.audit import AuditLog, changed_results, result_digest
from tools.backends.base import JobBackend
from tools.errors import BudgetExceeded, GrantRefused, ToolError
from tools.events import (
    ExecutorEvent,
    PlanFinished,
    PlanState,
    StepFinished,
    StepStarted,
    StepState,
    StepSummary,
    StepWaiting,
)
from tools.job_run import JobRun, JobTools
from tools.kill_points import kill_point
from tools.ledger import JobRecord, Ledger, ModelRecord, StepRecord
from tools.locks import project_lock
from tools.runs import EventReader, JobEnd, job_end, work_seconds
from tools.steps import JsonDict, StepContext, StepHandler


@dataclass(frozen=True)
class Executor:
    """Runs plans of one project."""

    layout: ProjectLayout
    ledger: Ledger
    audit: AuditLog
    verifier: GrantVerifier
    backend: JobBackend
    handlers: Mapping[StepKind, StepHandler]
    input_hash: Callable[[str, Step], str]
    """Returns the hash that a named input of a step has now."""
    clock: Callable[[], float] = time.time
    poll_s: float = 0.1
    """Seconds between two looks at a running job."""

    def run(
        self, plan: Plan, grants: Mapping[str, str], *, only: Collection[str] | None = None
    ) -> Iterator[ExecutorEvent]:
        """Run a plan's steps and yield what happens; the last event is `plan_finished`.

        A step that succeeded before is not run again. A step that waits for approval or fails holds up the steps that
        depend on it; a stop or a used-up budget ends the whole plan. Closing the iterator stops watching, not the job.

        Args:
            plan: the plan.
            grants: grant id by step id.
            only: run these steps alone.

        Raises:
            ProjectBusy: another process runs a plan in this project; raised at the first event.
            ToolError: ledger or audit log cannot be written; what was recorded before is kept.
        """
        with project_lock(self.layout.lock_path):
            self.ledger.record_plan(plan)
            yield from _PlanRun(self, plan, grants, only).events()


class _PlanRun:
    """One call of `Executor.run`."""

    def __init__(self, tools: Executor, plan: Plan, grants: Mapping[str, str], only: Collection[str] | None) -> None:
        self._tools = tools
        self._ledger = tools.ledger
        self._plan = plan
        self._hash = plan.hash
        self._grants = grants
        self._only = only
        self._results: dict[str, JsonDict] = {}
        self._states: dict[str, StepState] = {}
        self._ended_early = False
        self._dead_servers: set[str] = set()
        self._job_tools = JobTools(tools.ledger, tools.audit, tools.backend, tools.clock, tools.poll_s)

    def events(self) -> Iterator[ExecutorEvent]:
        for step in self._plan.steps:
            self._states[step.id] = "not_run"
            if self._only is not None and step.id not in self._only:
                self._recall(step)
            elif not self._ended_early:
                yield from self._step(step)
        closing = self._closing()
        self._tools.audit.append("plan_finished", plan=self._hash, state=closing.state)
        yield closing

    def _recall(self, step: Step) -> None:
        """Take over what a step that is not to be run has done earlier."""
        record = self._ledger.step(self._hash, step.id)
        if (
            record is not None
            and record.state == "succeeded"
            and record.result is not None
            and _is_genuine(self._tools, record)
        ):
            self._results[step.id] = record.result
            self._states[step.id] = "succeeded"

    def _step(self, step: Step) -> Iterator[ExecutorEvent]:
        missing = [name for name in step.depends_on if name not in self._results]
        if missing:
            # Of a plan run as a whole, the reason has been told with the step that is missing.
            if self._only is not None and missing[0] not in self._only:
                yield self._failed(step, ToolError(f"Step {step.id} needs step {missing[0]}, which has not succeeded."))
            return
        record: StepRecord | None = None
        try:
            handler = self._handler(step)
            known = self._ledger.step(self._hash, step.id)
            _check_genuine(self._tools, known)
            if (
                known is not None
                and known.state == "succeeded"
                and not (_is_result_gone(step, known) or self._starts_again(known, handler))
            ):
                yield self._skipped(step, known)
                return
            record = known
            if record is None or not self._goes_on(record, step):
                record = None
                record = self._begin(step, handler)
            yield from self._work(step, handler, record)
        except GrantRefused as e:
            yield self._refused(step, record, e)
        except BudgetExceeded as e:
            self._ended_early = True
            self._states[step.id] = "stopped"
            self._tools.audit.append("step_refused", plan=self._hash, step=step.id, message=e.message)
            yield StepFinished(step=step.id, state="stopped", run=None, seconds=0.0, message=e.message, hint=e.hint)
        except TailorError as e:
            yield self._failed(step, e, record)

    def _handler(self, step: Step) -> StepHandler:
        handler = self._tools.handlers.get(step.kind)
        if handler is None:
            raise ToolError(f"This Tailor cannot run steps of the kind {step.kind}.", "Update it, or change the spec.")
        return handler

    def _starts_again(self, record: StepRecord, handler: StepHandler) -> bool:
        """Whether a server that has ended is to be started anew, which only a person's new grant says."""
        if not handler.keeps_running or record.run_id is None:
            return False
        if self._tools.backend.status(record.run_id).state == "running":
            return False
        if record.step in self._grants:
            return True
        self._dead_servers.add(record.step)
        return False

    def _goes_on(self, record: StepRecord, step: Step) -> bool:
        """Whether an attempt that was begun may go on without a new grant.

        Either the person of this very process approved it, or its effect has begun, so that going on adds none.
        """
        if record.state not in {"pending", "running"}:
            return False
        if self._tools.verifier.vouches(record.grant_id, self._plan, step):
            return True
        return record.run_id is not None and self._tools.backend.status(record.run_id).launch >= record.first_launch

    def _begin(self, step: Step, handler: StepHandler) -> StepRecord:
        """Use up the step's grant and record the attempt, in one commit."""
        self._check_budget(step, handler)
        grant_id = self._grants.get(step.id)
        if grant_id is None:
            raise GrantRefused(
                f"Step {step.id} waits for your approval.", f"Approve it: tailor run --approve {step.id}"
            )
        self._check_inputs(step)
        kill_point("inputs_checked")
        least_s = 0.0 if handler.keeps_running else step.estimate.seconds_low
        with self._ledger.transaction():
            grant = self._tools.verifier.consume(
                grant_id, self._plan, step, usd=step.estimate.cost_usd, seconds=least_s
            )
            self._set_aside(step)
            job = self._claim(step, handler) if handler.has_job else None
            record = self._ledger.begin_step(grant, job, usd=step.estimate.cost_usd, now=self._tools.clock())
            if job is not None:
                # A stop that was asked for before this approval must not end what the approval begins.
                self._tools.layout.run(job.run_id).stop_path.unlink(missing_ok=True)
            kill_point("grant_used")
        kill_point("step_begun")
        self._tools.audit.append(
            "step_begun",
            plan=self._hash,
            step=step.id,
            attempt=record.attempt,
            grant=grant.grant_id,
            digest=grant.digest,
            run=record.run_id,
        )
        return record

    def _set_aside(self, step: Step) -> None:
        """Close an attempt that was approved in another process and never began."""
        record = self._ledger.step(self._hash, step.id)
        if record is not None and record.state in {"pending", "running"}:
            self._ledger.save_step(replace(record, state="stopped", usd=0.0, message="Never begun."))

    def _claim(self, step: Step, handler: StepHandler) -> JobRecord:
        """Return the step's job with the launch recorded that the attempt begins with."""
        taken = max(
            (int(path.name[1:]) for path in self._tools.layout.runs_dir.glob("r*") if path.name[1:].isdigit()),
            default=0,
        )
        job = self._ledger.claim_job(self._hash, step.id, taken=taken)
        status = self._tools.backend.status(job.run_id)
        if status.launch < job.launches:
            return job
        if status.launch and not handler.keeps_running and self._has_succeeded(job):
            # The job did its work and only what follows it failed.
            return job
        return self._ledger.intend_launch(job)

    def _has_succeeded(self, job: JobRecord) -> bool:
        run = self._tools.layout.run(job.run_id)
        status = self._tools.backend.status(job.run_id)
        if status.state == "running":
            return False
        ends = [
            placed.event
            for placed in EventReader(run.events_path, status.events_offset).read()
            if isinstance(placed.event, Finished)
        ]
        return job_end(run, status, ends[-1] if ends else None).state == "succeeded"

    def _check_budget(self, step: Step, handler: StepHandler) -> None:
        spent = self._ledger.spent(self._hash)
        if handler.has_job and not handler.keeps_running and spent.seconds >= self._plan.max_seconds:
            raise BudgetExceeded(
                f"The plan's {self._plan.max_seconds:.0f} s are used up ({spent.seconds:.0f} s), so step {step.id} was"
                " not begun.",
                "Raise budget.hours in spec.yaml and approve the new plan.",
            )
        cost = step.estimate.cost_usd
        if cost > 0 and not spent.usd + cost <= self._plan.max_usd:
            raise BudgetExceeded(
                f"Step {step.id} may cost {cost:.2f} USD and was not begun: of the plan's {self._plan.max_usd:.2f} USD"
                f" {spent.usd:.2f} are spent.",
                "Raise budget.usd in spec.yaml and approve the new plan.",
            )

    def _check_inputs(self, step: Step) -> None:
        _check_name(self._ledger, step)
        for name, expected in step.inputs.items():
            found = self._tools.input_hash(name, step)
            if found != expected:
                raise ToolError(
                    f"{name} changed since the plan was made: it was {expected[:19]}, now it is {found[:19]}. Step"
                    f" {step.id} was not begun.",
                    "Make a new plan with `tailor plan` and approve that.",
                )

    def _work(self, step: Step, handler: StepHandler, record: StepRecord) -> Iterator[ExecutorEvent]:
        context = StepContext(self._tools.layout, self._plan, step, record.run_id, self._results)
        begun = self._tools.clock()
        end, seconds = JobEnd("succeeded"), 0.0
        if handler.has_job:
            job_run = JobRun(self._job_tools, context, handler, record, self._seconds_left(record))
            end = yield from job_run.events()
            seconds = job_run.seconds
            kill_point("job_ended")
        else:
            yield StepStarted(step=step.id, run=None, resumed=False)
        result: JsonDict | None = None
        if end.state == "succeeded":
            result = handler.finish(context)
            kill_point("result_made")
        if not handler.has_job:
            seconds = max(0.0, self._tools.clock() - begun)
        yield self._record_end(step, record, end, seconds, result)

    def _seconds_left(self, record: StepRecord) -> float:
        grant = self._ledger.grant(record.grant_id)
        left_s = self._plan.max_seconds - self._ledger.spent(self._hash).seconds
        return left_s if grant is None else min(left_s, grant.max_seconds)

    def _record_end(
        self, step: Step, record: StepRecord, end: JobEnd, seconds: float, result: JsonDict | None
    ) -> StepFinished:
        with self._ledger.transaction():
            self._ledger.save_step(
                replace(
                    record,
                    state=end.state,
                    seconds=seconds,
                    ended_at=self._tools.clock(),
                    message=end.message,
                    hint=end.hint,
                    result=result,
                )
            )
            if step.kind == "train" and result is not None and record.run_id is not None:
                self._ledger.add_model(_model(result, record.run_id))
        kill_point("result_recorded")
        self._tools.audit.append(
            "step_ended",
            plan=self._hash,
            step=step.id,
            attempt=record.attempt,
            state=end.state,
            run=record.run_id,
            result=result_digest(result),
        )
        self._states[step.id] = end.state
        if result is not None:
            self._results[step.id] = result
        self._ended_early = self._ended_early or end.state == "stopped"
        return StepFinished(
            step=step.id,
            state=end.state,
            run=record.run_id,
            seconds=seconds,
            message=end.message,
            hint=end.hint,
            result=result,
        )

    def _skipped(self, step: Step, record: StepRecord) -> StepFinished:
        self._results[step.id] = record.result or {}
        self._states[step.id] = "succeeded"
        is_dead = step.id in self._dead_servers
        return StepFinished(
            step=step.id,
            state="succeeded",
            run=record.run_id,
            seconds=record.seconds,
            message=f"The server of run {record.run_id} no longer runs." if is_dead else record.message,
            hint=f"Start it again: tailor run --approve {step.id}" if is_dead else record.hint,
            result=record.result,
            skipped=True,
        )

    def _refused(self, step: Step, record: StepRecord | None, error: GrantRefused) -> ExecutorEvent:
        if record is not None:
            # The handler itself found that what it was to do is not what was approved.
            return self._failed(step, error, record)
        self._states[step.id] = "waiting"
        if step.id in self._grants:
            self._tools.audit.append("grant_refused", plan=self._hash, step=step.id, message=error.message)
        return StepWaiting(step=step.id, digest=step.digest(self._hash), message=error.message, hint=error.hint)

    def _failed(self, step: Step, error: TailorError, record: StepRecord | None = None) -> StepFinished:
        end = JobEnd("failed", error.message, error.hint)
        if record is not None:
            seconds = 0.0
            if record.run_id is not None:
                run = self._tools.layout.run(record.run_id)
                seconds = work_seconds(run, self._tools.clock(), first_launch=record.first_launch)
            return self._record_end(step, record, end, seconds, None)
        self._states[step.id] = "failed"
        self._tools.audit.append("step_refused", plan=self._hash, step=step.id, message=error.message)
        return StepFinished(step=step.id, state="failed", run=None, seconds=0.0, message=error.message, hint=error.hint)

    def _closing(self) -> PlanFinished:
        records = {record.step: record for record in self._ledger.steps(self._hash)}
        summaries = tuple(
            StepSummary(
                step=step.id,
                state=self._states[step.id],
                run=records[step.id].run_id if step.id in records else None,
                seconds=records[step.id].seconds if step.id in records else 0.0,
            )
            for step in self._plan.steps
        )
        spent = self._ledger.spent(self._hash)
        results = {step.kind: self._results[step.id] for step in self._plan.steps if step.id in self._results}
        trained, served = results.get("train"), results.get("deploy")
        if self._dead_servers & {step.id for step in self._plan.steps if self._states[step.id] == "succeeded"}:
            served = None
        return PlanFinished(
            state=_plan_state(set(self._states.values())),
            plan=self._hash,
            spent_usd=spent.usd,
            seconds=sum(summary.seconds for summary in summaries),
            steps=summaries,
            checks=tuple(results.get("evaluate", {}).get("checks", ())),
            model=f"{trained['name']}@{trained['version']}" if trained else None,
            endpoint=served["url"] if served else None,
        )


def _is_genuine(tools: Executor, record: StepRecord) -> bool:
    """Whether a step that counts as succeeded was approved, and has the result it ended with."""
    is_granted = tools.ledger.grant(record.grant_id) is not None
    return is_granted and not changed_results(tools.layout.audit_path, (record,))


def _check_genuine(tools: Executor, record: StepRecord | None) -> None:
    if record is not None and record.state == "succeeded" and not _is_genuine(tools, record):
        raise ToolError(
            f"The recorded result of step {record.step} is not the one that was measured: the ledger was changed"
            " from outside.",
            "Measure anew: tailor run --again",
        )


def _is_result_gone(step: Step, record: StepRecord) -> bool:
    """Whether prepared data was deleted, to be made again. Raises ToolError when a trained model was."""
    result = record.result or {}
    if step.kind == "train" and _is_gone(result.get("model_dir")):
        raise ToolError(
            f"The model of run {record.run_id} was deleted: {result['model_dir']} is not there any more.",
            "Train it anew: tailor run --again",
        )
    return step.kind == "prepare_data" and _is_gone(result.get("dir"))


def _is_gone(folder: str | None) -> bool:
    return folder is not None and not Path(folder).is_dir()


def _check_name(ledger: Ledger, step: Step) -> None:
    """Refuse a training whose model could not keep its name in the end, before it takes any time."""
    output = step.arguments.get("output")
    if step.kind != "train" or output is None:
        return
    if ledger.custom_model(output["name"], output["version"]) is not None:
        raise ToolError(
            f"{output['name']}@{output['version']} has been made since by another plan. Step {step.id} was not begun.",
            "Make a new plan with `tailor plan`; it takes the next version.",
        )


def _plan_state(states: set[StepState]) -> PlanState:
    for state in ("failed", "stopped", "waiting"):
        if state in states:
            return state
    return "succeeded"


def _model(result: JsonDict, run_id: str) -> ModelRecord:
    return ModelRecord(
        name=result["name"],
        version=result["version"],
        run_id=run_id,
        model_dir=result["model_dir"],
        adapter_dir=result.get("adapter_dir"),
        base=ModelRef.model_validate(result["base"]),
        weights_sha256=result["weights_sha256"],
    )
