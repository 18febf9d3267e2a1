"""The engine process: one conversation of one project, served as JSON lines over a private socket.

    python -m agent.engine --project DIR --fd N [--thread ID] [--brain NAME]

It is started by `agent.client` and holds what is heavy. It dies with its client and may be killed at any moment; jobs
outlive it, and the next engine takes the thread up. The key for checking grants comes as the first line on the socket,
never by argument, environment or file.
"""

import argparse
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO

from pydantic import ValidationError

from agent.conversation_log import ConversationLog
from agent.conversations import conversation_path, waiting_path
from agent.events import (
    COMMAND,
    AgentEvent,
    Approval,
    Command,
    Hello,
    Notice,
    SessionRefused,
    SessionStarted,
    Shutdown,
    Stop,
    Text,
    TurnFailed,
    TurnFinished,
    UserMessage,
)
from agent.inbox import Inbox
from specs.errors import ExitCode, TailorError
from tools.escape import visible

if TYPE_CHECKING:
    from agent.session import AgentSession

STRICT_VARIABLE = "LANGGRAPH_STRICT_MSGPACK"
_MAX_LINE_BYTES = 4 << 20
_LEAVE_S = 1.0
_LONGEST_RECORD = 20_000
_LONGEST_MESSAGE = 100_000
_LOG = logging.getLogger(__name__)


class Wire:
    """The socket to the client: events out, commands in."""

    def __init__(self, connection: socket.socket) -> None:
        self._reader: BinaryIO = connection.makefile("rb")
        self._writer: BinaryIO = connection.makefile("wb")
        self._lock = threading.Lock()
        self._log: ConversationLog | None = None

    def send(self, event: AgentEvent) -> None:
        """Write one event. Raises OSError when the client is gone."""
        stamped = event.model_copy(update={"time": event.time or time.time()})
        self._keep(stamped)
        with self._lock:
            self._writer.write(stamped.model_dump_json().encode() + b"\n")
            self._writer.flush()

    def keep_in(self, log: ConversationLog) -> None:
        """Keep what is sent from now on."""
        self._log = log

    def heard(self, message: UserMessage) -> None:
        """Keep words of the person before anything is done with them."""
        self._keep(_said(message))

    def heard_before(self, message: UserMessage) -> None:
        """Tell words of the person that an earlier engine heard, as nobody has shown them yet. Raises OSError."""
        self.send(_said(message))

    def _keep(self, event: AgentEvent) -> None:
        if self._log is None:
            return
        try:
            self._log.keep(event)
        except OSError as error:
            self._log = None
            self.send(
                Notice(
                    message=f"What is said from now on is not kept for showing it again ({error.strerror}).",
                    hint="The conversation itself goes on. Free space or mend the permissions of .tailor.",
                )
            )

    def hello(self) -> Hello:
        """Read the first line. Raises ValueError for anything but a greeting."""
        return Hello.model_validate_json(self._reader.readline(_MAX_LINE_BYTES))

    def commands(self) -> Iterator[Command]:
        """Yield commands until the client closes; lines that are none are logged and skipped."""
        while line := self._reader.readline(_MAX_LINE_BYTES):
            try:
                yield COMMAND.validate_json(line)
            except ValidationError:
                _LOG.warning("a line of %d bytes is no command", len(line))


