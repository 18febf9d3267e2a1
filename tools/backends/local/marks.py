"""The marks of a local job in its run directory: lock, start marks, job.json, exit.json. Read and written here alone.

The lock says whether a job lives, because it dies with the last process that holds it; process ids are facts for
stopping, never for deciding. Standard library and `specs` only: the supervisor loads this.
"""

import fcntl
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from specs.atomic import sync_folder, write_text
from specs.layout import RunLayout

RUN_DIR_VARIABLE = "TAILOR_RUN_DIR"
"""Environment variable that every process of a job carries."""

_STARTED = re.compile(r"started-([1-9][0-9]{0,8})")
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class Launch:
    """A launch that has begun."""

    number: int
    started_at: float
    events_offset: int


@dataclass(frozen=True)
class Exit:
    """How a launch ended."""

    launch: int
    rc: int | None
    """Exit code, None when a signal ended it."""
    signal: int | None
    time: float


@dataclass(frozen=True)
class JobFacts:
    """The processes of a launch."""

    launch: int
    supervisor_pid: int
    supervisor_start: float
    pid: int
    """Of the trainer."""
    start: float
    """When the trainer's process started, in the system's own count; tells it from a later process with its pid."""
    boot: str


def mark_started(run: RunLayout, launch: int) -> bool:
    """Record that a launch begins; False when it had begun before. Only for the holder of the lock."""
    offset = _mend_tail(run.events_path)
    try:
        descriptor = os.open(run.run_dir / f"started-{launch}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump({"time": time.time(), "events_offset": offset}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(run.run_dir)
    return True


def launches(run: RunLayout) -> list[Launch]:
    """Return the launches that have begun, in order."""
    try:
        names = os.listdir(run.run_dir)
    except OSError:
        return []
    numbers = sorted(int(match[1]) for name in names if (match := _STARTED.fullmatch(name)))
    return [_launch(run, number) for number in numbers]


def read_exit(run: RunLayout, launch: int) -> Exit | None:
    """Return how a launch ended, None when nothing says so."""
    found = _read(run.exit_path)
    if found is None or found.get("launch") != launch:
        return None
    return Exit(launch, found.get("rc"), found.get("signal"), float(found.get("time", 0.0)))


def write_exit(run: RunLayout, launch: int, returncode: int) -> None:
    """Record how a launch ended; a negative code is a signal, as `subprocess` has it."""
    rc, signal = (returncode, None) if returncode >= 0 else (None, -returncode)
    write_text(run.exit_path, json.dumps({"launch": launch, "rc": rc, "signal": signal, "time": time.time()}))


def write_job(run: RunLayout, facts: JobFacts) -> None:
    """Record the processes of a launch."""
    write_text(run.job_path, json.dumps({"backend": "local", **vars(facts)}))


def read_job(run: RunLayout, launch: int) -> JobFacts | None:
    """Return the processes of a launch, None when they were not recorded."""
    found = _read(run.job_path)
    if found is None or found.pop("backend", None) != "local" or found.get("launch") != launch:
        return None
    try:
        return JobFacts(**found)
    except TypeError:
        return None


def is_locked(run: RunLayout) -> bool:
    """Return whether a process of the job lives."""
    try:
        descriptor = os.open(run.lock_path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A shared lock, so that two who look at the same moment do not take each other for the job.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def process_start(pid: int) -> float | None:
    """Return when a process started, in the system's own count, None when there is no such process."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        # The second field, the program's name, may hold blanks and parentheses.
        return float(stat.rpartition(b")")[2].split()[19])
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def _launch(run: RunLayout, number: int) -> Launch:
    path = run.run_dir / f"started-{number}"
    found = _read(path) or {}
    # A crash between making and filling the mark: nothing of that launch has run, so all events are of earlier ones.
    default_time = path.stat().st_mtime if path.exists() else 0.0
    default_offset = run.events_path.stat().st_size if run.events_path.exists() else 0
    return Launch(number, float(found.get("time", default_time)), int(found.get("events_offset", default_offset)))


def _mend_tail(path: Path) -> int:
    """Cut the torn last line that a kill left in a file of lines; return the file's size."""
    try:
        with path.open("r+b") as stream:
            end = stream.seek(0, os.SEEK_END)
            kept = end
            while kept > 0:
                start = max(0, kept - _BLOCK_BYTES)
                stream.seek(start)
                newline = stream.read(kept - start).rfind(b"\n")
                if newline >= 0:
                    kept = start + newline + 1
                    break
                kept = start
            if kept < end:
                stream.truncate(kept)
            return kept
    except FileNotFoundError:
        return 0


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
