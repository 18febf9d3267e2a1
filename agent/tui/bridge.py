"""Between the interface and the engine: threads that read and write, and messages for the app. Touches no widget.

Imported after the first frame: the client and the events it speaks are not needed to paint.
"""

import queue
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.client import EngineClient
from agent.conversation_log import KeptConversation, read_conversation
from agent.conversations import conversation_path
from agent.events import AgentEvent, Decision, SessionRefused, TextDelta
from specs.errors import ExitCode, TailorError
from tools.approvals import GrantKey
from tools.client import Tailor

Wake = Callable[[], None]


@dataclass(frozen=True)
class EngineOptions:
    """How the engine is started."""

    thread: str = "main"
    brain: str | None = None
    module: str = "agent.engine"


class Bridge:
    """One engine and this process's key to approve with.

    Args:
        project_dir: the project; made ready when it is new.
        options: how the engine is started.
        wake: called from a thread when there are events to take; calls are merged.
    """

    def __init__(self, project_dir: Path, options: EngineOptions, wake: Wake) -> None:
        self._options = options
        self._wake = wake
        self._events: deque[AgentEvent] = deque()
        self._lock = threading.Lock()
        self._outbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        key = GrantKey.new()
        self.tailor = Tailor(project_dir, create=True, grant_key=key)
        self._client = EngineClient(
            self.tailor.layout.root, key.secret, thread=options.thread, brain=options.brain, module=options.module
        )
        self._threads = [
            threading.Thread(target=self._read, name="engine events", daemon=True),
            threading.Thread(target=self._write, name="engine commands", daemon=True),
        ]

    @property
    def engine_pid(self) -> int | None:
        """Process id of the engine, None before it started."""
        return self._client.pid

    def conversation(self) -> KeptConversation:
        """Return what this conversation showed before. Raises OSError when its record cannot be read."""
        return read_conversation(conversation_path(self.tailor.layout, self._options.thread))

    def start(self) -> None:
        """Start the engine; its events are then to be taken with `take`."""
        for thread in self._threads:
            thread.start()

    def take(self) -> list[AgentEvent]:
        """Return the events that came since the last call, pieces of one answer joined."""
        with self._lock:
            events, self._events = self._events, deque()
        joined: list[AgentEvent] = []
        for event in events:
            last = joined[-1] if joined else None
            if isinstance(event, TextDelta) and isinstance(last, TextDelta):
                joined[-1] = last.model_copy(update={"text": last.text + event.text})
            else:
                joined.append(event)
        return joined

    def say(self, text: str) -> str:
        """Send words of the person; return the id of the message."""
        message_id = uuid.uuid4().hex
        self._outbox.put(lambda: self._client.say(text, message_id))
        return message_id

    def answer(
        self, request_id: str, decision: Decision, grants: Mapping[str, str], reason: str = "", keys: str = ""
    ) -> None:
        """Send the person's answer to an approval."""
        self._outbox.put(lambda: self._client.answer(request_id, decision, grants, reason, keys))

    def stop_turn(self) -> None:
        """End the agent's turn; jobs go on."""
        self._outbox.put(self._client.stop_turn)

    def close(self) -> None:
        """End the engine; jobs go on. Waits a few seconds at most."""
        self._outbox.put(None)
        self._client.close()

    def _read(self) -> None:
        try:
            self._client.start()
            for event in self._client.events():
                self._push(event)
        except TailorError as error:
            self._push(SessionRefused(message=error.message, hint=error.hint, exit_code=int(error.exit_code)))
        except OSError as error:
            self._push(
                SessionRefused(
                    message=f"The engine cannot be started: {error.strerror}.",
                    hint="Free memory or disk space and start `tailor` again. Nothing is lost.",
                    exit_code=int(ExitCode.FAILED),
                )
            )

    def _push(self, event: AgentEvent) -> None:
        with self._lock:
            is_first = not self._events
            self._events.append(event)
        if is_first:
            self._wake()

    def _write(self) -> None:
        while (send := self._outbox.get()) is not None:
            send()
