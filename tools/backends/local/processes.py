"""Finds and ends the processes of a local job, those that left its session included.

Every signal goes to a process whose identity was compared first, never to a bare number that may be somebody else's.
"""

import contextlib
import os
import signal

import psutil

from specs.layout import RunLayout
from tools.backends.local.marks import RUN_DIR_VARIABLE, JobFacts, process_start
from tools.boot import boot_id


class JobProcesses:
    """The processes of one launch, remembered once seen: a child that loses its parent is still known.

    Args:
        run: the run directory.
    """

    def __init__(self, run: RunLayout) -> None:
        self._run = run
        self._seen: set[psutil.Process] = set()
        self._asked: set[psutil.Process] = set()

    def look(self, facts: JobFacts | None) -> None:
        """Find the job's processes: those recorded, those that carry its mark, and all below them."""
        found = self._marked()
        main = _recorded(facts)
        if main is not None:
            found.add(main)
        for process in list(found):
            with contextlib.suppress(psutil.Error):
                found.update(process.children(recursive=True))
        self._seen |= found

    def ask(self) -> None:
        """Send SIGTERM, once, to the job's main process.

        Not to those below it: a data loader that dies under a trainer that is saving turns a stop into a failure.
        """
        for process in self._alive() - self._asked:
            with contextlib.suppress(psutil.Error):
                if process.parent() not in self._seen:
                    process.send_signal(signal.SIGTERM)
                    self._asked.add(process)

    def kill(self) -> bool:
        """Send SIGKILL to all that are left; return whether there were any."""
        alive = self._alive()
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return bool(alive)

    def _alive(self) -> set[psutil.Process]:
        return {process for process in self._seen if _is_alive(process)}

    def _marked(self) -> set[psutil.Process]:
        """Return the user's processes that carry the run's mark in their environment."""
        mark = str(self._run.run_dir)
        found: set[psutil.Process] = set()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.uids().real == os.getuid() and process.environ().get(RUN_DIR_VARIABLE) == mark:
                    found.add(process)
        return found


def kill_supervisor(facts: JobFacts | None) -> None:
    """End a supervisor that does not notice the end of its job."""
    if facts is None or facts.boot != boot_id() or process_start(facts.supervisor_pid) != facts.supervisor_start:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(facts.supervisor_pid, signal.SIGKILL)


def _recorded(facts: JobFacts | None) -> psutil.Process | None:
    if facts is None or facts.boot != boot_id() or process_start(facts.pid) != facts.start:
        return None
    try:
        return psutil.Process(facts.pid)
    except psutil.Error:
        return None


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
