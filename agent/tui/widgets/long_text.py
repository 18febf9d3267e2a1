"""Labelled text of any length: it is wrapped once for a width, and only the lines in view are drawn."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip


class LongText(ScrollView, can_focus=True):
    """Parts one below the other.

    Args:
        parts: label and text of each, escaped.
    """

    DEFAULT_CSS = """
    LongText { height: 1fr; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
    LongText > .long-text--label { color: $text-muted; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"long-text--label"}

    def __init__(self, parts: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._parts = tuple(parts)
        self._width = 0
        self._lines: list[tuple[str, bool]] = []

    def on_resize(self) -> None:
        """Wrap for the new width."""
        width = self.scrollable_content_region.width
        if width > 1 and width != self._width:
            self._width = width
            self._lines = [line for part in self._parts for line in _wrapped(*part, width)]
            self.virtual_size = Size(0, len(self._lines))
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        number = self.scroll_offset.y + y
        if number >= len(self._lines):
            return Strip.blank(self._width, self.rich_style)
        text, is_label = self._lines[number]
        style = self.get_component_rich_style("long-text--label") if is_label else self.rich_style
        return Strip([Segment(text, style)]).adjust_cell_length(self._width, self.rich_style)


def _wrapped(label: str, text: str, width: int) -> Iterator[tuple[str, bool]]:
    yield "", False
    yield label, True
    for paragraph in text.expandtabs(4).split("\n"):
        if cell_len(paragraph) <= width:
            yield paragraph, False
        else:
            yield from ((line.plain, False) for line in Content(paragraph).wrap(width))
