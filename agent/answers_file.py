"""Answers from a file: one a line, `#` comments, an empty line takes the default; approvals in the person's own words.

    classify bank messages by intent, examples in data/train.csv
    # the next line is empty: the default is taken

    0.85
    approve all

`approve all`, `approve STEP,STEP` and `deny WHY` answer an approval and nothing else: while none is asked for, the
conversation is led towards one by taking defaults. How far a file was used is kept in the project, so that the same
file goes on where it was interrupted.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from specs.atomic import write_text
from tools.errors import UsageError
from tools.steps import JsonDict

_APPROVE = re.compile(r"^approve(?:\s+(?P<steps>all|[a-z_0-9-]+(?:\s*,\s*[a-z_0-9-]+)*))?$", re.IGNORECASE)
_DENY = re.compile(r"^(?:deny|decline|reject)(?:[\s:,]+(?P<reason>.*))?$", re.IGNORECASE)
_MAX_LEADING = 12


@dataclass(frozen=True)
class Say:
    """Words for the agent."""

    text: str
    message_id: str = ""


@dataclass(frozen=True)
class Decide:
    """An answer to an approval. No steps = all that were asked for."""

    approves: bool
    steps: tuple[str, ...] = ()
    reason: str = ""


def read_decision(text: str) -> Decide | None:
    """Return the approval or refusal that `text` is, None when it is neither."""
    said = " ".join(text.strip().rstrip(".!").split())
    if match := _APPROVE.match(said):
        named = match["steps"] or "all"
        return Decide(True, () if named.lower() == "all" else tuple(part.strip() for part in named.split(",")))
    if match := _DENY.match(said):
        return Decide(False, reason=match["reason"] or "")
    return None


class AnswersFile:
    """The answers of one file, and how far they were used in a project."""

    def __init__(self, path: Path, state_dir: Path, *, is_new_thread: bool) -> None:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The answers in {path} cannot be read: {error}.", "Give a text file in UTF-8.") from error
        self._lines = [line.strip() for line in text.splitlines() if not line.lstrip().startswith("#")]
        self._name = hashlib.sha256(text.encode()).hexdigest()
        self._mark_path = state_dir / "answers.json"
        self._leading = 0
        mark = {} if is_new_thread else self._read_mark()
        self._next = int(mark.get("next", 0))
        self._open_plan = str(mark.get("plan", ""))

    def next_move(self, *, asks_question: bool, plan: str = "") -> Say | Decide | None:
        """Return what to do now, None at the end of the file.

        Args:
            asks_question: a question is open.
            plan: hash of the plan whose approval is open, empty when none is.
        """
        while self._next < len(self._lines):
            line = self._lines[self._next]
            decision = read_decision(line)
            if decision is not None and self._open_plan not in ("", plan):
                # the line was used before an interruption, and what it approved has gone on or is over
                self._open_plan = ""
                self.done()
                continue
            if plan and not line:
                self.done()
                continue
            if decision is None:
                self._keep()
                return Say(line, self._message_id())
            if plan:
                self._keep(plan)
                return decision
            if self._leading == _MAX_LEADING:
                return None
            self._leading += 1
            return Say("" if asks_question else "go on")
        return None

    def done(self) -> None:
        """The line in use was answered."""
        self._next += 1
        self._leading = 0
        self._keep()

    @property
    def is_used_up(self) -> bool:
        """Whether every line was used."""
        return self._next >= len(self._lines)

    def _message_id(self) -> str:
        return hashlib.sha256(f"{self._name}:{self._next}".encode()).hexdigest()[:32]

    def _keep(self, plan: str = "") -> None:
        write_text(self._mark_path, json.dumps({"file": self._name, "next": self._next, "plan": plan}))

    def _read_mark(self) -> JsonDict:
        try:
            mark = cast("JsonDict", json.loads(self._mark_path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}
        return mark if mark.get("file") == self._name else {}
