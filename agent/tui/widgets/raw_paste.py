"""Pastes in terminals that send them as single keys: told from typing by their speed."""

_GAP_S = 0.008
WAIT_S = 0.03
"""How long after an Enter in the middle of fast keys it is known that nothing follows."""


class RawPaste:
    """Watches the times of keys. Nobody types two keys within 8 ms; a paste without marks comes all at once."""

    def __init__(self) -> None:
        self._last = 0.0
        self.is_on = False
        """Whether the latest key followed the one before too fast to be typed."""
        self.has_lines = False
        """Whether a line break stood between keys of the paste that is on."""
        self.is_open = False
        """Whether the latest key was an Enter of which it is not known yet what it means."""

    def is_fast(self, at: float) -> bool:
        """Return whether a key at this time belongs to the keys before."""
        return at - self._last < _GAP_S

    def note(self, at: float) -> None:
        """Hear of a key."""
        self.is_on = self.is_fast(at)
        self.has_lines = self.is_on and (self.has_lines or self.is_open)
        self.is_open = False
        self._last = at
