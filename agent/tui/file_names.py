"""What `@` completes: the project's files, its runs and datasets, the keys of its spec. Scanned by a thread."""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from tools.escape import one_line

Kind: TypeAlias = Literal["data", "file", "run", "dataset", "spec key"]
MAX_FILES = 50_000
_MAX_RANKED = 3_000
_MAX_FINDS = 200_000
_MAX_SECONDS = 10.0
_SKIPPED = frozenset({"node_modules", "__pycache__", "venv"})
_DATA = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
_SPEC_KEY = re.compile(r"^( *)(?:- )?([A-Za-z_][\w-]*):(?=\s|$)")
_ORDER: tuple[Kind, ...] = ("data", "run", "dataset", "spec key", "file")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something `@` can stand for."""

    text: str
    kind: Kind
    folded: str
    """`text` in small letters, as it is searched."""


class CompletionSource:
    """Names of one project, scanned once and again when they are old."""

    def __init__(self, project_dir: Path, spec_name: str = "spec.yaml") -> None:
        self._root = project_dir
        self._spec_name = spec_name
        self._lock = threading.Lock()
        self._candidates: tuple[Candidate, ...] = ()
        self._scanned_at: float | None = None
        self._narrowed: tuple[str, tuple[Candidate, ...]] = ("", ())
        self.num_scans = 0
        """How often the folders were read."""

    @property
    def is_scanned(self) -> bool:
        """Whether the folders were read."""
        return self._scanned_at is not None

    def is_old(self, seconds: float = 30.0) -> bool:
        """Whether the folders were not read within the last `seconds`."""
        return self._scanned_at is None or time.monotonic() - self._scanned_at > seconds

    def scan(self) -> None:
        """Read the folders; blocks, so a thread calls it."""
        with self._lock:
            self.num_scans += 1
            found = [*_files(self._root), *_names(self._root / ".tailor" / "runs", "run")]
            found += [
                *_names(self._root / ".tailor" / "datasets", "dataset"),
                *_spec_keys(self._root / self._spec_name),
            ]
            found.sort(key=lambda candidate: (_ORDER.index(candidate.kind), candidate.text.count("/"), candidate.text))
            self._candidates = tuple(found)
            self._narrowed = ("", self._candidates)
            self._scanned_at = time.monotonic()

    def match(self, query: str, limit: int = 8) -> list[Candidate]:
        """Return the candidates that hold the letters of `query` in their order, the best first."""
        folded = query.lower()
        if not folded:
            return list(self._candidates[:limit])
        before, searched = self._narrowed
        if not folded.startswith(before):
            searched = self._candidates
        # plain finds come first: they are ten times as fast and always better than letters with gaps
        plain = (candidate for candidate in searched if folded in candidate.folded)
        hits = list(islice(plain, _MAX_RANKED))
        if len(hits) < limit:
            looked_at = searched[: _MAX_FINDS // len(folded)]
            gapped = (candidate for candidate in looked_at if has_letters(folded, candidate.folded))
            hits = list(dict.fromkeys((*hits, *islice(gapped, _MAX_RANKED))))
            if len(hits) < _MAX_RANKED and len(looked_at) == len(searched):
                self._narrowed = (folded, tuple(hits))
        return sorted(hits, key=lambda candidate: _rank(folded, candidate))[:limit]


def has_letters(query: str, text: str) -> bool:
    """Return whether `text` holds the letters of `query` in their order."""
    at = 0
    for letter in query:
        at = text.find(letter, at) + 1
        if not at:
            return False
    return True


def _rank(query: str, candidate: Candidate) -> tuple[int, int, int, int]:
    """Return how well it answers: beginning of the name, inside it, inside the path, letters with gaps."""
    text = candidate.folded
    name = text[text.rfind("/") + 1 :]
    at = name.find(query)
    if at == 0:
        kind = 0
    elif at > 0:
        kind = 1 if not name[at - 1].isalnum() else 2
    else:
        at = text.find(query)
        kind = 3 if at >= 0 else 4
    return kind, _ORDER.index(candidate.kind), _spread(query, text) if kind == 4 else 0, len(text)


def _spread(query: str, text: str) -> int:
    """Return over how many characters the letters of `query` lie, from its last letter back."""
    places: list[int] = []
    for letter in reversed(query):
        places.append(text.rfind(letter, 0, places[-1] if places else len(text)))
    return places[0] - places[-1]


def _candidate(text: str, kind: Kind) -> Iterator[Candidate]:
    """Yield a candidate, none for a name that cannot be shown as it is: it could not be told from another."""
    if one_line(text, 400) == text:
        yield Candidate(text, kind, text.lower())


def _files(root: Path) -> Iterator[Candidate]:
    """Yield the files below `root`, folder by folder, at most 50,000."""
    deadline = time.monotonic() + _MAX_SECONDS
    folders = [("", str(root))]
    num_left = MAX_FILES
    while folders and time.monotonic() < deadline:
        following: list[tuple[str, str]] = []
        for prefix, folder in folders:
            for name, path, is_folder in _entries(folder):
                if is_folder:
                    following.append((f"{prefix}{name}/", path))
                    continue
                if num_left == 0:
                    return
                num_left -= 1
                yield from _candidate(prefix + name, "data" if name.lower().endswith(_DATA) else "file")
        folders = following


def _entries(folder: str) -> list[tuple[str, str, bool]]:
    """Return name, path and whether it is a folder, of what is neither hidden nor made by tools."""
    found: list[tuple[str, str, bool]] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _SKIPPED:
                continue
            found.append((entry.name, entry.path, entry.is_dir(follow_symlinks=False)))
    return found


def _names(folder: Path, kind: Kind) -> Iterator[Candidate]:
    for name, _path, is_folder in _entries(str(folder)):
        if is_folder:
            yield from _candidate(name, kind)


def _spec_keys(path: Path) -> Iterator[Candidate]:
    """Yield the keys of the spec, as `train.epochs`; by indentation, so a broken file serves, too."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace")[:200_000].splitlines() if path.is_file() else []
    except OSError:
        return
    above: list[tuple[int, str]] = []
    seen: set[str] = set()
    for line in lines:
        match = _SPEC_KEY.match(line)
        if match is None:
            continue
        indent = len(match[1]) + (2 if line.lstrip().startswith("- ") else 0)
        above = [*(entry for entry in above if entry[0] < indent), (indent, match[2])]
        key = ".".join(name for _indent, name in above)
        if key not in seen:
            seen.add(key)
            yield from _candidate(key, "spec key")
