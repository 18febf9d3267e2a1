"""Locks that die with the process that holds them: `flock` on a file, so that a kill never leaves one behind.

Standard library only; which lock guards what is said where it is taken.
"""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tools.errors import ProjectBusy, ToolError

_LEAVING_S = 3.0
_POLL_S = 0.05


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file without waiting; return whether it was free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def project_lock(path: Path, wait_s: float = _LEAVING_S) -> Generator[None, None, None]:
    """Hold the project's engine lock.

    Args:
        path: the lock file.
        wait_s: how long a process that is about to end is waited for: the engine of a terminal that was just closed.

    Raises:
        ProjectBusy: another process holds it; the sentence names its process id.
        ToolError: the lock file cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise ToolError(f"The lock file {path} cannot be opened: {e.strerror}.", "Make the folder writable.") from e
    try:
        deadline = time.monotonic() + wait_s
        while not (taken := try_lock(descriptor)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if not taken:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            who = f"Another Tailor process ({holder})" if holder.isdigit() else "Another Tailor process"
            raise ProjectBusy(
                f"{who} runs a plan in {path.parent.parent}.",
                "Wait until it has finished, or end it: the jobs it started go on and are taken up again.",
                retryable=True,
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
