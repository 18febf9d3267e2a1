"""Opens a data file and hands out its bytes under caps: line length, file size, UTF-8, byte order mark.

Whatever makes the whole file unusable is told here as a sentence. What a line means is for the readers of each format.
"""

import difflib
import hashlib
import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tools.data.records import Format
from tools.errors import DataError
from tools.escape import one_line

MAX_LINE_BYTES = 8 * 2**20
MAX_FILE_BYTES = 4 * 2**30
MAX_ARRAY_BYTES = 512 * 2**20
MAX_RECORD_BYTES = MAX_LINE_BYTES
FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
_KNOWN = ".jsonl, .json, .csv, .tsv or .parquet"
_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gunzip -k"),
    b"BZh": ("bzip2", "bunzip2 -k"),
    b"\xfd7zXZ": ("xz", "unxz -k"),
    b"(\xb5/\xfd": ("zstd", "unzstd"),
}
_WIDE_MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_BOM = b"\xef\xbb\xbf"
_LISTED_FILES = 1000


@dataclass
class SourceFile:
    """A data file that exists, can be read, and has a known format."""

    path: Path
    name: str
    """As the spec names it; used in every message."""
    format: Format
    size_bytes: int
    notices: list[str] = field(default_factory=list[str])
    _hash: Any = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        """Hex digest of the bytes handed out so far; of the whole file once it was read to its end."""
        return self._hash.hexdigest()

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield line number and text of each line, its line end kept.

        Raises:
            DataError: a line is longer than `MAX_LINE_BYTES` or not UTF-8.
        """
        with open_binary(self.path, self.name) as stream:
            number = 0
            while raw := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(raw) > MAX_LINE_BYTES:
                    raise self.error(f"line {number} is longer than {MAX_LINE_BYTES // 2**20} MiB", _LONG_LINE_HINT)
                self._hash.update(raw)
                yield number, self._decode(raw, number)

    def text(self) -> str:
        """Return the whole text of a file of at most `MAX_ARRAY_BYTES`. Raises DataError as `lines` does."""
        if self.size_bytes > MAX_ARRAY_BYTES:
            raise self.error(
                f"the file has {megabytes(self.size_bytes)}; a JSON array may have {megabytes(MAX_ARRAY_BYTES)}",
                "Write one object a line instead and call the file .jsonl.",
            )
        with open_binary(self.path, self.name) as stream:
            raw = stream.read(MAX_ARRAY_BYTES)
        self._hash.update(raw)
        return self._decode(raw, 1)

    def hash_now(self) -> None:
        """Hash the file's bytes in one go, for formats that a library reads."""
        with open_binary(self.path, self.name) as stream:
            while block := stream.read(2**20):
                self._hash.update(block)

    def note_blank_lines(self, number: int) -> None:
        """Tell of blank lines that were left out, if there were any."""
        if number:
            lines = "1 blank line was" if number == 1 else f"{number:,} blank lines were"
            self.notices.append(f"{self.name}: {lines} left out.")

    def error(self, message: str, hint: str) -> DataError:
        """Return the error that says this file cannot be used."""
        return DataError(f"{self.name}: {message}.", hint)

    def _decode(self, raw: bytes, line: int) -> str:
        if line == 1:
            self._refuse_wide(raw)
            if raw.startswith(_BOM):
                raw = raw[len(_BOM) :]
                self.notices.append(f"{self.name}: a byte order mark at the start was left out.")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            before = raw[: error.start]
            line += before.count(b"\n")
            column = error.start - (before.rfind(b"\n") + 1) + 1
            raise self.error(
                f"line {line}, byte {column} is 0x{raw[error.start]:02x}, which is not UTF-8",
                f"If the file is Latin-1 (Windows-1252), convert it: {self._iconv('WINDOWS-1252')}",
            ) from error

    def _refuse_wide(self, raw: bytes) -> None:
        for mark, encoding in _WIDE_MARKS:
            if raw.startswith(mark):
                raise self.error(f"the file is {encoding}, not UTF-8", f"Convert it: {self._iconv(encoding)}")

    def _iconv(self, encoding: str) -> str:
        name = Path(one_line(self.name, 300))
        converted = name.with_name(f"{name.stem}.utf8{name.suffix}")
        return f"iconv -f {encoding} -t UTF-8 {shlex.quote(str(name))} > {shlex.quote(str(converted))}"


