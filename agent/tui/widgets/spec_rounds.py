"""When the spec pane checks, saves and looks at the disk: a moment after the last key, and once a second."""

from collections.abc import Callable, Coroutine
from typing import Any

from textual.timer import Timer
from textual.widget import Widget
from textual.worker import Worker

from agent.tui.messages import Failed
from agent.tui.spec_buffer import SpecState
from agent.tui.spec_desk import SpecDesk, SpecView
from agent.tui.spec_disk import SpecDisk

CHECK_AFTER_S = 0.15
SAVE_AFTER_S = 1.0
LOOK_EVERY_S = 1.0


class SpecRounds:
    """The desk of a pane, and its times.

    Args:
        pane: whose timers and workers are used.
        disk: the files.
        view: what holds the text.
        redraw: called when something changed that is shown.
    """

    def __init__(self, pane: Widget, disk: SpecDisk, view: SpecView, redraw: Callable[[], None]) -> None:
        self._pane = pane
        self._check_timer: Timer | None = None
        self._save_timer: Timer | None = None
        self._round: Worker[None] | None = None
        self.desk = SpecDesk(disk, view, redraw, self._fail)
        self.run(self.desk.open())
        pane.set_interval(LOOK_EVERY_S, self._look_round)

    def run(self, work: Coroutine[Any, Any, None]) -> Worker[None]:
        """Do something of the desk in the background."""
        return self._pane.run_worker(work, group="spec")

    def typed(self) -> None:
        """Check soon and save a little later, reckoned from the last key."""
        for timer in (self._check_timer, self._save_timer):
            if timer is not None:
                timer.stop()
        self._check_timer = self._pane.set_timer(CHECK_AFTER_S, lambda: self.run(self.desk.check()))
        self._save_timer = self._pane.set_timer(SAVE_AFTER_S, self._save_round)

    def settle(self, state: SpecState) -> None:
        """See to it that a text that can be saved will be, however it came about."""
        if state == "unsaved" and self._save_timer is None:
            self._save_timer = self._pane.set_timer(SAVE_AFTER_S, self._save_round)

    async def save(self, *, is_wanted: bool = False) -> None:
        """Save now."""
        if self._save_timer is not None:
            self._save_timer.stop()
            self._save_timer = None
        await self.desk.save(is_wanted=is_wanted)

    async def begin(self, then: Callable[[], object]) -> None:
        """Begin a new spec if there is none."""
        await self.desk.begin_new()
        then()

    def _save_round(self) -> None:
        self._save_timer = None
        self.run(self.desk.save())

    def _look_round(self) -> None:
        if self._round is None or self._round.is_finished:
            self._round = self.run(self._look_and_keep())

    async def _look_and_keep(self) -> None:
        await self.desk.look()
        await self.desk.keep()

    def _fail(self, message: str, hint: str) -> None:
        self._pane.post_message(Failed(message, hint))
