"""The errors a person may read, and the exit codes a script may rely on.

Every error carries what failed and the next step. Text for the log (tracebacks) is not kept here.
"""

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `tailor` and of `python -m trainer`."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BACKEND = 3
    STOPPED = 4
    WAITING = 5
    INTERRUPTED = 130


class TailorError(Exception):
    """A failure told as a sentence and a next step.

    Args:
        message: what failed, on which object.
        hint: the next action, a command where possible.
        retryable: whether the same call may succeed later without any change.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


@dataclass(frozen=True)
class Problem:
    """One defect of a spec file. `line` and `column` count from 1; None where the file has no such place."""

    field: str
    message: str
    hint: str = ""
    line: int | None = None
    column: int | None = None


class SpecError(TailorError):
    """The spec file cannot be used. `problems` lists every defect found, not the first one alone."""

    exit_code = ExitCode.USAGE

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = problems
        super().__init__(_headline(source, problems), problems[0].hint if problems else "")


class PlanRefused(TailorError):
    """The spec is valid but no plan can be made from it: a method that has not landed, a budget too small."""

    exit_code = ExitCode.USAGE


def _headline(source: str, problems: tuple[Problem, ...]) -> str:
    lines = [f"{_place(source, p)}{p.field + ': ' if p.field else ''}{p.message}" for p in problems]
    return "\n".join(lines)


def _place(source: str, problem: Problem) -> str:
    if problem.line is None:
        return f"{source}: "
    if problem.column is None:
        return f"{source}:{problem.line}: "
    return f"{source}:{problem.line}:{problem.column}: "
