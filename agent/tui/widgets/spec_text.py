"""The editor of spec.yaml: YAML in colours, who changed which line at its end, and nothing of the text hidden.

It knows no file. What it holds is an editor text, lines parted by `\\n`.
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, cast

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Offset, clamp
from textual.strip import Strip
from textual.widgets import TextArea
from textual.widgets.text_area import Edit, Location, Selection, TextAreaTheme

from agent.tui.key_order import acted_at_once
from agent.tui.spec_buffer import Author, indent_after
from agent.tui.spec_merge import moved_line
from agent.tui.spec_words import shown_line

_THEME = "spec"
_INDENT = 2
_CONTRAST = 4.5
_GUTTER_MARKS: dict[Author, str] = {"agent": "a", "you": "y"}
# names of the grammar's captures, and the theme variable each is drawn in
_SYNTAX = {
    "yaml.field": "primary",
    "string": "success",
    "string.escape": "accent",
    "number": "accent",
    "boolean": "warning",
    "constant.builtin": "warning",
    "type": "secondary",
    "preproc": "secondary",
    "error": "error",
    "comment": "foreground-muted",
    "punctuation.delimiter": "foreground",
    "punctuation.bracket": "foreground",
    "punctuation.special": "foreground",
}


class SpecText(TextArea):
    """The text of a spec.

    Args:
        text: what it begins with; there is nothing to undo at first.
    """

    DEFAULT_CSS = """
    SpecText {
        border: none;
        padding: 0;
        background: $surface;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        &:focus { border: none; }
        & .text-area--gutter { color: $text-muted; }
        & .text-area--cursor-gutter { color: $text; }
        & .spec-text--mark { color: $text-muted; background: $surface; }
        & .spec-text--shown { background: $accent 25%; }
        & .spec-text--wrong { color: $text-error; text-style: bold; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"spec-text--mark", "spec-text--shown", "spec-text--wrong"}

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+home", "go_to_line(1)", "First line", show=False),
        Binding("ctrl+end", "go_to_line(0)", "Last line", show=False),
    ]

    def __init__(self, text: str) -> None:
        super().__init__(
            text,
            language="yaml",
            tab_behavior="indent",
            show_line_numbers=True,
        )
        self.cursor_blink = False
        self._marks: Mapping[int, Author] = {}
        self._wrong: Collection[int] = ()
        self._shown = range(0)

    def on_mount(self) -> None:
        self._use_app_colours()
        # not the app's `theme` itself, which changes before the colours do
        cast("App[Any]", self.app).theme_changed_signal.subscribe(self, lambda _theme: self._use_app_colours())

    def on_resize(self) -> None:
        """Keep the cursor in view when something below takes rows away."""
        if self.has_focus:
            self.call_after_refresh(self.scroll_cursor_visible)

    @property
    def lines(self) -> list[str]:
        """Return the text line by line."""
        return self.text.split("\n")

    def change_to(self, text: str) -> None:
        """Make it `text` by one edit that can be undone; cursor and selection stay with their lines.

        While somebody works in the text, what they see stays too; else the change is scrolled into view.
        """
        old, new = self.lines, text.split("\n")
        if old == new:
            return
        start, end, inserted = _difference(old, new)
        selection, top = self.selection, self.scroll_offset.y
        top_line = self._line_at(top)
        rest = top - self._row_of(top_line)
        self.history.checkpoint()
        self.edit(Edit(inserted, start, end, maintain_selection_offset=True))
        self.history.checkpoint()
        self.selection = Selection(_moved(old, new, selection.start), _moved(old, new, selection.end))
        changed, height = self._row_of(start[0]), self.scrollable_content_region.height
        if self.has_focus:
            self.scroll_to(y=self._row_of(moved_line(old, new, top_line)) + rest, animate=False)
        elif not top <= changed < top + height:
            self.scroll_to(y=max(0, changed - height // 2), animate=False)

    def mark(self, marks: Mapping[int, Author], wrong: Collection[int]) -> None:
        """Draw who changed which line, and which lines are wrong; lines count from 0."""
        if marks != self._marks or wrong != self._wrong:
            self._marks, self._wrong = dict(marks), frozenset(wrong)
            self.refresh()

    def show_lines(self, first: int, last: int) -> None:
        """Scroll to lines and draw them highlighted until Esc; they count from 1, both ends included."""
        count = self.document.line_count
        first, last = clamp(first, 1, count), clamp(last, 1, count)
        self._shown = range(first - 1, max(first, last))
        self.move_cursor((first - 1, 0))
        self.scroll_to(y=max(0, self._row_of(first - 1) - 2), animate=False, force=True)
        self.refresh()

    def go_to(self, line: int) -> None:
        """Put the cursor at the end of a line, counted from 1."""
        row = clamp(line - 1, 0, self.document.line_count - 1)
        self.move_cursor((row, len(self.document.get_line(row))), center=True)

    def action_go_to_line(self, line: int) -> None:
        """Put the cursor at the first place of the text, or with 0 at the last."""
        self.move_cursor((0, 0) if line else self.document.end)

    async def on_key(self, event: events.Key) -> None:
        """Enter keeps the indentation, Tab indents by two, Esc is somebody else's unless lines are highlighted."""
        if event.key == "escape":
            event.prevent_default()
            if self._shown:
                event.stop()
                self._shown = range(0)
                self.refresh()
            return
        if self.read_only or event.key not in ("enter", "tab"):
            await acted_at_once(self, event)
            return
        event.stop()
        event.prevent_default()
        if event.key == "tab" and self.selection.start[0] != self.selection.end[0]:
            self._indent_selected()
            return
        start, end = sorted((self.selection.start, self.selection.end))
        before = self.document.get_line(start[0])[: start[1]]
        self.replace(
            "\n" + indent_after(before) if event.key == "enter" else " " * _INDENT,
            start,
            end,
            maintain_selection_offset=False,
        )

    def get_line(self, line_index: int) -> Text:
        """Return a line as it is drawn: nothing of it can move the terminal's cursor."""
        return Text(shown_line(self.document.get_line(line_index)), end="", no_wrap=True)

    def render_line(self, y: int) -> Strip:
        """Draw a row, the marks of this editor over it."""
        strip = super().render_line(y)
        row = y + self.scroll_offset.y
        if row >= self.wrapped_document.height:
            return strip
        line = self._line_at(row)
        if line in self._shown:
            strip = _over(strip, Style(bgcolor=self.get_component_rich_style("spec-text--shown").bgcolor))
        is_first = row == self._row_of(line)
        if line in self._wrong and is_first:
            return self._with_gutter(strip, "✗", "spec-text--wrong")
        author = self._marks.get(line)
        return strip if author is None else self._with_mark(strip, row, line, author)

    def _line_at(self, row: int) -> int:
        """Return the line that is drawn in a row; a long line takes several."""
        return self.wrapped_document.offset_to_location(Offset(0, row))[0]

    def _row_of(self, line: int) -> int:
        """Return the first row of a line."""
        return self.wrapped_document.location_to_offset((min(line, self.document.line_count - 1), 0)).y

    def _with_mark(self, strip: Strip, row: int, line: int, author: Author) -> Strip:
        """Draw the mark behind the end of the line, or in the gutter where there is no room."""
        word = f" ◂ {author}"
        width = self.scrollable_content_region.width
        text = shown_line(self.document.get_line(line))
        last = self.wrapped_document.location_to_offset((line, len(text)))
        # one cell stays free for the cursor behind the text
        has_room = self.gutter_width + last.x + 1 + len(word) < width
        if not has_room and row == self._row_of(line):
            return self._with_gutter(strip, _GUTTER_MARKS[author], "spec-text--mark")
        if not has_room or row != last.y:
            return strip
        left = strip.crop(0, width - len(word) - 1)
        style = self.get_component_rich_style("spec-text--mark")
        return Strip.join([left, Strip([Segment(f"{word} ", style)], len(word) + 1)])

    def _with_gutter(self, strip: Strip, glyph: str, name: str) -> Strip:
        place = self.gutter_width - 2
        style = self.get_component_rich_style(name)
        cell = Strip([Segment(glyph, Style(color=style.color, bold=style.bold))], 1).apply_style(self.rich_style)
        return Strip.join([strip.crop(0, place), cell, strip.crop(place + 1)])

    def _indent_selected(self) -> None:
        start, end = sorted((self.selection.start, self.selection.end))
        last = end[0] - 1 if end[1] == 0 else end[0]
        lines = self.lines
        for row in range(start[0], last + 1):
            lines[row] = " " * _INDENT + lines[row] if lines[row] else ""
        self.change_to("\n".join(lines))

    def _use_app_colours(self) -> None:
        variables = cast("App[Any]", self.app).theme_variables
        background = _colour(variables["surface"])
        styles = {
            name: Style(color=readable(_colour(variables[variable]), background).rich_color)
            for name, variable in _SYNTAX.items()
        }
        styles["yaml.field"] += Style(bold=True)
        styles["comment"] += Style(italic=True)
        self.register_theme(TextAreaTheme(_THEME, syntax_styles=styles))
        self.theme = _THEME
        self.notify_style_update()


def _colour(text: str) -> Color:
    """Return a theme's colour; the terminal's own colours have no shades, so a share of one is the colour itself."""
    return Color.parse(text.split()[0] if text.startswith("ansi_") else text)


def readable(color: Color, background: Color) -> Color:
    """Return `color`, moved towards black or white until it can be read on `background`."""
    if color.ansi is not None or background.ansi is not None:
        return color
    color = background.blend(color.with_alpha(1), color.a)
    target = background.get_contrast_text(1)
    for step in range(1, 11):
        if contrast(color, background) >= _CONTRAST:
            break
        color = color.blend(target, step / 10)
    return color


def contrast(one: Color, other: Color) -> float:
    """Return the contrast of two colours, 1 to 21, as accessibility rules reckon it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Color) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _over(strip: Strip, style: Style) -> Strip:
    segments = [Segment(text, (under or Style()) + style) for text, under, _ in strip]
    return Strip(segments, strip.cell_length)


def _moved(old: list[str], new: list[str], location: Location) -> Location:
    row = min(moved_line(old, new, location[0]), len(new) - 1)
    return (row, min(location[1], len(new[row])))


def _difference(old: list[str], new: list[str]) -> tuple[Location, Location, str]:
    """Return the one span of `old` to replace, and by what, so that it becomes `new`."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if tail:
        return (head, 0), (len(old) - tail, 0), "".join(f"{line}\n" for line in new[head : len(new) - tail])
    end = (len(old) - 1, len(old[-1]))
    if head == len(old):
        return end, end, "".join(f"\n{line}" for line in new[head:])
    if head == len(new):
        return (head - 1, len(old[head - 1])), end, ""
    return (head, 0), end, "\n".join(new[head:])
