"""threads.db: conversations on disk, under settings that run nothing from the file and let no two engines write it.

The strict serializer reads data types and messages only; a crafted row comes back as plain data or as an error.
"""

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from specs.layout import ProjectLayout
from tools.errors import ProjectBusy, ToolError

KEPT_CHECKPOINTS = 8
_STORED_AS = frozenset({"msgpack", "null", "bytes", "bytearray"})
_LOCK_WAIT_S = 3.0
_STORAGE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG})


class StrictSerializer(JsonPlusSerializer):
    """Reads msgpack with the built-in list of harmless types; never JSON constructors, never pickle."""

    def __init__(self) -> None:
        super().__init__(pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=None)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the value. Raises ValueError for a form that this program never writes."""
        if data[0] not in _STORED_AS:
            raise ValueError(f"threads.db holds a value stored as {data[0]!r}, which is never written here")
        return super().loads_typed(data)


@contextmanager
def open_threads(layout: ProjectLayout) -> Generator[SqliteSaver]:
    """Open the project's conversations.

    Raises:
        ToolError: the file is no database or cannot be written.
    """
    path = layout.threads_path
    try:
        # made before SQLite opens it, so that it never exists with wider permissions
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        os.chmod(path, 0o600)
        connection = sqlite3.connect(path, check_same_thread=False, timeout=10)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    try:
        saver = SqliteSaver(connection, serde=StrictSerializer())
        try:
            saver.setup()
            connection.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error as error:
            raise _unusable(path, error) from error
        yield saver
    finally:
        connection.close()


def prune(saver: SqliteSaver, thread: str) -> None:
    """Delete all but the newest checkpoints of a thread; what waits or goes on hangs on the newest alone."""
    with saver.cursor() as cursor:
        cursor.execute(
            "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' "
            "ORDER BY checkpoint_id DESC LIMIT 1 OFFSET ?",
            (thread, KEPT_CHECKPOINTS - 1),
        )
        row = cursor.fetchone()
        if row is None:
            return
        for table in ("checkpoints", "writes"):
            cursor.execute(f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id < ?", (thread, row[0]))


@contextmanager
def engine_lock(layout: ProjectLayout, wait_s: float = _LOCK_WAIT_S) -> Generator[None]:
    """Hold the project for this engine; the kernel frees it when the process dies, however it dies.

    Args:
        layout: the project.
        wait_s: how long an engine that is about to end is waited for.

    Raises:
        ProjectBusy: another engine holds the project.
    """
    # not the executor's lock: a conversation holds the thread, a run holds the project
    path = layout.state_dir / "chat.lock"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unkept(layout.state_dir, error) from error
    try:
        deadline = time.monotonic() + wait_s
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
                raise ProjectBusy(
                    f"Another Tailor conversation is open in {layout.root} (process {holder}).",
                    "Close it, or go on there. Training that runs is not affected.",
                )
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_about_storage(error: BaseException) -> bool:
    """Return whether an error says that the project's folder cannot be written."""
    return isinstance(error, sqlite3.Error) or (isinstance(error, OSError) and error.errno in _STORAGE_ERRORS)


def unkept(state_dir: Path, error: BaseException) -> ToolError:
    """Return the sentence for a conversation that cannot be kept."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return ToolError(
        f"The conversation cannot be kept in {state_dir}: {reason}. What was kept before is not lost.",
        "Free disk space, or make the folder writable, and start `tailor` again.",
        retryable=True,
    )


def _unusable(path: Path, error: Exception) -> ToolError:
    return ToolError(
        f"The conversations in {path} cannot be opened: {error}.",
        "Check the permissions and the free disk space; to start a new conversation, move the file away.",
    )
