"""The answer that is still being written: only its last block is parsed again, a few times a second at most.

It is drawn by the same blocks as a finished answer, so that nothing moves when it is finished.
"""

import time

from textual.timer import Timer

from agent.tui.viewmodels.chat import Said
from agent.tui.widgets.chat_items import ItemView, Place, item_blocks, lead_blocks
from agent.tui.widgets.chat_markdown import top_blocks, tree_of
from agent.tui.widgets.chat_rows import Block, shown, spaced

WRITES_PER_SECOND = 15
_REST = 4
"""A drawing that took long is followed by a rest of so many times its length."""


class LiveText:
    """Markdown that grows at its end. Blocks that nothing to come can change are kept."""

    def __init__(self) -> None:
        self.text = ""
        self._tail = ""
        self._closed: list[Block] = []

    def write(self, text: str) -> None:
        """Add text at the end."""
        self.text += text
        self._tail += shown(text)

    def blocks(self, is_finished: bool = False) -> list[Block]:
        """Return the whole as blocks; `is_finished` says that nothing will be added."""
        nodes = tree_of(self._tail).children
        lines = self._tail.split("\n")
        # What the last line will become is open until it is complete, and with it where the block before it ends.
        starts = [node.map[0] for node in nodes if node.map and node.map[0] < len(lines) - 1]
        if len(starts) > 1:
            num_closed = len(starts) - 1
            self._closed += top_blocks(nodes[:num_closed])
            self._tail = "\n".join(lines[starts[-1] :])
            nodes = nodes[num_closed:]
        return spaced([*self._closed, *top_blocks(nodes, is_finished)])


class LiveAnswer(ItemView):
    """The agent's answer while it is written, and the same widget afterwards."""

    def __init__(self, item: Said, place: Place) -> None:
        self._live = LiveText()
        self._is_settled = False
        self._is_resting = False
        self._next_draw = 0.0
        self._timer: Timer | None = None
        super().__init__(item, place)

    @property
    def text(self) -> str:
        """All that was written so far."""
        return self._live.text

    def write(self, text: str) -> None:
        """Add text; it is drawn soon."""
        self._live.write(text)
        self._plan_drawing()

    def rest(self, is_resting: bool) -> None:
        """Stop drawing while nobody looks, or catch up."""
        if is_resting != self._is_resting:
            self._is_resting = is_resting
            self._plan_drawing()

    def settle(self, item: Said, place: Place) -> None:
        """Become the finished answer."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.item, self.place, self._is_settled = item, place, True
        if item.text == self._live.text:
            self.set_blocks([*lead_blocks(item, place), *self._live.blocks(is_finished=True)])
        else:
            self.set_blocks(item_blocks(item, place, self.is_open))

    def _plan_drawing(self) -> None:
        if self._timer is None and not self._is_resting and not self._is_settled:
            self._timer = self.set_timer(max(0.001, self._next_draw - time.monotonic()), self._draw)

    def _draw(self) -> None:
        self._timer = None
        if self._is_resting or self._is_settled:
            return
        started = time.monotonic()
        self._rebuild()
        ended = time.monotonic()
        self._next_draw = started + max(1 / WRITES_PER_SECOND, _REST * (ended - started))

    def _rebuild(self) -> None:
        if self._is_settled:
            super()._rebuild()
        else:
            self.set_blocks([*lead_blocks(self.item, self.place), *self._live.blocks()])
