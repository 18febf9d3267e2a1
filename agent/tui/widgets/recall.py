"""Walking through earlier prompts with the arrow keys; what was being written is kept."""

from agent.tui.prompt_history import PromptHistory


class Recall:
    """One walk through the history, begun at what is being written."""

    def __init__(self, history: PromptHistory) -> None:
        self._history = history
        self._entries: tuple[str, ...] = ()
        self._at: int | None = None
        self._draft = ""
        self._given = ""

    def older(self, current: str) -> str | None:
        """Return the prompt before, None at the oldest."""
        if self._at is None or current != self._given:
            self._entries = self._history.entries
            self._at, self._draft = len(self._entries), current
        if self._at == 0:
            return None
        self._at -= 1
        return self._entries[self._at]

    def newer(self, current: str) -> str | None:
        """Return the prompt after, the draft at the end, None when no walk is on."""
        if self._at is None or current != self._given:
            return None
        self._at += 1
        if self._at < len(self._entries):
            return self._entries[self._at]
        self._at = None
        return self._draft

    def shown(self, text: str) -> None:
        """Remember how the entry stands in the prompt; when that is changed, the walk is over."""
        self._given = text

    def stop(self) -> None:
        """End the walk."""
        self._at = None
