"""Rows with the answers of both models, picked so that a person sees what changed, escaped for the terminal."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from specs.base import StrictModel
from specs.evaluation import Check
from specs.run import Message
from tools.errors import UsageError
from tools.escape import visible
from tools.evaluation.records import Answer, draw_rows, join, read_generations, read_rows
from tools.evaluation.report import EvaluationReport, Side
from tools.evaluation.scorers import score_rows

Outcome: TypeAlias = Literal["loss", "win", "tie"]
_LONGEST_SHOWN = 400
_LOSSES_SHARE = 0.4
_WINS_SHARE = 0.4


class ComparedRow(StrictModel):
    """One test row with both answers. Every text is escaped and cut."""

    id: str
    source: str
    prompt: str
    wanted: str
    base: str
    custom: str
    base_right: bool
    custom_right: bool
    outcome: Outcome
    """Seen from the custom model."""


def answers_of(report: EvaluationReport, side: Side) -> tuple[Answer, ...]:
    """Return every measured row with one side's answer, as scored. Raises ToolError when the files are gone."""
    test_set = report.test_set
    rows = draw_rows(read_rows(Path(test_set.rows_path)), test_set.num_rows)
    path = Path(side.generations_path)
    return join(rows, read_generations(path), path)


def side_by_side(report: EvaluationReport, limit: int = 20, check: str | None = None) -> list[ComparedRow]:
    """Return at most `limit` rows: losses first, then wins, then ties (those with both wrong before both right).

    Losses and wins get two fifths of the places each, ties the rest; places one kind cannot fill go to the others.
    Which rows of a kind are shown is drawn by the hash of their ids, not by their order in the file.

    Args:
        report: an evaluation with a custom side.
        limit: most rows to return.
        check: name of the check that says what is right; the first when left out.

    Raises:
        UsageError: the report has no custom side, or no check of that name.
        ToolError: rows or answers are gone.
    """
    if report.custom is None:
        raise UsageError("This is a baseline: there is no second model to compare.", "Train first, then evaluate.")
    chosen = find_check(report, check)
    base, custom = answers_of(report, report.baseline), answers_of(report, report.custom)
    right = zip(score_rows(chosen, base), score_rows(chosen, custom), strict=True)
    rows = [_row(old, new, *marks) for old, new, marks in zip(base, custom, right, strict=True)]
    return _mix(rows, max(0, limit))


def prompt_text(prompt: Sequence[Message]) -> str:
    """Return a prompt for people: the message alone when there is one from the user, else each with its role."""
    spoken = [message for message in prompt if message.role != "system"]
    if len(spoken) == 1 and spoken[0].role == "user":
        return spoken[0].content
    return "\n".join(f"{message.role}: {message.content}" for message in prompt)


def find_check(report: EvaluationReport, name: str | None) -> Check:
    """Return the check of a name, the first when left out. Raises UsageError when there is none of that name."""
    for check in report.settings:
        if name is None or check.name == name:
            return check
    names = ", ".join(check.name for check in report.settings)
    raise UsageError(f"The evaluation has no check {name!r}.", f"Choose one of: {names}.")


def _row(base: Answer, custom: Answer, base_right: bool, custom_right: bool) -> ComparedRow:
    outcome: Outcome = "tie" if base_right == custom_right else "win" if custom_right else "loss"
    return ComparedRow(
        id=base.id,
        source=visible(base.source, _LONGEST_SHOWN),
        prompt=visible(prompt_text(base.prompt), _LONGEST_SHOWN),
        wanted=visible(base.wanted, _LONGEST_SHOWN),
        base=visible(base.text, _LONGEST_SHOWN),
        custom=visible(custom.text, _LONGEST_SHOWN),
        base_right=base_right,
        custom_right=custom_right,
        outcome=outcome,
    )


def _mix(rows: Sequence[ComparedRow], limit: int) -> list[ComparedRow]:
    drawn = sorted(rows, key=lambda row: hashlib.sha256(row.id.encode()).digest())
    losses = [row for row in drawn if row.outcome == "loss"]
    wins = [row for row in drawn if row.outcome == "win"]
    ties = sorted((row for row in drawn if row.outcome == "tie"), key=lambda row: row.custom_right)
    num_losses = min(len(losses), -int(-limit * _LOSSES_SHARE // 1))
    num_wins = min(len(wins), int(limit * _WINS_SHARE), limit - num_losses)
    num_ties = min(len(ties), limit - num_losses - num_wins)
    num_wins = min(len(wins), limit - num_losses - num_ties)
    num_losses = min(len(losses), limit - num_wins - num_ties)
    return [*losses[:num_losses], *wins[:num_wins], *ties[:num_ties]]
