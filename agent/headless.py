"""The conversation without a screen: at the plain terminal, from a file of answers, or as JSON lines.

This process is the person's: it shows the cards, reads the person's own words, and makes the grants. The engine only
checks them.
"""

import signal
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

from agent.answers_file import AnswersFile, Decide, Say, read_decision
from agent.cards import with_groundwork
from agent.client import EngineClient
from agent.events import (
    AgentEvent,
    ApprovalRequested,
    Question,
    SessionRefused,
    SessionStarted,
    TurnFailed,
    TurnFinished,
)
from agent.transcript import Transcript
from specs.errors import ExitCode, TailorError
from tools.approvals import GrantKey
from tools.client import Tailor
from tools.errors import UsageError

_PLAN_CODES = {
    "none": ExitCode.DONE,
    "planned": ExitCode.WAITING,
    "running": ExitCode.WAITING,
    "waiting": ExitCode.WAITING,
    "succeeded": ExitCode.DONE,
    "failed": ExitCode.FAILED,
    "stopped": ExitCode.STOPPED,
}


@dataclass
class _Scene:
    """How the conversation stands after a turn."""

    is_new: bool = True
    question: Question | None = None
    request: ApprovalRequested | None = None
    plan_state: str = "none"
    failure: TurnFailed | SessionRefused | None = None

    def begin_turn(self) -> None:
        """Forget what was open before the turn."""
        self.question = None
        self.request = None
        self.failure = None

    def take(self, event: AgentEvent) -> None:
        """Note what an event says about where the conversation stands."""
        match event:
            case SessionStarted():
                self.is_new = not event.resumed
            case Question():
                self.question = event
            case ApprovalRequested():
                self.request = event
            case TurnFinished():
                self.plan_state = event.plan_state
            case TurnFailed() | SessionRefused():
                self.failure = event
            case _:
                pass


def chat(
    project_dir: Path,
    *,
    answers: Path | None = None,
    prompt: str | None = None,
    json_mode: bool = False,
    brain: str | None = None,
    thread: str = "main",
) -> int:
    """Talk, and return an exit code.

    Args:
        project_dir: the project; made when it is missing.
        answers: file of answers; without it they come from stdin.
        prompt: said first.
        json_mode: write events as JSON lines on stdout instead of a transcript.
        brain: `guide`, `bedrock:MODEL[@REGION]` or `openai:MODEL[@URL]`.
        thread: which conversation of the project.

    Raises:
        UsageError: the answers cannot be read.
    """
    key = GrantKey.new()
    tailor = Tailor(project_dir, create=True, grant_key=key)
    with EngineClient(tailor.layout.root, key.secret, thread=thread, brain=brain) as client:
        talk = _Talk(client, tailor, Transcript(sys.stdout, sys.stderr), sys.stdin, json_mode=json_mode)
        return talk.run(answers, prompt)


