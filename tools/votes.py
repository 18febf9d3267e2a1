"""Which of two answers a person found better, kept line by line in .tailor/votes.jsonl. Only ever added to.

A later vote on the same answers replaces the earlier one for whoever reads; the earlier line stays.
"""

import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import ValidationError

from specs.base import StrictModel
from specs.layout import ProjectLayout
from tools.errors import ToolError

Better: TypeAlias = Literal[0, 1, 2]
"""1 = the first answer, 2 = the second, 0 = neither."""


class VoteSetting(StrictModel):
    """How an answer was chosen."""

    temperature: float
    seed: int | None


class VoteAnswer(StrictModel):
    """One of the answers, as it stood on the screen."""

    model: str
    text: str
    num_tokens: int
    seconds: float
    setting: VoteSetting


class Vote(StrictModel):
    """One line of votes.jsonl."""

    version: Literal[1] = 1
    id: str
    """Of the answers: two votes on the same ones share it."""
    time: float
    """Seconds since the epoch."""
    prompt: str
    answers: tuple[VoteAnswer, VoteAnswer]
    """From left to right."""
    better: Better
    blind: bool
    """Whether the names were hidden until the vote."""

    @property
    def winner(self) -> str | None:
        """Return the model that was better, None for neither."""
        return self.answers[self.better - 1].model if self.better else None


@dataclass(frozen=True)
class Tally:
    """How often two models won against each other."""

    first: int
    second: int
    ties: int

    @property
    def total(self) -> int:
        """Return the number of votes."""
        return self.first + self.second + self.ties


def save_vote(layout: ProjectLayout, vote: Vote) -> None:
    """Add a vote; it is on disk when this returns.

    Raises:
        ToolError: the file cannot be written.
    """
    path = layout.votes_path
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _write(descriptor, vote.model_dump_json().encode() + b"\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ToolError(
            f"The vote cannot be saved in {path}: {error.strerror}.", "Free some disk space, then vote again."
        ) from error


def read_votes(layout: ProjectLayout) -> tuple[Vote, ...]:
    """Return the votes in the order of their first saving, the last word on the same answers. Skips damaged lines.

    Raises:
        ToolError: the file is there and cannot be read.
    """
    try:
        lines = layout.votes_path.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ToolError(f"The votes in {layout.votes_path} cannot be read: {error.strerror}.") from error
    votes: dict[str, Vote] = {}
    for line in lines:
        try:
            vote = Vote.model_validate_json(line)
        except ValidationError:
            # torn by a crash or edited by hand: the other votes still count
            continue
        votes[vote.id] = vote
    return tuple(votes.values())


def tally(votes: Iterable[Vote], first: str, second: str) -> Tally:
    """Return how often each of two models was found better when both were shown."""
    winners = [vote.winner for vote in votes if {answer.model for answer in vote.answers} == {first, second}]
    return Tally(winners.count(first), winners.count(second), winners.count(None))


def _write(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    while line:
        line = line[os.write(descriptor, line) :]
    os.fsync(descriptor)
