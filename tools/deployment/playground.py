"""Asks served models the same prompt at once, so that a person can compare the base and the custom model."""

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TypeAlias

from specs.errors import TailorError
from specs.layout import ProjectLayout
from specs.run import Message
from tools.backends.base import JobBackend
from tools.deployment.chat import GREEDY, Answer, ChatServer, Sampling
from tools.deployment.endpoints import Endpoint, endpoints
from tools.errors import ToolError, UsageError
from tools.escape import one_line
from tools.steps import JsonDict

MAX_TOKENS = 256
"""Longest answer in tokens when nothing else was asked for."""

_STOP_S = 0.1
"""How soon a stop is noticed while no server says anything."""


@dataclass(frozen=True)
class Delta:
    """More text of one side."""

    model: str
    text: str


@dataclass(frozen=True)
class Completed:
    """One side has said all; the others may go on."""

    answer: Answer


@dataclass(frozen=True)
class Summary:
    """All answers, in the order of the models; the last thing that is yielded."""

    answers: tuple[Answer, ...]


PlayEvent: TypeAlias = Delta | Completed | Summary


def play(
    layout: ProjectLayout,
    prompt: str | Sequence[Message],
    models: Sequence[str] = (),
    backend: JobBackend | None = None,
) -> JsonDict:
    """Return the answer of each model: {"answers": [{"model", "text", "num_tokens", "seconds", …}]}.

    Args:
        layout: the project.
        prompt: what a user says, or a whole conversation.
        models: names of served models; left out = all models of the latest server, the base first.
        backend: where the servers run; left out = where the project's jobs run.

    Raises:
        UsageError: nothing is served, a model is not, or the prompt is too long.
        BackendError: a server does not answer.
    """
    for event in stream(layout, prompt, models, backend):
        if isinstance(event, Summary):
            return {"answers": [asdict(answer) for answer in event.answers]}
    raise AssertionError("a summary always comes last")


def stream(
    layout: ProjectLayout,
    prompt: str | Sequence[Message],
    models: Sequence[str] = (),
    backend: JobBackend | None = None,
    *,
    max_tokens: int = MAX_TOKENS,
    sampling: Mapping[str, Sampling] | None = None,
    stop: threading.Event | None = None,
) -> Iterator[PlayEvent]:
    """Yield the answers of all models as they come, then a summary. Closing the iterator ends the requests.

    Args:
        layout: the project.
        prompt: what a user says, or a whole conversation.
        models: names of served models; left out = all models of the latest server, the base first.
        backend: where the servers run; left out = where the project's jobs run.
        max_tokens: longest answer in tokens.
        sampling: how the answers of a model are chosen; greedily for the models it does not name.
        stop: setting it, from any thread, ends the requests and the iteration, without a summary.

    Raises:
        UsageError, BackendError: as `play`.
    """
    served = endpoints(layout, backend or _usual_backend(layout))
    chosen = _choose(served, models)
    settings = _Settings(max_tokens, sampling or {}, stop or threading.Event())
    return _ask_all(chosen, conversations(layout, prompt, chosen), settings)


def conversations(
    layout: ProjectLayout, prompt: str | Sequence[Message], chosen: Mapping[str, Endpoint]
) -> dict[str, tuple[Message, ...]]:
    """Return what each model is sent: a bare prompt gets the system prompt its training rows had."""
    if not isinstance(prompt, str):
        return {model: tuple(prompt) for model in chosen}
    system = {plan: _system_prompt(layout, plan) for plan in {endpoint.plan for endpoint in chosen.values()}}
    said = Message(role="user", content=prompt)
    return {
        model: (Message(role="system", content=text), said) if (text := system[endpoint.plan]) else (said,)
        for model, endpoint in chosen.items()
    }


def _usual_backend(layout: ProjectLayout) -> JobBackend:
    from tools.running import backend

    return backend(layout)


def _choose(running: Sequence[Endpoint], models: Sequence[str]) -> dict[str, Endpoint]:
    """Return the server to ask for each model, the latest that has it."""
    if not running:
        raise UsageError("No server is running in this project.", "Deploy a model: `tailor run --approve deploy`.")
    if not models:
        return dict.fromkeys(running[0].models, running[0])
    chosen: dict[str, Endpoint] = {}
    for model in models:
        found = next((endpoint for endpoint in running if model in endpoint.models), None)
        if found is None:
            served = sorted({name for endpoint in running for name in endpoint.models})
            raise UsageError(f"The model {one_line(model)} is not served.", f"Served now: {', '.join(served)}.")
        chosen[model] = found
    return chosen


def _system_prompt(layout: ProjectLayout, plan_hash: str) -> str | None:
    from tools.ledger import Ledger

    if not layout.ledger_path.exists():
        return None
    with Ledger(layout.ledger_path) as ledger:
        plan = ledger.plan(plan_hash)
    steps = plan.steps if plan is not None else ()
    return next((step.arguments.get("system_prompt") for step in steps if step.kind == "prepare_data"), None)


_Update: TypeAlias = Delta | Answer | TailorError


@dataclass(frozen=True)
class _Settings:
    max_tokens: int
    sampling: Mapping[str, Sampling]
    stop: threading.Event


def _ask_all(
    chosen: Mapping[str, Endpoint], sent: Mapping[str, tuple[Message, ...]], settings: _Settings
) -> Iterator[PlayEvent]:
    updates: queue.SimpleQueue[_Update] = queue.SimpleQueue()
    left = threading.Event()
    with ExitStack() as open_servers:
        clients = {
            endpoint.url: open_servers.enter_context(ChatServer(endpoint.url, endpoint.api_key_path))
            for endpoint in set(chosen.values())
        }
        open_servers.callback(left.set)
        for model, endpoint in chosen.items():
            asking = _Asking(clients[endpoint.url], model, sent[model], updates, left)
            threading.Thread(target=asking.run, args=(settings,), name=f"ask {model}", daemon=True).start()
        answers: dict[str, Answer] = {}
        while len(answers) < len(chosen):
            if settings.stop.is_set():
                return
            try:
                update = updates.get(timeout=_STOP_S)
            except queue.Empty:
                continue
            if isinstance(update, TailorError):
                raise update
            if isinstance(update, Answer):
                answers[update.model] = update
                yield Completed(update)
            else:
                yield update
    yield Summary(tuple(answers[model] for model in chosen))


@dataclass(frozen=True)
class _Asking:
    """One model being asked, in a thread of its own."""

    server: ChatServer
    model: str
    messages: tuple[Message, ...]
    updates: "queue.SimpleQueue[_Update]"
    left: threading.Event
    """Nobody reads the answer any more."""

    def run(self, settings: _Settings) -> None:
        """Put the pieces, and then the answer or the error, into the queue."""
        sampling = settings.sampling.get(self.model, GREEDY)
        try:
            pieces = self.server.stream(self.model, self.messages, settings.max_tokens, sampling)
            while not self.left.is_set():
                try:
                    self.updates.put(Delta(self.model, next(pieces)))
                except StopIteration as end:
                    self.updates.put(end.value)
                    return
        except TailorError as error:
            self.updates.put(error)
        except RuntimeError as error:
            # the client was closed under the request because the reader left
            self.updates.put(ToolError(f"The answer of {one_line(self.model)} was given up ({type(error).__name__})."))