class _Talk:
    """One sitting."""

    def __init__(
        self, client: EngineClient, tailor: Tailor, transcript: Transcript, stdin: TextIO, *, json_mode: bool
    ) -> None:
        self._client = client
        self._tailor = tailor
        self._transcript = transcript
        self._stdin = stdin
        self._json = json_mode
        self._scene = _Scene()

    def run(self, answers: Path | None, prompt: str | None) -> int:
        """Go through the conversation to its end, or to the end of the answers."""
        try:
            self._turn(interactive=False)
            if prompt is not None and self._scene.failure is None:
                self._say(Say(prompt), echo=True)
            if answers is not None:
                layout = self._tailor.layout
                return self._from_file(AnswersFile(answers, layout.state_dir, is_new_thread=self._scene.is_new))
            if prompt is not None and not self._stdin.isatty():
                return self._exit_code()
            return self._from_stdin()
        except KeyboardInterrupt:
            self._aside("Interrupted. Nothing is lost: jobs go on, and `tailor chat` takes the conversation up again.")
            return ExitCode.INTERRUPTED

    def _from_file(self, file: AnswersFile) -> int:
        while self._scene.failure is None:
            request = self._scene.request
            move = file.next_move(
                asks_question=self._scene.question is not None,
                plan=request.plan.hash if request is not None else "",
            )
            if move is None:
                break
            is_leading = isinstance(move, Say) and not move.message_id
            self._make(move)
            if not is_leading and self._scene.failure is None:
                file.done()
        if self._scene.failure is None and not file.is_used_up:
            self._aside("The approval in the answers was never asked for; the conversation above says why.")
            return ExitCode.FAILED if self._scene.plan_state == "none" else self._exit_code()
        return self._exit_code()

    def _from_stdin(self) -> int:
        if isinstance(self._scene.failure, SessionRefused):
            return self._exit_code()
        while True:
            if self._stdin.isatty():
                sys.stderr.write("> ")
                sys.stderr.flush()
            line = self._stdin.readline()
            if not line:
                if self._scene.question is not None:
                    self._aside("The input ended. The conversation is kept: `tailor chat` asks this again.")
                return self._exit_code()
            text = line.strip()
            if text.lower() in ("quit", "exit", "bye"):
                return self._exit_code()
            decision = read_decision(text) if self._scene.request is not None else None
            if self._scene.request is not None and not text:
                self._aside("Nothing was approved. Type `approve all`, `deny`, or say what to change.")
                continue
            self._make(decision or Say(text, uuid.uuid4().hex), interactive=self._stdin.isatty())
            if isinstance(self._scene.failure, SessionRefused):
                return self._exit_code()

    def _make(self, move: Say | Decide, *, interactive: bool = False) -> None:
        if isinstance(move, Say):
            self._say(move, echo=not interactive, interactive=interactive)
            return
        request = self._scene.request
        if request is None:
            return
        if not interactive and not self._json:
            words = f"approve {','.join(move.steps) or 'all'}" if move.approves else f"deny {move.reason}".strip()
            self._transcript.echo(words)
        try:
            grants = self._grants(request, move) if move.approves else {}
        except TailorError as error:
            self._aside(f"{error.message} {error.hint}")
            if not interactive:
                raise
            return
        self._client.answer(request.request_id, "approve" if move.approves else "deny", grants, move.reason)
        self._turn(interactive=interactive)

    def _grants(self, request: ApprovalRequested, decision: Decide) -> dict[str, str]:
        """Make the grants of an approval that a person has just typed, for exactly the plan that was shown."""
        asked = [card.id for card in request.steps]
        unknown = [step for step in decision.steps if step not in asked]
        if unknown:
            raise UsageError(f"No approval of {unknown[0]!r} was asked for.", f"Asked for: {', '.join(asked)}.")
        chosen = asked if not decision.steps else with_groundwork(request.plan, decision.steps)
        return self._tailor.approve(request.plan, chosen)

    def _say(self, words: Say, *, echo: bool = False, interactive: bool = False) -> None:
        if echo and not self._json:
            self._transcript.echo(words.text)
        self._client.say(words.text, words.message_id)
        self._turn(interactive=interactive)

    def _turn(self, *, interactive: bool) -> None:
        self._scene.begin_turn()
        with self._stoppable(interactive):
            for event in self._client.turn():
                self._scene.take(event)
                if self._json:
                    # in ASCII, so that no character of a row ends the line or reaches the terminal
                    sys.stdout.write(event.model_dump_json(ensure_ascii=True) + "\n")
                    sys.stdout.flush()
                else:
                    self._transcript.show(event)

    @contextmanager
    def _stoppable(self, interactive: bool) -> Generator[None]:
        """Ctrl+C ends the turn at a terminal, the second time the sitting; without a terminal the sitting at once."""
        if not interactive:
            yield
            return
        presses = 0

        def pressed(_number: int, _frame: FrameType | None) -> None:
            nonlocal presses
            presses += 1
            if presses > 1:
                raise KeyboardInterrupt
            self._aside("Ending the turn; jobs go on. Ctrl+C again leaves.")
            self._client.stop_turn()

        before = signal.signal(signal.SIGINT, pressed)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _exit_code(self) -> int:
        if self._scene.failure is not None:
            return self._scene.failure.exit_code
        if self._scene.request is not None:
            self._aside("Waiting for your approval; `tailor chat` shows it again.")
            return ExitCode.WAITING
        return int(_PLAN_CODES.get(self._scene.plan_state, ExitCode.DONE))

    @staticmethod
    def _aside(text: str) -> None:
        sys.stderr.write(text.rstrip() + "\n")
        sys.stderr.flush()
