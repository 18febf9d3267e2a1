"""The bar below the editor that shows two versions of the same lines and asks which shall stay.

Its keys work only while it has the focus, and it never takes the focus by itself: somebody is typing.
"""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from agent.tui.spec_merge import Choice, Overlap
from agent.tui.spec_words import shown_line

_MAX_CHARS = 2_000
_KEYS = "m keep mine · t take theirs · b keep both · Esc later"


class SpecConflictBar(Vertical, can_focus=True):
    """Asks about one place at a time."""

    DEFAULT_CSS = """
    SpecConflictBar {
        display: none;
        height: auto;
        max-height: 50%;
        background: $panel;
        border-top: solid $warning;
        padding: 0 1;
        & .conflict-title { color: $text-warning; text-style: bold; height: auto; }
        & VerticalScroll { height: auto; max-height: 100%; }
        & .conflict-lines { height: auto; }
        & .conflict-keys { dock: bottom; height: 1; color: $text-muted; }
        &.-asking { display: block; padding: 0 1 1 1; }
        &:focus { border-top: heavy $accent; }
        &:focus .conflict-keys { color: $text; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "decide('mine')", "Keep mine"),
        Binding("t", "decide('theirs')", "Take theirs"),
        Binding("b", "decide('both')", "Keep both"),
        Binding("escape", "later", "Later"),
    ]

    class Decided(Message):
        """The person chose for the place that is shown."""

        def __init__(self, choice: Choice) -> None:
            self.choice: Choice = choice
            super().__init__()

    class PutOff(Message):
        """The person decides later."""

    def __init__(self) -> None:
        super().__init__()
        self._title = Static(classes="conflict-title", markup=False)
        self._lines = Static(classes="conflict-lines", markup=False)

    def compose(self) -> ComposeResult:
        yield self._title
        with VerticalScroll(can_focus=False):
            yield self._lines
        yield Static(_KEYS, classes="conflict-keys", markup=False)

    def show(self, overlaps: tuple[Overlap, ...]) -> None:
        """Ask about the first of `overlaps`; without any there is nothing to ask."""
        self.set_class(bool(overlaps), "-asking")
        if not overlaps:
            return
        first = overlaps[0]
        more = f" · {len(overlaps) - 1} more after it" if len(overlaps) > 1 else ""
        title = f"! {_place(first)} changed here and in the file{more}. Nothing is saved until you decide."
        self._title.update(Content(title))
        self._lines.update(
            Content("\n").join(
                [
                    Content.styled("yours", "$text-primary bold"),
                    _quoted(first.mine),
                    Content.styled("theirs, in the file now", "$text-secondary bold"),
                    _quoted(first.theirs),
                ]
            )
        )

    def action_decide(self, choice: Choice) -> None:
        """Decide the place that is shown."""
        self.post_message(self.Decided(choice))

    def action_later(self) -> None:
        """Go back to the editor."""
        self.post_message(self.PutOff())


def _place(overlap: Overlap) -> str:
    first, last = overlap.place[0] + 1, overlap.place[1]
    return f"line {first}" if last <= first else f"lines {first} to {last}"


def _quoted(lines: tuple[str, ...]) -> Content:
    if not lines:
        return Content.styled("  (removed)", "$foreground-muted")
    return Content(
        "\n".join(f"  {shown_line(line[:_MAX_CHARS])}{'…' if len(line) > _MAX_CHARS else ''}" for line in lines)
    )
