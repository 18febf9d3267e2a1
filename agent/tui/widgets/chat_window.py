"""Which items of a conversation are mounted: a window of at most sixty over all of them."""

from collections.abc import Collection, Sequence

from agent.tui.viewmodels.chat import ChatItem
from agent.tui.widgets.chat_items import Place, place_of, speaker

MOST_MOUNTED = 60
STEP = 30
"""Items loaded at once when the person reads back or forth."""
_LOOK_BACK = 40
"""Items searched for the last speaker."""


class ChatWindow:
    """All items in order, and the part of them that is mounted: from `first` up to, not including, `last`."""

    def __init__(self, items: Sequence[ChatItem] = ()) -> None:
        self.items = list(items)
        self._places = {item.key: number for number, item in enumerate(self.items)}
        self.last = len(self.items)
        self.first = max(0, self.last - MOST_MOUNTED)

    @property
    def num_earlier(self) -> int:
        """How many items stand before the window."""
        return self.first

    @property
    def num_later(self) -> int:
        """How many items stand after the window."""
        return len(self.items) - self.last

    @property
    def mounted(self) -> Sequence[ChatItem]:
        """The items in the window."""
        return self.items[self.first : self.last]

    def index(self, key: str) -> int | None:
        """Return the place of an item among all."""
        return self._places.get(key)

    def replace(self, item: ChatItem) -> bool:
        """Put an item in the place of the one with its key; False when there is none."""
        place = self._places.get(item.key)
        if place is None:
            return False
        self.items[place] = item
        return True

    def append(self, item: ChatItem, held: str | None, most: int) -> None:
        """Add an item. The window goes along, but never past the item `held`, which is being read."""
        is_at_end = self.last == len(self.items)
        self._places[item.key] = len(self.items)
        self.items.append(item)
        if held is None:
            self.to_end(most)
            return
        first = max(self.first, len(self.items) - most)
        if is_at_end and first <= self._places.get(held, first):
            self.first, self.last = first, len(self.items)

    def remove(self, keys: Collection[str]) -> None:
        """Take items out; the window keeps to what it showed."""
        before = sum(item.key in keys for item in self.items[: self.first])
        inside = sum(item.key in keys for item in self.items[self.first : self.last])
        self.items = [item for item in self.items if item.key not in keys]
        self._places = {item.key: number for number, item in enumerate(self.items)}
        self.first -= before
        self.last -= before + inside

    def to_end(self, most: int) -> None:
        """Move to the end."""
        self.last = len(self.items)
        self.first = max(0, self.last - most)

    def earlier(self, most: int) -> None:
        """Move towards the start by a step."""
        self.first = max(0, self.first - STEP)
        self.last = min(self.last, self.first + most)

    def later(self, most: int) -> None:
        """Move towards the end by a step."""
        self.last = min(len(self.items), self.last + STEP)
        self.first = max(self.first, self.last - most)

    def place(self, number: int) -> Place:
        """Return how the item at a place stands among the others."""
        return self._place(self.items[number], number)

    def place_at_end(self, item: ChatItem) -> Place:
        """Return how an item would stand at the end."""
        return self._place(item, len(self.items))

    def _place(self, item: ChatItem, number: int) -> Place:
        above = self.items[max(0, number - _LOOK_BACK) : number]
        said = next((earlier for earlier in reversed(above) if speaker(earlier) is not None), None)
        return place_of(item, above[-1] if above else None, said)
