"""The audit log: one line for everything that was approved, begun and ended, each chained to the line before.

Shows edits by anyone who does not also change the ledger; it is evidence against accidents and programs, not against
the owner of the machine. No secrets and no data rows belong here.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specs.atomic import sync_folder
from specs.canonical import canonical_json, digest
from tools.database import Database
from tools.errors import ToolError
from tools.ledger import StepRecord
from tools.steps import JsonDict

_START = "0" * 64
_TAIL_BYTES = 1 << 20


@dataclass(frozen=True)
class AuditReport:
    """What `AuditLog.verify` found."""

    num_records: int
    problems: tuple[str, ...]
    """Sentences, in the order of the lines; empty when the log is whole."""

    @property
    def whole(self) -> bool:
        """Whether nothing was changed."""
        return not self.problems


@dataclass(frozen=True)
class _Head:
    """The last record as the ledger knows it: committed there before it goes into the log."""

    number: int
    line: str
    written: bool
    """Whether the line is known to be in the log; a crash may fall in between."""

    @property
    def hash(self) -> str:
        return json.loads(self.line)["hash"] if self.line else _START


class AuditLog:
    """The audit log of one project.

    Args:
        path: the log, JSON lines.
        ledger: database with the table `audit_head`, which keeps the last record, so that a log that was cut short or
            written anew is noticed.
        clock: seconds since the epoch.
    """

    def __init__(self, path: Path, ledger: Database, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._ledger = ledger
        self._clock = clock

    def append(self, kind: str, **facts: Any) -> None:
        """Add a record; it is on disk when this returns. Not to be called inside a transaction of the ledger.

        Raises:
            ToolError: the log or the ledger cannot be written.
        """
        try:
            with self._locked() as descriptor:
                head = self._head()
                self._mend(descriptor, head)
                line = _line(head, self._clock(), kind, facts)
                self._set_head(_Head(head.number + 1, line, written=False))
                _write(descriptor, line)
                self._set_head(_Head(head.number + 1, line, written=True))
        except OSError as e:
            raise ToolError(
                f"The audit log {self._path} cannot be written: {e.strerror}.", "Free space or make it writable."
            ) from e

    def verify(self) -> AuditReport:
        """Compare the log with itself and with the ledger. Raises ToolError when it cannot be read."""
        try:
            with self._locked() as descriptor:
                head = self._head()
                self._mend(descriptor, head)
                content = self._path.read_bytes()
        except OSError as e:
            raise ToolError(f"The audit log {self._path} cannot be read: {e.strerror}.") from e
        lines = content.splitlines(keepends=True)
        problems = list(_chain_problems(lines))
        if len(lines) < head.number:
            problems.append(f"Of {head.number} records the last {head.number - len(lines)} are missing.")
        elif len(lines) > head.number:
            problems.append(f"{len(lines) - head.number} records stand after the last one that Tailor wrote.")
        elif lines and lines[-1] != f"{head.line}\n".encode():
            problems.append(f"Line {len(lines)} is not the record that Tailor wrote last.")
        return AuditReport(len(lines), tuple(problems))

    @contextmanager
    def _locked(self) -> Generator[int, None, None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if is_new:
                sync_folder(self._path.parent)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _mend(self, descriptor: int, head: _Head) -> None:
        """Finish the write that a crash cut off: the record is in the ledger, its line is missing or torn."""
        if head.written:
            return
        size = os.fstat(descriptor).st_size
        start = max(0, size - _TAIL_BYTES)
        tail = os.pread(descriptor, size - start, start)
        whole = tail.rfind(b"\n") + 1
        torn, last = tail[whole:], tail[:whole].rstrip(b"\n").rpartition(b"\n")[2]
        expected = head.line.encode()
        if last != expected:
            if not expected.startswith(torn):
                return
            os.ftruncate(descriptor, start + whole)
            _write(descriptor, head.line)
        self._set_head(_Head(head.number, head.line, written=True))

    def _head(self) -> _Head:
        row = self._ledger.row("SELECT number, line, written FROM audit_head")
        return _Head(row["number"], row["line"], bool(row["written"])) if row else _Head(0, "", written=True)

    def _set_head(self, head: _Head) -> None:
        self._ledger.change("REPLACE INTO audit_head VALUES (1, ?, ?, ?)", (head.number, head.line, int(head.written)))


def result_digest(result: JsonDict | None) -> str:
    """Return what the record of a step's end holds of its result; the same before and after the ledger kept it."""
    return digest(json.loads(json.dumps(result)))


def changed_results(path: Path, records: Iterable[StepRecord]) -> tuple[StepRecord, ...]:
    """Return the steps that count as succeeded with another result than was recorded in the audit log at their end.

    A step whose end the log does not hold, as after a crash just before it, is not among them.
    """
    audited = _audited_results(path)
    return tuple(
        record
        for record in records
        if record.state == "succeeded"
        and audited.get((record.plan, record.step, record.attempt), found := result_digest(record.result)) != found
    )


def _audited_results(path: Path) -> dict[tuple[str, str, int], str]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    results: dict[tuple[str, str, int], str] = {}
    for line in lines:
        try:
            record: dict[str, Any] = json.loads(line)
            facts: dict[str, Any] = record["facts"]
            if record["kind"] == "step_ended":
                results[facts["plan"], facts["step"], facts["attempt"]] = facts["result"]
        except (ValueError, KeyError, TypeError):
            # not a whole record: `verify` tells
            continue
    return results


def _line(head: _Head, now: float, kind: str, facts: dict[str, Any]) -> str:
    body = {"number": head.number + 1, "previous": head.hash, "time": now, "kind": kind, "facts": facts}
    return canonical_json({**body, "hash": hashlib.sha256(canonical_json(body)).hexdigest()}).decode()


def _write(descriptor: int, line: str) -> None:
    data = f"{line}\n".encode()
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _chain_problems(lines: list[bytes]) -> Generator[str, None, None]:
    previous = _START
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            yield f"Line {number} is torn."
            return
        try:
            record: dict[str, Any] = json.loads(line)
            claimed, found_number, chained = record.pop("hash"), record["number"], record["previous"]
            body = canonical_json(record)
            same_bytes = canonical_json({**record, "hash": claimed}) == line[:-1]
        except (ValueError, KeyError, TypeError, AttributeError):
            yield f"Line {number} is not a record."
            return
        if not same_bytes or hashlib.sha256(body).hexdigest() != claimed:
            yield f"Line {number} was changed after it was written."
        elif found_number != number or chained != previous:
            yield f"Line {number} holds record {found_number}: lines were removed, inserted or moved before it."
            return
        previous = str(claimed)
