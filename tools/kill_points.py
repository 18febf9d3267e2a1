"""Named places at which a process can be made to die, so that tests can kill it exactly there.

Setting `KILL_AT` to one of the names kills the process with SIGKILL when it arrives. Standard library only.
"""

import os
import signal

KILL_POINTS = (
    "inputs_checked",
    "grant_used",
    "step_begun",
    "manifest_written",
    "before_submit",
    "submitted",
    "relaunch_recorded",
    "job_ended",
    "result_made",
    "result_recorded",
    "stop_written",
    "supervisor_locked",
    "supervisor_marked",
    "supervisor_detached",
    "supervisor_spawned",
    "supervisor_recorded",
    "supervisor_reaped",
)
"""Every place, in the order in which a run passes them, the supervisor's own last."""


def kill_point(name: str) -> None:
    """Die here with SIGKILL when `KILL_AT` says so."""
    if os.environ.get("KILL_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
