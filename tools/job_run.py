"""The job of one step: launched once, followed, launched again when it was killed, stopped at its limits.

Says how the job ended; what that means for the step is `tools.executor`'s business.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from pydantic import ValidationError

from specs.atomic import write_text
from specs.events import Finished, Serving, Started
from specs.run import RunManifest
from tools.audit import AuditLog
from tools.backends.base import JobBackend, JobStatus
from tools.errors import ToolError
from tools.events import ExecutorEvent, StepProgress, StepStarted
from tools.kill_points import kill_point
from tools.ledger import JobRecord, Ledger, StepRecord
from tools.runs import EventReader, JobEnd, PlacedEvent, job_end, work_seconds
from tools.steps import StepContext, StepHandler

MAX_RELAUNCHES = 3
"""Automatic relaunches of one job in one call; a job that is killed more often has a reason to be."""

_CLOSING_S = 60.0


@dataclass(frozen=True)
class JobTools:
    """What a job is launched and recorded with."""

    ledger: Ledger
    audit: AuditLog
    backend: JobBackend
    clock: Callable[[], float]
    poll_s: float


class JobRun:
    """One attempt at a step that has a job.

    Args:
        tools: ledger, audit log and backend.
        context: the step, with its run id.
        handler: of the step's kind.
        record: the attempt, begun.
        max_seconds: the longest it may work, over all its launches.
    """

    def __init__(
        self, tools: JobTools, context: StepContext, handler: StepHandler, record: StepRecord, max_seconds: float
    ) -> None:
        self._tools = tools
        self._context = context
        self._handler = handler
        self._record = record
        self._max_seconds = max_seconds
        self._run = context.run
        self._run_id = self._run.run_dir.name
        self._reader = EventReader(self._run.events_path)
        self._finished: Finished | None = None
        self._serving: Serving | None = None

    @property
    def seconds(self) -> float:
        """Seconds the attempt has worked; of a server, until it answered."""
        until = self._serving.time if self._serving is not None else None
        return work_seconds(self._run, self._tools.clock(), first_launch=self._record.first_launch, until=until)

    def events(self) -> Generator[ExecutorEvent, None, JobEnd]:
        """Launch or take up the job, tell what it tells, and return how it ended."""
        ledger, step = self._tools.ledger, self._context.step
        manifest = self._write_manifest()
        job = ledger.claim_job(self._record.plan, self._record.step)
        num_relaunches = 0
        while True:
            resumed = self._tools.backend.status(self._run_id).launch > 0
            # what was written before was told by whoever watched then
            told = self._size() if resumed else 0
            end = self._launch(manifest, job)
            if end is not None:
                return end
            yield StepStarted(step=step.id, run=self._run_id, resumed=resumed)
            end = yield from self._follow(told)
            if not end.died:
                return end
            if num_relaunches == MAX_RELAUNCHES:
                times = f"It was started {MAX_RELAUNCHES + 1} times and ended so each time."
                return replace(end, message=f"{end.message} {times}")
            num_relaunches += 1
            job = ledger.intend_launch(job)
            kill_point("relaunch_recorded")
            self._tools.audit.append("job_died", run=self._run_id, launch=job.launches - 1, message=end.message)

    def _write_manifest(self) -> RunManifest:
        """Return the run's manifest: the one written before, or a new one, on disk before anything is launched."""
        path = self._run.manifest_path
        try:
            self._run.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists():
                manifest = RunManifest.model_validate_json(path.read_bytes())
                if (manifest.plan, manifest.step) != (self._record.plan, self._record.step):
                    raise ToolError(
                        f"{path} belongs to step {manifest.step} of another plan.", "Move that run folder away."
                    )
                return manifest
            manifest = self._handler.manifest(self._context)
            write_text(path, manifest.model_dump_json(indent=2))
        except ValidationError as e:
            raise ToolError(f"{path} cannot be read.", "Move that run folder away and run the plan again.") from e
        except OSError as e:
            raise ToolError(
                f"{path} cannot be written: {e.strerror}.", "Free space or make the folder writable, and run again."
            ) from e
        kill_point("manifest_written")
        return manifest

    def _launch(self, manifest: RunManifest, job: JobRecord) -> JobEnd | None:
        """Begin the launch that was intended, unless it has begun; return an end when a stop came first."""
        status = self._tools.backend.status(self._run_id)
        if status.launch >= job.launches:
            return None
        if status.stop_requested:
            return JobEnd("stopped", f"Run {self._run_id} was stopped before it began.", "Approve the step again.")
        self._tools.audit.append("job_launch", run=self._run_id, launch=job.launches, step=self._record.step)
        kill_point("before_submit")
        self._tools.backend.submit(manifest, job.launches)
        kill_point("submitted")
        with self._tools.ledger.transaction():
            self._tools.ledger.confirm_launch(job)
            self._tools.ledger.save_step(replace(self._record, state="running"))
        return None

    def _size(self) -> int:
        try:
            return self._run.events_path.stat().st_size
        except OSError:
            return 0

    def _follow(self, told: int) -> Generator[ExecutorEvent, None, JobEnd]:
        """Tell what the latest launch tells from byte `told` on, until it has ended or answers where it is to go on."""
        self._finished = self._serving = None
        closed_at: float | None = None
        limit: JobEnd | None = None
        while True:
            # Before the events: what is written last is read after the end was seen.
            status = self._tools.backend.status(self._run_id)
            for placed in self._reader.read():
                if self._counts(placed, status) and (placed.offset >= told or isinstance(placed.event, Started)):
                    yield StepProgress(step=self._context.step.id, run=self._run_id, event=placed.event)
            if status.state != "running":
                end = self._end(status)
                return limit if limit is not None and end.state != "succeeded" else end
            if self._serving is not None and self._handler.keeps_running:
                return JobEnd("succeeded")
            if self._finished is not None:
                closed_at = closed_at or time.monotonic()
                if time.monotonic() - closed_at > _CLOSING_S:
                    self._tools.backend.stop(self._run_id, grace_s=0.0)
            elif limit is None:
                limit = self._limit(status)
                if limit is not None:
                    self._tools.backend.stop(self._run_id)
                    continue
            time.sleep(self._tools.poll_s)

    def _counts(self, placed: PlacedEvent, status: JobStatus) -> bool:
        """Take note of an event; False for the end of an earlier launch, which says nothing about this one."""
        event = placed.event
        if not isinstance(event, Finished | Serving):
            return True
        if placed.offset < status.events_offset:
            return False
        if isinstance(event, Finished):
            self._finished = event
        else:
            self._serving = event
        return True

    def _end(self, status: JobStatus) -> JobEnd:
        end = job_end(self._run, status, self._finished)
        if self._serving is None or not self._handler.keeps_running or end.state == "stopped":
            return end
        return JobEnd(
            "failed", f"The server of run {self._run_id} answered and has ended since.", "Approve the step to start it."
        )

    def _limit(self, status: JobStatus) -> JobEnd | None:
        if self._handler.keeps_running or status.started_at is None:
            return None
        earlier_s = 0.0
        if status.launch > self._record.first_launch:
            earlier_s = work_seconds(self._run, status.started_at, first_launch=self._record.first_launch)
        used_s = earlier_s + self._tools.clock() - status.started_at
        if used_s <= self._max_seconds:
            return None
        return JobEnd(
            "stopped",
            f"Run {self._run_id} was stopped: it used the {self._max_seconds:.0f} s left of the approved time.",
            "Raise budget.hours in spec.yaml and approve the new plan.",
        )