_LONG_LINE_HINT = "Check that the file has line breaks between its rows; one row may not be that long."


def resolve_path(path: str, root: Path) -> Path:
    """Return where a spec's path points: relative paths start at the project."""
    try:
        return root / Path(path).expanduser()
    except RuntimeError:
        return root / path


def open_source(path: Path, name: str) -> SourceFile:
    """Look at a data file without reading its rows.

    Raises:
        DataError: there is no such file, or it is a folder, unreadable, empty, too large, compressed or of an
            unknown kind.
    """
    shown = one_line(name, 300)
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{shown}: there is no such file.", _nearest_files(path, name)) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{shown}: the file cannot be looked at ({_reason(error)}).", "Check the path.") from error
    _check_kind(status, shown)
    format_ = FORMATS.get(path.suffix.lower())
    if format_ is None:
        raise DataError(f"{shown}: {_unknown_kind(path)}", f"Give a {_KNOWN} file.")
    source = SourceFile(path=path, name=shown, format=format_, size_bytes=status.st_size)
    if status.st_size > MAX_FILE_BYTES:
        raise source.error(
            f"the file has {megabytes(status.st_size)}, more than {megabytes(MAX_FILE_BYTES)}",
            "Split it, or take a sample of its rows.",
        )
    with open_binary(path, shown) as stream:
        _check_magic(source, stream.read(8))
    return source


def open_binary(path: Path, name: str) -> BinaryIO:
    """Open a regular file for reading. Raises DataError when the system refuses."""
    try:
        # a FIFO put in the file's place after the check must not hang us
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except PermissionError as error:
        hint = f"Allow it: chmod u+r {shlex.quote(name)}"
        raise DataError(f"{name}: the file may not be read by this user.", hint) from error
    except OSError as error:
        raise DataError(f"{name}: the file cannot be opened ({_reason(error)}).", "Check the path.") from error


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate spelled most like `word`, None when nothing is near."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def megabytes(size_bytes: int) -> str:
    """Return a size for people, as `12.3 MB`."""
    return f"{size_bytes / 1e6:,.1f} MB"


def _check_kind(status: os.stat_result, shown: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{shown}: this is a folder, not a file.", f"Name one {_KNOWN} file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{shown}: this is a device or pipe, not a file.", f"Save the rows as a {_KNOWN} file.")
    if status.st_size == 0:
        raise DataError(f"{shown}: the file is empty.", "Put rows into it, or name another file.")


def _check_magic(source: SourceFile, head: bytes) -> None:
    for magic, (kind, command) in _COMPRESSED.items():
        if head.startswith(magic):
            hint = f"Unpack it first: {command} {shlex.quote(source.name)}"
            raise source.error(f"the file is compressed ({kind}), which is not read", hint)
    if head.startswith(b"PK\x03\x04"):
        raise source.error("the file is a zip archive or an Excel workbook", f"Save its rows as a {_KNOWN} file.")
    if head.startswith(b"PAR1") and source.format != "parquet":
        raise source.error("the file is Parquet under another name", "Rename it so that it ends in .parquet.")


def _unknown_kind(path: Path) -> str:
    suffix = one_line(path.suffix, 40)
    if suffix in {".gz", ".zip", ".bz2", ".xz", ".zst"}:
        return f"compressed files ({suffix}) are not read; unpack it first."
    if suffix in {".xlsx", ".xls", ".ods"}:
        return "workbooks are not read; save the sheet as CSV."
    return f"the kind {suffix!r} is not known." if suffix else "the name has no ending that tells the kind of file."


def _nearest_files(path: Path, name: str) -> str:
    found: dict[str, None] = {}
    prefix = Path(name).parent
    try:
        with os.scandir(path.parent) as entries:
            for _, entry in zip(range(_LISTED_FILES), entries, strict=False):
                if Path(entry.name).suffix.lower() in FORMATS:
                    found[entry.name] = None
    except OSError:
        return f"The folder {one_line(str(prefix), 200)} does not exist either; check the path."
    near = nearest(path.name, sorted(found))
    if near is not None:
        return f"Did you mean {one_line(str(prefix / near), 300)}?"
    if found:
        names = ", ".join(one_line(str(prefix / name), 100) for name in sorted(found)[:5])
        return f"Data files there: {names}."
    return f"Put a {_KNOWN} file there, or correct the path."


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return one_line(str(error), 100)
