"""What the person sent, across sessions. Secrets are taken out first; a thread writes the file."""

import fcntl
import json
import os
import re
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

from tools.secrets import redact

MAX_ENTRIES = 1_000
_SLACK = 200
_MAX_CHARS = 20_000
_MAX_READ = 8_000_000
_NOT_TYPED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class PromptHistory:
    """Earlier prompts, the oldest first. `path` is None where nothing shall be kept on disk."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: list[str] = []
        self._unwritten: deque[str] = deque()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def entries(self) -> tuple[str, ...]:
        """Earlier prompts, the oldest first."""
        with self._lock:
            return tuple(self._entries)

    def load(self) -> None:
        """Read the file; blocks. Lines that are torn or no JSON string are passed over."""
        if self._path is None:
            return
        read = _read_entries(self._path)[-MAX_ENTRIES:]
        with self._lock:
            self._entries = _without_repeats([*read, *self._entries])[-MAX_ENTRIES:]

    def add(self, text: str) -> None:
        """Keep a prompt. Returns at once; the file is written by a thread."""
        kept = redact(text).strip()
        if not kept or len(kept) > _MAX_CHARS:
            return
        with self._lock:
            if self._entries and self._entries[-1] == kept:
                return
            self._entries = [*self._entries, kept][-MAX_ENTRIES:]
            if self._path is None:
                return
            self._unwritten.append(kept)
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            thread = threading.Thread(target=self._write, name="prompt history")
            self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Wait until everything is written; at most 2 s."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(2.0 / len(threads))

    def _write(self) -> None:
        with self._writing:
            lines: list[str] = []
            with self._lock:
                while self._unwritten:
                    lines.append(json.dumps(self._unwritten.popleft()))
            if lines and self._path is not None:
                # a full disk or a folder that cannot be written costs the history, never the conversation
                with suppress(OSError):
                    _append(self._path, "".join(f"{line}\n" for line in lines))


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = _open_locked(path)
    try:
        size = os.fstat(descriptor).st_size
        is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (("\n" if is_torn else "") + text).encode())
        kept = _read_entries(path)
        if len(kept) > MAX_ENTRIES + _SLACK:
            _replace(path, kept[-MAX_ENTRIES:])
    finally:
        os.close(descriptor)


def _open_locked(path: Path) -> int:
    """Open the file for appending, locked; again when another process has put a new one in its place."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        os.close(descriptor)


def _replace(path: Path, entries: list[str]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.writelines(f"{json.dumps(entry)}\n" for entry in entries)
    temporary.replace(path)


def _read_entries(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _MAX_READ))
            lines = stream.read(_MAX_READ).split(b"\n")
    except OSError:
        return []
    entries: list[str] = []
    for line in lines:
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, str) and entry:
                entries.append(_typeable(entry))
    return entries


def _typeable(text: str) -> str:
    """Return `text` without characters that nobody can type, which a file might hold."""
    return _NOT_TYPED.sub("", text)


def _without_repeats(entries: list[str]) -> list[str]:
    return [entry for index, entry in enumerate(entries) if index == 0 or entry != entries[index - 1]]
