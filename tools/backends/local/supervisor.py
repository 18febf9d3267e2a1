"""Starts a job once, detached, and tells how it ended. Arguments: RUN_DIR LAUNCH COMMAND…

The single point through which every local job passes: it takes the run's lock, marks the launch, lets the job inherit
the lock, and writes exit.json. Standard library and light modules only; it knows nothing of plans.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from specs.layout import RunLayout
from tools.backends.local.marks import (
    RUN_DIR_VARIABLE,
    JobFacts,
    launches,
    mark_started,
    process_start,
    write_exit,
    write_job,
)
from tools.boot import boot_id
from tools.kill_points import kill_point
from tools.locks import try_lock

BEGUN = 0
BUSY = 3
BEGUN_BEFORE = 4

_LOCK_TRIES = 50
_CANNOT_EXECUTE = 127


def main(arguments: list[str]) -> int:
    """Begin the launch, and return at once with what became of it while the job goes on in the background."""
    run, launch, command = RunLayout(Path(arguments[0])), int(arguments[1]), arguments[2:]
    os.umask(0o077)
    lock = _take_lock(run)
    if lock is None:
        return BUSY
    kill_point("supervisor_locked")
    begun = launches(run)
    if (begun and begun[-1].number >= launch) or not mark_started(run, launch):
        return BEGUN_BEFORE
    kill_point("supervisor_marked")
    if os.fork():
        # The lock stays with the child: it belongs to the open file, not to the process.
        return BEGUN
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        # A handler, not SIG_IGN, which the job would inherit. The job hears of a stop itself; this process must stay
        # to tell how it ended.
        signal.signal(number, _stay)
    kill_point("supervisor_detached")
    _watch(run, launch, command, lock)
    return BEGUN


def _stay(_number: int, _frame: object) -> None:
    """Ignore a signal in this process alone."""


def _take_lock(run: RunLayout) -> int | None:
    descriptor = os.open(run.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(_LOCK_TRIES):
        if try_lock(descriptor):
            return descriptor
        # Whoever only looks holds the lock for an instant.
        time.sleep(0.01)
    return None


def _watch(run: RunLayout, launch: int, command: list[str], lock: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "KILL_AT"}
    environment[RUN_DIR_VARIABLE] = str(run.run_dir)
    try:
        job = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=(lock,), process_group=0, env=environment, cwd=run.run_dir
        )
    except OSError as e:
        sys.stderr.write(f"{command[0]} cannot be started: {e.strerror}\n")
        write_exit(run, launch, _CANNOT_EXECUTE)
        return
    kill_point("supervisor_spawned")
    me = os.getpid()
    write_job(
        run,
        JobFacts(
            launch=launch,
            supervisor_pid=me,
            supervisor_start=process_start(me) or 0.0,
            pid=job.pid,
            start=process_start(job.pid) or 0.0,
            boot=boot_id(),
        ),
    )
    kill_point("supervisor_recorded")
    if hasattr(os, "waitid"):
        # Not reaped yet, so that the group's number still is this job's when its left-over members are killed.
        os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(job.pid, signal.SIGKILL)
    returncode = job.wait()
    kill_point("supervisor_reaped")
    write_exit(run, launch, returncode)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
