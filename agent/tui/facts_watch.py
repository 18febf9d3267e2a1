"""Keeps the facts of the project up to date: read in a thread when something was told, and while a job runs."""

from typing import TYPE_CHECKING

from textual.timer import Timer

if TYPE_CHECKING:
    from agent.tui.app import TailorApp
    from agent.tui.state import ProjectFacts

_EVERY_S = 2.0


class FactsWatch:
    """The facts of one app."""

    def __init__(self, app: "TailorApp") -> None:
        self._app = app
        self._timer: Timer | None = None
        self._latest = 0

    def start(self) -> None:
        """Be ready to look; nothing is looked at while nothing runs."""
        self._timer = self._app.set_interval(_EVERY_S, self.read, pause=True)

    def read(self) -> None:
        """Read ledger and runs again."""
        self._latest += 1
        number = self._latest
        self._app.run_worker(lambda: self._read(number), thread=True, exclusive=True, group="facts")

    def _read(self, number: int) -> None:
        facts = self._app.desk.read_facts()
        # a thread cannot be cancelled, and what was read earlier must not come later
        if number == self._latest:
            self._app.call_from_thread(self._know, facts)

    def _know(self, facts: "ProjectFacts") -> None:
        is_stale = self._app.desk.state.facts.is_planned != facts.is_planned
        self._app.desk.change(facts=facts)
        if is_stale:
            # the spec was changed under an open approval, or changed back
            self._app.deciding.again()
        if self._timer is not None and facts.running:
            self._timer.resume()
        elif self._timer is not None:
            self._timer.pause()
