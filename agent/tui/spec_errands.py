"""Work on the spec's files in threads, which whoever cannot wait for the event loop can bring to its end.

One errand at a time; the caller sees to that.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

_Found = TypeVar("_Found")


class Errands:
    """What a thread does with the files now."""

    def __init__(self) -> None:
        self._now: _Errand[Any] | None = None
        self.num_ended = 0
        """How often somebody could not wait."""

    async def run(self, work: Callable[[], _Found], writes: str | None = None) -> _Found:
        """Do work in a thread and return what it returns. Raises what it raises, and CancelledError when it was ended.

        Args:
            work: does it.
            writes: the content of the file that it writes, if `work` returns None.
        """
        errand = self._now = _Errand(work, writes)
        try:
            await asyncio.to_thread(errand.do)
        except Exception:
            if self._now is not errand:
                raise asyncio.CancelledError from None
            self._now = None
            raise
        # one that is cancelled while its thread goes on stays here, so that `end` can wait for it
        if self._now is not errand or errand.found is None:
            raise asyncio.CancelledError
        self._now = None
        return errand.found[0]

    def end(self) -> str | None:
        """Wait for work that has begun and call off what has not; return what it wrote, if it did."""
        errand, self._now = self._now, None
        self.num_ended += 1
        return errand.end() if errand is not None else None


class _Errand(Generic[_Found]):
    def __init__(self, work: Callable[[], _Found], writes: str | None) -> None:
        self._work = work
        self._writes = writes
        self._lock = threading.Lock()
        self._is_called_off = False
        self.found: tuple[_Found] | None = None

    def do(self) -> None:
        with self._lock:
            if not self._is_called_off:
                self.found = (self._work(),)

    def end(self) -> str | None:
        with self._lock:
            self._is_called_off = True
            return self._writes if self.found == (None,) else None
