# pyright: basic
"""How long a server lives: until its time to live is over, a signal comes, or a `stop` file appears.

Nothing here knows what is being served.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

POLL_S = 0.1


class StopRequested(Exception):
    """The job was asked to stop while nothing was being served yet."""


class Lifetime:
    """Watches for the end. Signals raise StopRequested until `begin`, and are remembered after.

    Args:
        stop_path: the file whose existence asks for a stop.
        promised_end: seconds since the epoch at which an earlier launch said it would end, None for a first launch.
    """

    def __init__(self, stop_path: Path, promised_end: float | None = None) -> None:
        self._stop_path = stop_path
        self._promised_end = promised_end
        self._deadline = float("inf")
        self._over = threading.Event()
        self._begun = False
        self.expires_at = float("inf") if promised_end is None else promised_end
        self.stopped = False

    @property
    def expired(self) -> bool:
        """Whether the time to live is over."""
        return time.monotonic() >= self._deadline or time.time() >= self.expires_at

    @property
    def ended(self) -> bool:
        """Whether the server shall end, for either reason."""
        return self.stopped or self.expired

    def begin(self, ttl_s: float) -> None:
        """Let the time to live begin: loading is over. A server launched again keeps the end that was promised."""
        self.expires_at = time.time() + ttl_s if self._promised_end is None else self._promised_end
        # a clock set back while the server runs must not make it live longer
        self._deadline = time.monotonic() + (self.expires_at - time.time())
        self._begun = True

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Handle signals and the stop file inside the block. Main thread only."""
        kept = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        threading.Thread(target=self._watch_file, name="stop-file", daemon=True).start()
        try:
            yield
        finally:
            self._over.set()
            for number, handler in kept.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        first, self.stopped = not self.stopped, True
        if first and not self._begun:
            raise StopRequested

    def _watch_file(self) -> None:
        while not self._over.wait(POLL_S):
            if self._stop_path.exists():
                # through the signal, because only the main thread can break off a model that is loading
                os.kill(os.getpid(), signal.SIGTERM)
                return
