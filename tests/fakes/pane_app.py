"""One pane of the interface alone on a screen that knows how wide it is."""

from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget

from agent.tui.widgets.rows_area import RowsArea


class PaneScreen(Screen[None]):
    """A screen with the breakpoints of the workspace.

    Args:
        make: makes the pane.
    """

    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-narrow"), (110, "-wide")]

    def __init__(self, make: Callable[[], Widget]) -> None:
        super().__init__()
        self._make = make

    def compose(self) -> ComposeResult:
        yield self._make()


class PaneApp(App[None]):
    """An app that shows one pane.

    Args:
        make: makes the pane.
    """

    def __init__(self, make: Callable[[], Widget]) -> None:
        super().__init__()
        self._make = make

    def on_mount(self) -> None:
        self.push_screen(PaneScreen(self._make))

    @property
    def area(self) -> RowsArea:
        """The rows of the pane, where it has some."""
        return self.screen.query_one(RowsArea)


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until what was read in threads is on the screen."""
    for _ in range(3):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
