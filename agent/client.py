"""The engine seen from the process of the person: start it, send commands, read events, start it again when it dies.

Light on purpose: nothing of the conversation's machinery is imported here. The grant key stays in this process and is
told to the engine over the socket alone.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import ValidationError

from agent.events import (
    AGENT_EVENT,
    AgentEvent,
    Approval,
    Command,
    Decision,
    Hello,
    Notice,
    RunProgress,
    SessionRefused,
    Shutdown,
    Stop,
    ToolFinished,
    TurnFailed,
    TurnFinished,
    UserMessage,
)
from specs.errors import ExitCode

_CODE_DIR = Path(__file__).resolve().parents[1]
_CLOSE_S = 8.0


class EngineClient:
    """One engine process and the socket to it.

    Args:
        project_dir: the project.
        grant_key: the key grants are made with in this process.
        thread: which conversation.
        brain: `--brain` of the engine, None for its default.
        max_restarts: how often in a row an engine that died is started again.
        module: the engine's module, for engines with other jobs.
    """

    def __init__(
        self,
        project_dir: Path,
        grant_key: bytes,
        *,
        thread: str = "main",
        brain: str | None = None,
        max_restarts: int = 3,
        module: str = "agent.engine",
    ) -> None:
        self._project_dir = project_dir
        self._grant_key = grant_key
        self._thread = thread
        self._brain = brain
        self._module = module
        self._max_restarts = max_restarts
        self._restarts_left = max_restarts
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: BinaryIO | None = None
        self._writer: BinaryIO | None = None
        self._lock = threading.RLock()
        # what the engine owes a turn for, the oldest first; None is the turn it begins with
        self._owed: deque[UserMessage | Approval | None] = deque()
        self._closing = False
        self._is_refused = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the engine, None before it started."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the engine; its first events come from `events`. Does nothing once it was closed."""
        if self._closing:
            return
        is_first = self._process is None
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", self._module, "--project", str(self._project_dir)]
            command += ["--fd", str(theirs.fileno()), "--thread", self._thread]
            command += ["--brain", self._brain] if self._brain else []
            self._process = subprocess.Popen(
                command,
                env=_engine_environment(os.environ),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._error_file(),
                start_new_session=True,
            )
        with ours, self._lock:
            # closed while it was being started: without a greeting the engine ends itself
            if not self._closing:
                self._reader = ours.makefile("rb")
                self._writer = ours.makefile("wb")
                self._greet(is_first=is_first)

    def events(self) -> Iterator[AgentEvent]:
        """Yield events until the engine is closed or cannot be kept alive; a dead engine is started again."""
        while True:
            yield from self._events_of_this_engine()
            if self._closing or self._process is None:
                return
            self._process.wait()
            if self._is_refused:
                return
            if self._restarts_left == 0:
                yield SessionRefused(
                    message="The engine died again and again.",
                    hint=f"Details are in {self._log_path}. Nothing is lost: `tailor` takes the conversation up again.",
                    exit_code=int(ExitCode.FAILED),
                )
                return
            self._restarts_left -= 1
            yield Notice(message="The engine died and is started again. Nothing is lost; jobs go on.")
            self._drop()
            self.start()

    def turn(self) -> Iterator[AgentEvent]:
        """Yield events up to the one with which the agent waits, or to the engine's end."""
        for event in self.events():
            yield event
            if isinstance(event, TurnFinished | TurnFailed | SessionRefused):
                return

    def say(self, text: str, message_id: str = "") -> None:
        """Send words of the person; under an id that was used before they are not taken twice."""
        self._send(UserMessage(id=message_id or uuid.uuid4().hex, text=text))

    def answer(
        self, request_id: str, decision: Decision, grants: Mapping[str, str], reason: str = "", keys: str = ""
    ) -> None:
        """Send the person's answer to an approval; `keys` is what they pressed or typed, for the record."""
        answer = Approval(request_id=request_id, decision=decision, grants=dict(grants), reason=reason, keys=keys)
        self._send(answer)

    def stop_turn(self) -> None:
        """End the turn; jobs go on."""
        self._write(Stop())

    def close(self) -> None:
        """End the engine; jobs go on."""
        self._closing = True
        if self._process is None:
            return
        self._write(Shutdown())
        self._drop()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _greet(self, *, is_first: bool) -> None:
        """Write the first line, and behind it every command that no engine has answered yet."""
        if is_first or not self._owed:
            self._owed.appendleft(None)
        retried, *others = self._owed
        self._write(Hello(grant_key=self._grant_key.hex(), retry=retried))
        for command in others:
            if command is not None:
                self._write(command)

    @property
    def _log_path(self) -> Path:
        return self._project_dir / ".tailor" / "engine.log"

    def _send(self, command: UserMessage | Approval) -> None:
        with self._lock:
            self._owed.append(command)
            self._write(command)

    def _write(self, line: Command | Hello) -> None:
        """Write a line; a dead engine is noticed by the reader, which starts the next one with what is owed."""
        with self._lock:
            if self._writer is None:
                return
            try:
                self._writer.write(line.model_dump_json().encode() + b"\n")
                self._writer.flush()
            except OSError:
                return

    def _events_of_this_engine(self) -> Iterator[AgentEvent]:
        reader = self._reader
        while reader is not None:
            try:
                line = reader.readline()
            except (OSError, ValueError):
                return
            if not line.endswith(b"\n"):
                return
            try:
                event = AGENT_EVENT.validate_json(line)
            except ValidationError:
                continue
            self._is_refused = isinstance(event, SessionRefused)
            if self._gets_on(event):
                # an engine that gets on is not one that dies again and again
                self._restarts_left = self._max_restarts
            yield event

    def _gets_on(self, event: AgentEvent) -> bool:
        """Note what is no longer owed; return whether the engine did something it was asked for."""
        if not isinstance(event, TurnFinished | TurnFailed):
            return isinstance(event, ToolFinished | RunProgress)
        with self._lock:
            answered = self._owed.popleft() if self._owed else None
        return answered is not None and isinstance(event, TurnFinished)

    def _error_file(self) -> int | BinaryIO:
        try:
            self._log_path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            return subprocess.DEVNULL
        return os.fdopen(descriptor, "ab")

    def _drop(self) -> None:
        with self._lock:
            for stream in (self._writer, self._reader):
                if stream is not None:
                    try:
                        stream.close()
                    except OSError:
                        continue
            self._reader = self._writer = None


def _engine_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the engine's environment: ours, with the folder of this code on its path and nothing else of it."""
    values = dict(environment)
    path = values.get("PYTHONPATH", "")
    values["PYTHONPATH"] = f"{_CODE_DIR}{os.pathsep}{path}" if path else str(_CODE_DIR)
    values["PYTHONSAFEPATH"] = "1"
    values["LANGGRAPH_STRICT_MSGPACK"] = "true"
    return values
