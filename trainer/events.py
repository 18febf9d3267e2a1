"""Writes events.jsonl: one line an event, appended, whole or not at all. Never reads what events mean."""

import contextlib
import errno
import fcntl
import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from specs.errors import ExitCode
from specs.events import TRAIN_EVENT, CheckpointSaved, EventBase, Finished, Warned
from trainer.errors import TrainerError
from trainer.log_line import log_line


class EventLog:
    """The event file of a run, owned by one process at a time.

    A line that a kill left torn is completed when it parses and cut off when it does not, before anything is added.

    Raises:
        TrainerError: another process writes this run's events.
        OSError: the file cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._claim(path)
            self._repair()
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, event: EventBase) -> None:
        """Append one event; a checkpoint's and the last one are on the disk when this returns."""
        line = event.model_dump_json().encode() + b"\n"
        with self._lock:
            start = os.fstat(self._descriptor).st_size
            try:
                self._append(line)
                if isinstance(event, CheckpointSaved | Finished):
                    os.fsync(self._descriptor)
            except OSError:
                os.ftruncate(self._descriptor, start)
                raise
        # trainer.log; a log that cannot be written must not end a training
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(log_line(event) + "\n")
            sys.stdout.flush()

    def warn(self, code: str, message: str, hint: str = "") -> None:
        """Append a warning, once per code."""
        with self._lock:
            known = code in self._warned
            self._warned.add(code)
        if not known:
            self.write(Warned(time=time.time(), code=code, message=message, hint=hint))

    def last(self) -> EventBase | None:
        """Return the last event of the file, None for an empty file or an unknown event type."""
        end = os.fstat(self._descriptor).st_size
        tail = self._tail(end - 1) if end else b""
        try:
            return TRAIN_EVENT.validate_json(tail)
        except ValidationError:
            return None

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _claim(self, path: Path) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                return  # a file system without locks: the launcher's own guard has to do
            raise TrainerError(
                f"Another process is working in {path.parent}.",
                "Wait for it to end, or stop it with: tailor stop " + path.parent.name,
                exit_code=ExitCode.BACKEND,
            ) from error

    def _append(self, line: bytes) -> None:
        left = memoryview(line)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _repair(self) -> None:
        end = os.fstat(self._descriptor).st_size
        torn = self._tail(end)
        if not torn:
            return
        try:
            TRAIN_EVENT.validate_json(torn)
            self._append(b"\n")
        except ValidationError:
            os.ftruncate(self._descriptor, end - len(torn))

    def _tail(self, end: int) -> bytes:
        """Return the bytes between the last line break before `end` and `end`."""
        tail = b""
        while end > 0 and b"\n" not in tail:
            start = max(0, end - 65536)
            tail = os.pread(self._descriptor, end - start, start) + tail
            end = start
        return tail.rpartition(b"\n")[2]
