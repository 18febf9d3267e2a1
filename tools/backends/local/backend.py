"""`JobBackend` on this machine: a detached supervisor per launch, found again through the run directory alone."""

import codecs
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from specs.atomic import sync_folder
from specs.layout import ProjectLayout, RunLayout
from specs.run import RunManifest
from tools.backends.base import JobStatus, LogChunk
from tools.backends.local.environment import job_environment
from tools.backends.local.marks import is_locked, read_job
from tools.backends.local.probe import probe
from tools.backends.local.supervisor import BEGUN, BEGUN_BEFORE, BUSY
from tools.errors import BackendError
from tools.kill_points import kill_point

_VERBS = {"train": "run", "generate": "generate", "serve": "serve"}
_START_TIMEOUT_S = 60.0
_SETTLE_S = 5.0
_MARK_S = 2.0
_POLL_S = 0.05


def trainer_command(manifest: RunManifest, run: RunLayout) -> list[str]:
    """Return the command that does what a manifest says."""
    return [sys.executable, "-m", "trainer", _VERBS[manifest.task.type], str(run.run_dir)]


class LocalBackend:
    """Runs jobs as processes of this machine.

    Args:
        layout: the project.
        command: what to run for a manifest.
    """

    def __init__(
        self, layout: ProjectLayout, command: Callable[[RunManifest, RunLayout], list[str]] = trainer_command
    ) -> None:
        self._layout = layout
        self._command = command

    def submit(self, manifest: RunManifest, launch: int) -> JobStatus:
        """Begin a launch, as `JobBackend.submit` says."""
        run = self._run(manifest.run_id)
        status = probe(run)
        if status.launch >= launch:
            return status
        code = self._start(run, launch, self._command(manifest, run))
        if code == BUSY:
            return self._settled(run, launch)
        status = probe(run)
        if code not in (BEGUN, BEGUN_BEFORE) and status.launch < launch:
            raise BackendError(
                f"Run {manifest.run_id} could not be started (its supervisor ended with code {code}).",
                f"`tailor logs {manifest.run_id}` shows why.",
                retryable=True,
            )
        return status

    def status(self, run_id: str) -> JobStatus:
        """Return how a job stands, as `JobBackend.status` says."""
        return probe(self._run(run_id))

    def stop(self, run_id: str, *, grace_s: float = 30.0) -> JobStatus:
        """Stop a job, as `JobBackend.stop` says."""
        from tools.backends.local.processes import JobProcesses, kill_supervisor

        run = self._run(run_id)
        status = probe(run)
        # A job that was killed would be launched again; the stop file keeps it from that.
        if (status.state == "finished" and not status.died) or not run.run_dir.is_dir():
            return status
        _write_stop(run)
        kill_point("stop_written")
        processes = JobProcesses(run)
        deadline = time.monotonic() + grace_s
        while (status := probe(run)).state == "running":
            facts = read_job(run, status.launch)
            processes.look(facts)
            late_s = time.monotonic() - deadline
            if late_s < 0:
                processes.ask()
            elif not processes.kill() and late_s > _SETTLE_S:
                kill_supervisor(facts)
            if late_s > 2 * _SETTLE_S:
                break
            time.sleep(_POLL_S)
        processes.look(None)
        self._end_leftovers(run, processes.kill)
        return probe(run)

    def read_log(self, run_id: str, offset: int = 0, limit_bytes: int = 1 << 16) -> LogChunk:
        """Return a part of a job's log, as `JobBackend.read_log` says."""
        path = self._run(run_id).log_path
        try:
            with path.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(limit_bytes)
        except FileNotFoundError:
            return LogChunk("", offset)
        except OSError as e:
            raise BackendError(f"The log {path} cannot be read: {e.strerror}.") from e
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(data)
        # A character cut in two by the limit is read whole the next time.
        return LogChunk(text, offset + len(data) - len(decoder.getstate()[0]))

    def _run(self, run_id: str) -> RunLayout:
        return RunLayout(self._layout.run(run_id).run_dir.resolve())

    def _start(self, run: RunLayout, launch: int, command: list[str]) -> int:
        environment = job_environment()
        # For tests alone; the supervisor keeps it from the job.
        if "KILL_AT" in os.environ:
            environment["KILL_AT"] = os.environ["KILL_AT"]
        arguments = [str(run.run_dir), str(launch), *command]
        try:
            log = os.open(run.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                # The output goes to a file, never to a pipe that somebody would have to read.
                return subprocess.Popen(
                    [sys.executable, "-m", "tools.backends.local.supervisor", *arguments],
                    start_new_session=True,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd=run.run_dir,
                ).wait(timeout=_START_TIMEOUT_S)
            finally:
                os.close(log)
        except (OSError, subprocess.TimeoutExpired) as e:
            reason = e.strerror if isinstance(e, OSError) else f"no answer within {_START_TIMEOUT_S:.0f} s"
            raise BackendError(
                f"Run {run.run_dir.name} could not be started: {reason}.", "Run the same command again.", retryable=True
            ) from e

    def _settled(self, run: RunLayout, launch: int) -> JobStatus:
        """Return the status once the one who came first has begun the launch."""
        deadline = time.monotonic() + _MARK_S
        while (status := probe(run)).launch < launch:
            if time.monotonic() > deadline:
                raise BackendError(
                    f"Run {run.run_dir.name} cannot start again: processes of its last launch still run.",
                    f"End them with `tailor stop {run.run_dir.name}`.",
                )
            time.sleep(_POLL_S)
        return status

    def _end_leftovers(self, run: RunLayout, kill: Callable[[], bool]) -> None:
        """Kill what outlived the job's main process, and make sure that nothing of it holds the lock."""
        deadline = time.monotonic() + _SETTLE_S
        while kill() or is_locked(run):
            if time.monotonic() > deadline:
                raise BackendError(
                    f"Run {run.run_dir.name} was told to stop and still runs.",
                    f"See its processes: `ps aux | grep {run.run_dir}`.",
                )
            time.sleep(_POLL_S)


def _write_stop(run: RunLayout) -> None:
    try:
        Path(run.stop_path).touch(mode=0o600)
        sync_folder(run.run_dir)
    except OSError as e:
        raise BackendError(
            f"The stop file {run.stop_path} cannot be written: {e.strerror}.", "Make the folder writable."
        ) from e