def _said(message: UserMessage) -> Text:
    return Text(role="user", text=visible(message.text, _LONGEST_MESSAGE), id=message.id, time=time.time())


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the client closes; return an exit code."""
    # before anything imports langgraph: its serializer reads this once
    os.environ[STRICT_VARIABLE] = "true"
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="python -m agent.engine")
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--thread", default="main")
    parser.add_argument("--brain", default=None)
    options = parser.parse_args(arguments)
    wire = Wire(socket.socket(fileno=options.fd))
    try:
        hello = wire.hello()
    except (ValueError, OSError):
        return ExitCode.USAGE
    try:
        return _serve(wire, hello, options.project, options.thread, options.brain)
    except TailorError as error:
        wire.send(SessionRefused(message=error.message, hint=error.hint, exit_code=int(error.exit_code)))
        return int(error.exit_code)
    except (BrokenPipeError, ConnectionResetError):
        return ExitCode.DONE
    except Exception as error:  # noqa: BLE001 - looked at by type there, and raised again where it is none of these
        return _refuse_storage(wire, options.project, error)


def _refuse_storage(wire: Wire, project: Path, error: Exception) -> int:
    """Say that the project cannot be written; anything else is no sentence for a person and goes on."""
    from agent.threads import is_about_storage, unkept

    if not is_about_storage(error):
        raise error
    refusal = unkept(project / ".tailor", error)
    wire.send(SessionRefused(message=refusal.message, hint=refusal.hint, exit_code=int(refusal.exit_code)))
    return int(refusal.exit_code)


def _serve(wire: Wire, hello: Hello, project: Path, thread: str, brain_choice: str | None) -> int:
    from agent.assembly import make_context
    from agent.session import AgentSession
    from agent.threads import engine_lock, open_threads
    from tools.approvals import GrantKey
    from tools.client import Tailor

    tailor = Tailor(project, grant_key=GrantKey(bytes.fromhex(hello.grant_key)))
    _log_to(tailor.layout.log_path)
    with ExitStack() as held:
        held.enter_context(engine_lock(tailor.layout))
        saver = held.enter_context(open_threads(tailor.layout))
        context = make_context(tailor, brain_choice)
        session = AgentSession(saver, context, thread)
        started = SessionStarted(
            project=str(tailor.layout.root), thread=thread, brain=context.brain.name, resumed=not session.is_new
        )
        wire.keep_in(ConversationLog(conversation_path(tailor.layout, thread)))
        wire.send(started)
        _converse(wire, session, hello, Inbox(waiting_path(tailor.layout, thread)))
    return ExitCode.DONE


def _converse(wire: Wire, session: "AgentSession", hello: Hello, inbox: Inbox) -> None:
    """Answer commands one after another; `stop` and the end of the client reach a turn at work."""
    waiting: queue.Queue[UserMessage | Approval | None] = queue.Queue()
    earlier = _left_behind(wire, session, hello, inbox)
    reader = threading.Thread(target=_listen, args=(wire, session, waiting, inbox), daemon=True)
    _on_signals(session, waiting)
    reader.start()
    if hello.retry is None:
        _tell(wire, session, session.open())
    else:
        _answer(wire, session, hello.retry, inbox, is_again=True)
    for message in earlier:
        if _tell(wire, session, session.send(message.text, message.id)):
            inbox.drop(message.id)
    while (command := waiting.get()) is not None:
        _answer(wire, session, command, inbox)


def _left_behind(wire: Wire, session: "AgentSession", hello: Hello, inbox: Inbox) -> list[UserMessage]:
    """Return what an earlier engine heard and never began to answer, having told of it."""
    retried = hello.retry.id if isinstance(hello.retry, UserMessage) else ""
    left: list[UserMessage] = []
    for message in inbox.waiting:
        if session.knows(message.id):
            inbox.drop(message.id)
        elif message.id != retried:
            wire.heard_before(message)
            left.append(message)
    return left


def _answer(
    wire: Wire, session: "AgentSession", command: UserMessage | Approval, inbox: Inbox, *, is_again: bool = False
) -> None:
    if isinstance(command, Approval):
        _tell(wire, session, session.answer(command, is_again=is_again))
        return
    wire.heard(command)
    if _tell(wire, session, session.send(command.text, command.id)):
        inbox.drop(command.id)


def _tell(wire: Wire, session: "AgentSession", events: Iterator[AgentEvent]) -> bool:
    """Tell the client of a turn; return whether it was told of the turn's end."""
    gone = is_ended = False
    for event in events:
        if gone:
            continue
        is_ended = isinstance(event, TurnFinished | TurnFailed)
        try:
            wire.send(event)
        except OSError:
            # the turn is not torn down in the middle of a step: the session leaves where it can be taken up
            gone = True
            session.leave()
    return is_ended and not gone


def _listen(
    wire: Wire, session: "AgentSession", waiting: "queue.Queue[UserMessage | Approval | None]", inbox: Inbox
) -> None:
    try:
        for command in wire.commands():
            match command:
                case Stop():
                    session.stop()
                case Shutdown():
                    break
                case UserMessage():
                    inbox.put(command)
                    waiting.put(command)
                case Approval():
                    waiting.put(command)
    except OSError:
        _LOG.warning("the client's end of the socket failed")
    _leave(session, waiting)


def _leave(session: "AgentSession", waiting: "queue.Queue[UserMessage | Approval | None]") -> None:
    session.leave()
    waiting.put(None)
    # a step that does not look up in time is cut off: the same as being killed, which every step survives
    timer = threading.Timer(_LEAVE_S, os._exit, args=(int(ExitCode.DONE),))
    timer.daemon = True
    timer.start()


def _on_signals(session: "AgentSession", waiting: "queue.Queue[UserMessage | Approval | None]") -> None:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        session.stop()

    def terminate(_number: int, _frame: FrameType | None) -> None:
        _leave(session, waiting)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, terminate)


class _Escaped(logging.Formatter):
    """Lines that cannot draw on the terminal of whoever reads the log, and without secrets: tracebacks quote rows."""

    def format(self, record: logging.LogRecord) -> str:
        from agent.toolset import redact

        return visible(redact(super().format(record)), _LONGEST_RECORD)


def _log_to(path: Path) -> None:
    """Log warnings to the project's log; never debug lines, which carry what requests hold."""
    handler = logging.FileHandler(path, delay=True)
    handler.setFormatter(_Escaped("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
