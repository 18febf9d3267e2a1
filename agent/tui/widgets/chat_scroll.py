"""Scrolling of the conversation: at the end it stays at the end; elsewhere what is read stays where it is."""

from typing import cast

from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.layout import DockArrangeResult
from textual.reactive import Reactive
from textual.scrollbar import ScrollBar
from textual.widget import Widget

from agent.tui.widgets.chat_items import ItemView


class ReadingScroll(VerticalScroll, can_focus=False):
    """Holds the view when items come, go or grow: at the end, or at the topmost item in view."""

    def __init__(self) -> None:
        super().__init__()
        self._follows = True
        self._held: tuple[ItemView, int] | None = None
        self._spots: list[tuple[int, int, ItemView]] = []

    @property
    def is_following(self) -> bool:
        """Whether the view stays at the end while text comes."""
        return self._follows

    @property
    def has_more_below(self) -> bool:
        """Whether there are items below the last one in the list."""
        return False

    def moved(self) -> None:
        """React to the view having moved. Filled in by the list of items."""

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """Arrange the items and move the view along before anything is drawn."""
        result = super().arrange(size, optimal)
        if optimal or not size.height:
            return result
        flowing = [placement for placement in result.placements if not placement.fixed]
        self._spots = [
            (placement.region.y, placement.region.bottom, placement.widget)
            for placement in flowing
            if isinstance(placement.widget, ItemView)
        ]
        target = self._target(max((placement.region.bottom for placement in flowing), default=0), size.height)
        if target != self.scroll_y:
            self.set_reactive(Widget.scroll_y, target)
            self.set_reactive(cast(Reactive[float], Widget.scroll_target_y), target)
            self.vertical_scrollbar.set_reactive(ScrollBar.position, target)
        return result

    def _target(self, bottom: int, height: int) -> float:
        if self._follows:
            return float(max(0, bottom - height))
        if self._held is not None:
            widget, offset = self._held
            top = next((top for top, _, spot in self._spots if spot is widget), None)
            if top is not None:
                return float(max(0, top + offset))
        return self.scroll_y

    def release_anchor(self) -> None:
        """Note that the person scrolls."""
        super().release_anchor()
        if self.max_scroll_y > 0:
            self._leave_end()
        self.call_next(self._arrived)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Remember what is being read."""
        super().watch_scroll_y(old_value, new_value)
        self._hold()
        self.call_next(self._arrived)

    def _leave_end(self) -> None:
        self._follows = False
        self._hold()

    def _hold(self) -> None:
        y = round(self.scroll_y)
        spot = next((spot for spot in self._spots if spot[1] > y), None)
        self._held = (spot[2], y - spot[0]) if spot else None

    def _arrived(self) -> None:
        if not self._follows and self.scroll_target_y >= self.max_scroll_y and not self.has_more_below:
            self._follows = True
        self.moved()

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._follows = True
        self.refresh(layout=True)
        self.call_next(self.moved)

    def to_end(self) -> None:
        """Go to the end and stay there, as the End key does."""
        self.follow()

    def page_up(self) -> None:
        """Scroll up by a page, one line kept."""
        self._step(1 - max(2, self.scrollable_content_region.height))

    def page_down(self) -> None:
        """Scroll down by a page, one line kept."""
        self._step(max(2, self.scrollable_content_region.height) - 1)

    def line_up(self) -> None:
        """Scroll up by a line."""
        self._step(-1)

    def line_down(self) -> None:
        """Scroll down by a line."""
        self._step(1)

    def _step(self, lines: int) -> None:
        self.scroll_to(y=self.scroll_y + lines, animate=False, immediate=True)
