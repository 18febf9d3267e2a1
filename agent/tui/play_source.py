"""Asks served models for the playground and keeps votes. Called in threads; draws nothing."""

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from agent.tui.viewmodels.play import Said, ServedView, Setting
from agent.tui.viewmodels.results import Absent
from specs.layout import ProjectLayout

if TYPE_CHECKING:
    from tools.backends.base import JobBackend
    from tools.deployment.chat import Answer
    from tools.votes import Vote

Better: TypeAlias = Literal[0, 1, 2]
"""1 = the left answer, 2 = the right one, 0 = neither."""

MAX_TOKENS = 256
_NOBODY = Absent(
    "No server is running in this project.",
    "Deploy a model in the conversation, or with `tailor run --approve deploy`.",
)


@dataclass
class Exchange:
    """One prompt and what the models say to it; filled by a thread while the screen reads it."""

    prompt: str
    models: tuple[str, ...]
    """From left to right."""
    settings: Mapping[str, Setting]
    is_blind: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    begun: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)
    said: dict[str, Said] = field(default_factory=dict[str, Said])
    problem: tuple[str, str] | None = None
    """Why it broke off, and the next step."""
    is_over: bool = False
    better: Better | None = None
    _pieces: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, model: str, text: str) -> None:
        """Take more text of a model."""
        with self._lock:
            self._pieces.setdefault(model, []).append(text)

    def text(self, model: str) -> str:
        """Return what a model has said so far."""
        with self._lock:
            whole = "".join(self._pieces.get(model, ()))
            self._pieces[model] = [whole]
        return whole

    @property
    def is_answered(self) -> bool:
        """Whether every model has said all."""
        return self.is_over and len(self.said) == len(self.models)


class PlaygroundSource:
    """The served models of a project.

    Args:
        layout: the project.
        backend: where the servers run; left out = where the project's jobs run.
    """

    def __init__(self, layout: ProjectLayout, backend: "JobBackend | None" = None) -> None:
        self.layout = layout
        self._backend = backend

    def served(self) -> ServedView | Absent:
        """Return who can be asked, or why nobody can."""
        from specs.errors import TailorError
        from tools.deployment.endpoints import endpoints
        from tools.running import backend

        try:
            found = endpoints(self.layout, self._backend or backend(self.layout))
        except TailorError as error:
            return Absent(error.message, error.hint)
        return ServedView(found[0].models, found[0].url) if found else _NOBODY

    def ask(self, exchange: Exchange) -> None:
        """Fill an exchange until it is over."""
        from specs.errors import TailorError
        from tools.deployment.chat import Sampling
        from tools.deployment.playground import Completed, Delta, stream

        sampling = {model: Sampling(each.temperature, each.seed) for model, each in exchange.settings.items()}
        try:
            events = stream(
                self.layout,
                exchange.prompt,
                exchange.models,
                self._backend,
                max_tokens=MAX_TOKENS,
                sampling=sampling,
                stop=exchange.stop,
            )
            for event in events:
                if isinstance(event, Delta):
                    exchange.add(event.model, event.text)
                elif isinstance(event, Completed):
                    exchange.said[event.answer.model] = _said(event.answer)
        except TailorError as error:
            exchange.problem = (error.message, error.hint)
        exchange.is_over = True

    def vote(self, exchange: Exchange, better: Better) -> None:
        """Save which answer was better, 1 for the left one. Raises ToolError when it cannot be saved."""
        from tools.votes import save_vote

        save_vote(self.layout, _vote(exchange, better, time.time()))

    def tally(self, first: str, second: str) -> str:
        """Return how often each of two models was better, empty without votes. Raises ToolError as `read_votes`."""
        from tools.escape import one_line
        from tools.votes import read_votes, tally
        from tools.wording import count

        found = tally(read_votes(self.layout), first, second)
        if not found.total:
            return ""
        return (
            f"{count(found.total, 'vote')}: {one_line(first)} {found.first:,} · {one_line(second)} {found.second:,} · "
            f"tie {found.ties:,} · kept in {self.layout.state_dir.name}/{self.layout.votes_path.name}"
        )


def _said(answer: "Answer") -> Said:
    from tools.evaluation.scorers import is_strict_json

    text = answer.text.strip()
    return Said(
        model=answer.model,
        text=answer.text,
        num_tokens=answer.num_tokens,
        seconds=answer.seconds,
        first_token_s=answer.first_token_s,
        is_cut=answer.finish == "length",
        is_json=text.startswith(("{", "[")) and is_strict_json(text),
    )


def _vote(exchange: Exchange, better: Better, now: float) -> "Vote":
    from tools.votes import Vote, VoteAnswer, VoteSetting

    left, right = (
        VoteAnswer(
            model=model,
            text=exchange.said[model].text,
            num_tokens=exchange.said[model].num_tokens,
            seconds=exchange.said[model].seconds,
            setting=VoteSetting(temperature=exchange.settings[model].temperature, seed=exchange.settings[model].seed),
        )
        for model in exchange.models
    )
    return Vote(
        id=exchange.id, time=now, prompt=exchange.prompt, answers=(left, right), better=better, blind=exchange.is_blind
    )
