"""Words of the person that reached the engine and are not answered yet: `.tailor/conversations/<thread>.waiting.json`.

While a turn goes on, further words wait. They lie here meanwhile, so that they are answered by the next engine when
this one is killed or left. The file is gone as soon as nothing waits.
"""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from agent.events import UserMessage
from specs.atomic import write_bytes

_WAITING = TypeAdapter(tuple[UserMessage, ...])
_LOG = logging.getLogger(__name__)


class Inbox:
    """What waits in one conversation; one writer, the engine that holds the project. A disk that fails costs only it.

    Args:
        path: the file; made with its folder, readable by its owner alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._waiting = _read(path)

    @property
    def waiting(self) -> tuple[UserMessage, ...]:
        """The messages that wait, the oldest first."""
        with self._lock:
            return self._waiting

    def put(self, message: UserMessage) -> None:
        """Keep a message before anything is done with it."""
        with self._lock:
            self._replace((*(kept for kept in self._waiting if kept.id != message.id), message))

    def drop(self, message_id: str) -> None:
        """Forget a message: the thread holds it now."""
        with self._lock:
            kept = tuple(message for message in self._waiting if message.id != message_id)
            if kept != self._waiting:
                self._replace(kept)

    def _replace(self, messages: Sequence[UserMessage]) -> None:
        self._waiting = tuple(messages)
        try:
            if not self._waiting:
                self._path.unlink(missing_ok=True)
                return
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_bytes(self._path, _WAITING.dump_json(self._waiting))
        except OSError:
            # the conversation goes on: these words are lost only if the engine is killed before it answers
            _LOG.warning("what waits to be answered cannot be kept")


def _read(path: Path) -> tuple[UserMessage, ...]:
    try:
        return _WAITING.validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError):
        _LOG.warning("what waited to be answered cannot be read")
        return ()
