"""The conversation: a window of light widgets over all items, the live answer at its end."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from textual import events
from textual.app import ComposeResult
from textual.await_remove import AwaitRemove
from textual.widgets import Static

from agent.tui.viewmodels.chat import ChatItem, Said
from agent.tui.widgets.chat_items import ItemView
from agent.tui.widgets.chat_scroll import ReadingScroll
from agent.tui.widgets.chat_window import MOST_MOUNTED, ChatWindow
from agent.tui.widgets.streaming import LiveAnswer


class Transcript(ReadingScroll):
    """Shows a conversation of any length. Keys belong to the screen, which calls the methods."""

    DEFAULT_CSS = """
    Transcript {
        scrollbar-size-vertical: 1;
        & > .chat--earlier {
            color: $text-muted;
            padding: 0 1;
        }
        & > .chat--below {
            dock: bottom;
            height: 1;
            padding: 0 1;
            background: $panel;
            color: $text;
        }
    }
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._window = ChatWindow()
        self._views: dict[str, ItemView] = {}
        self._live: LiveAnswer | None = None
        self._is_open = False
        self._is_ready = False
        self._num_unseen = 0
        self._answered_below: str | None = None
        self._earlier = Static(markup=False, classes="chat--earlier")
        self._below = Static("↓ new below, End follows", markup=False, classes="chat--below")

    def compose(self) -> ComposeResult:
        """Put the two lines there that say what is not shown."""
        self._earlier.display = self._below.display = False
        yield self._earlier
        yield self._below

    def on_mount(self) -> None:
        """Show what came before there was a screen."""
        self._is_ready = True
        self._sync()

    def show(self, items: Sequence[ChatItem]) -> None:
        """Show a conversation from its end; whatever was shown goes."""
        self._window = ChatWindow(items)
        self._num_unseen = 0
        self.drop_stream()
        self.follow()

    def put(self, item: ChatItem) -> None:
        """Add an item at the end, or in the place of the one with its key."""
        if not self._window.replace(item):
            self._added(item)
        self._sync()

    def answer_below(self, key: str | None) -> None:
        """Leave the answers out of the question of that key: they stand above the prompt."""
        if key != self._answered_below:
            self._answered_below = key
            self._sync()

    def remove(self, keys: Collection[str] | None = None) -> AwaitRemove:
        """Take items out; without keys the whole widget, as every widget does."""
        if keys is None:
            return super().remove()
        self._window.remove(keys)
        gone = [self._views.pop(key) for key in keys if key in self._views]
        self._sync()
        return self.remove_children(gone)

    def stream(self, text: str) -> None:
        """Add text to the live answer."""
        if self._live is None:
            item = Said("", self._clock(), "agent", "")
            self._live = LiveAnswer(item, self._window.place_at_end(item))
            self._sync()
        self._live.write(text)
        self._added()

    def settle(self, item: Said) -> None:
        """Make the live answer a finished one, in its place."""
        live, self._live = self._live, None
        if live is None or self._window.index(item.key) is not None:
            _discard(live)
            self.put(item)
            return
        self._added(item)
        if self._is_ready and not self._window.num_later:
            live.settle(item, self._window.place(len(self._window.items) - 1))
            self._views[item.key] = live
        else:
            _discard(live)
        self._sync()

    def drop_stream(self) -> None:
        """Take the live answer away."""
        live, self._live = self._live, None
        _discard(live)
        self._sync()

    def toggle_details(self) -> None:
        """Fold or unfold what tools were asked and answered, long diffs and long logs."""
        self._is_open = not self._is_open
        self._sync()

    def last_answer(self) -> str:
        """Return the latest finished answer of the agent as it was written; empty when there is none."""
        answers = (item.text for item in reversed(self._window.items) if isinstance(item, Said) and item.by == "agent")
        return next(answers, "")

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._window.to_end(_most(self._live))
        super().follow()
        self._sync()

    @property
    def has_more_below(self) -> bool:
        """Whether later items are not mounted."""
        return self._window.num_later > 0

    def page_up(self) -> None:
        """Scroll up by a page; at the top earlier messages are loaded."""
        if self.scroll_y <= 0:
            self._load_earlier()
        super().page_up()

    def on_click(self, event: events.Click) -> None:
        """Load earlier messages or go to the end when the line that offers it is clicked."""
        if event.widget is self._earlier:
            self._load_earlier()
        elif event.widget is self._below:
            self.follow()

    def moved(self) -> None:
        """Load what is needed around the view and let the live answer rest while nobody follows it."""
        if self.is_following:
            self._num_unseen = 0
        elif self.scroll_y <= 0 and self._window.num_earlier:
            self._load_earlier()
        elif self.scroll_y >= self.max_scroll_y and self.has_more_below:
            self._window.later(_most(self._live))
            self._sync()
        if self._live is not None:
            self._live.rest(not self.is_following)
        self._below.display = not self.is_following and self._num_unseen > 0

    def _added(self, item: ChatItem | None = None) -> None:
        """Take in a new item, and say that there is something new when the end is out of view."""
        if item is not None:
            held = self._held[0].item.key if self._held is not None and not self.is_following else None
            self._window.append(item, held, _most(self._live))
        if not self.is_following:
            self._num_unseen += 1
            self._below.display = True

    def _load_earlier(self) -> None:
        if self._window.num_earlier:
            self._leave_end()
            self._window.earlier(_most(self._live))
            self._sync()

    def _sync(self) -> None:
        """Make the mounted widgets those of the window."""
        if not self._is_ready:
            return
        window = self._window
        wanted = {item.key for item in window.mounted}
        for key in [key for key in self._views if key not in wanted]:
            self._views.pop(key).remove()
        if self._live is not None:
            if not self._live.is_attached:
                self.mount(self._live, before=self._below)
            self._live.display = not self.has_more_below
        fresh: list[ItemView] = []
        for number in range(window.first, window.last):
            item, place = window.items[number], window.place(number)
            if item.key == self._answered_below:
                place = replace(place, is_answered_below=True)
            view = self._views.get(item.key)
            if view is None:
                view = self._views[item.key] = ItemView(item, place, self._is_open)
                fresh.append(view)
                continue
            self.mount_all(fresh, before=view)
            fresh = []
            view.show(item, place, self._is_open)
        self.mount_all(fresh, before=self._below if self._live is None else self._live)
        count = window.num_earlier
        self._earlier.display = count > 0
        self._earlier.update(f"… {count:,} earlier message{'s' if count > 1 else ''}, PgUp loads more")


def _most(live: LiveAnswer | None) -> int:
    """Return how many finished items may be mounted beside the live answer."""
    return MOST_MOUNTED - (live is not None)


def _discard(live: LiveAnswer | None) -> None:
    if live is not None and live.is_attached:
        live.remove()
