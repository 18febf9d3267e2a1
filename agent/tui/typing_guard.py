"""When an approval may appear and when a key may decide it. Pure, with an injected clock; it draws nothing.

Keys meant for the prompt must never reach a decision: the panel waits for a pause in the typing, then ignores keys
for a moment, and again whenever the terminal comes back to the front.
"""

import math
from collections.abc import Callable

QUIET_S = 1.5
"""Pause in the typing before the panel opens."""
PATIENCE_S = 30.0
"""The longest a request waits for that pause."""
DEAD_S = 0.5
"""How long nothing decides after the panel opened or the terminal came back to the front."""


class TypingGuard:
    """Knows from a few moments in time whether the person means the panel."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._typed_at = -math.inf
        self._asked_at: float | None = None
        self._dead_until = -math.inf

    def typed(self) -> None:
        """A key was pressed or something was pasted, anywhere."""
        self._typed_at = self._clock()

    def asked(self) -> None:
        """A request wants to be shown; the wait of one that was announced before goes on."""
        now = self._clock()
        # what was asked long ago was taken back before it could be shown
        if self._asked_at is None or now - self._asked_at > 2 * PATIENCE_S:
            self._asked_at = now

    def may_open(self) -> bool:
        """Return whether a request may be shown now."""
        return self._asked_at is not None and self.wait_s <= 0

    @property
    def wait_s(self) -> float:
        """Seconds until the request may be shown if nothing more is typed; 0 when nothing was asked."""
        if self._asked_at is None:
            return 0.0
        return max(0.0, min(self._typed_at + QUIET_S, self._asked_at + PATIENCE_S) - self._clock())

    def opened(self) -> None:
        """The panel, or a field in it, appeared."""
        self._asked_at = None
        self._dead_until = self._clock() + DEAD_S

    def focused(self) -> None:
        """The terminal came back to the front."""
        self._dead_until = self._clock() + DEAD_S

    def ignored(self) -> None:
        """A key was ignored; a key that is held down stays ignored until it is let go."""
        self._dead_until = self._clock() + DEAD_S

    def may_decide(self) -> bool:
        """Return whether a key or a click may decide now."""
        return self._clock() >= self._dead_until
