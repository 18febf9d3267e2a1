"""One SQLite file that survives kills and full disks: WAL, synchronous commits, private, errors as sentences.

Knows nothing of plans or grants; `tools.ledger` says what is stored.
"""

import os
import sqlite3
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from tools.errors import ToolError

Row: TypeAlias = Mapping[str, Any]
Value: TypeAlias = str | int | float | None

_BUSY_TIMEOUT_S = 10.0


class Database:
    """A connection made on first use. One per process; threads of the process may share it.

    Args:
        path: the file; it and its folder are made for their owner alone.
        schema: statements that make version `version` from an empty file.
        version: of the schema; a file of another version is refused.
    """

    def __init__(self, path: Path, schema: str, version: int) -> None:
        self.path = path
        self._schema = schema
        self._version = version
        self._guard = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._depth = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Make everything inside one commit, on disk when the block ends. Nested blocks join the outer one.

        Raises:
            ToolError: the disk is full, the file cannot be written or is damaged; nothing of the block is kept.
        """
        with self._guard:
            if self._depth:
                yield
                return
            with self._told():
                self._open().execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                with self._told():
                    self._open().execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._depth -= 1

    def change(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Run a changing statement in a transaction; return the number of rows changed. Raises as `transaction`."""
        with self.transaction(), self._told():
            return self._open().execute(statement, values).rowcount

    def rows(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Return the rows of a query. Raises ToolError for a file that cannot be read."""
        with self._guard, self._told():
            return [dict(row) for row in self._open().execute(statement, values)]

    def row(self, statement: str, values: Sequence[Value] = ()) -> Row | None:
        """Return the first row of a query, None when there is none. Raises as `rows`."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def _roll_back(self) -> None:
        # SQLite has rolled back by itself after some failures, such as a full disk.
        if self._connection is not None and self._connection.in_transaction:
            with self._told():
                self._connection.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite makes its side files with the mode of the main file, so only this one needs care.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as e:
            raise ToolError(f"{self.path} cannot be opened: {e.strerror}.", "Make the folder writable.") from e
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if self._stored_version(connection) == self._version:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have made the tables while this one waited for the lock.
            stored = self._stored_version(connection)
            if stored not in (0, self._version):
                raise ToolError(
                    f"{self.path} was made by another version of Tailor: format {stored}, not {self._version}.",
                    "Use the Tailor that made it, or move the file away to start anew; the runs stay.",
                )
            if stored == 0:
                for statement in self._schema.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={self._version}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _stored_version(self, connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _told(self) -> Generator[None, None, None]:
        """Turn SQLite's errors into sentences."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as e:
            raise _sentence(self.path, e) from e


def _sentence(path: Path, error: sqlite3.DatabaseError) -> ToolError:
    text = str(error)
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith("SQLITE_FULL"):
        return ToolError(
            f"{path} cannot be written: the disk is full. What was recorded before is kept.",
            "Free space on the disk and run the same command again.",
            retryable=True,
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return ToolError(
            f"{path} cannot be written: {text}. What was recorded before is kept.",
            "Make the file and its folder writable and run the same command again.",
        )
    if name.startswith("SQLITE_IOERR"):
        return ToolError(
            f"{path} cannot be read or written: {text}. What was recorded before is kept.",
            "Most often the disk is full: free some space, then run the same command again.",
            retryable=True,
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ToolError(
            f"{path} is in use by another process.", "Run the same command again in a moment.", retryable=True
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return ToolError(
            f"{path} is damaged: {text}.", "Restore it from a backup, or move it away to start anew; the runs stay."
        )
    return ToolError(f"{path} cannot be used: {text}.", "See the log for details.", retryable=True)
