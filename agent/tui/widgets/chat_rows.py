"""Laid-out text of the conversation: blocks that know their lines at any width, and the widget that draws them.

A page is one widget however much it holds, and only the lines in view are drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from textual.content import Content
from textual.geometry import Size
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

from tools.escape import visible

_NARROWEST = 8
"""Columns a nested block keeps; deeper nesting is drawn without further indent."""
_EMPTY = Content("")
_CODE_BACKGROUND = "on $boost"


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One line as it stands on the screen."""

    content: Content
    glue: str = "\n"
    """What stands between the line above and this one when copied: a space or nothing where it only wraps."""
    indent: int = 0
    """Characters of padding at the start, left out when copied."""


class Block:
    """A piece of text that lays itself out; the lines of the last width are kept."""

    def __init__(self) -> None:
        self._width = -1
        self._lines: list[Line] = []

    def lines(self, width: int) -> list[Line]:
        """Return the lines at a width in cells."""
        if width != self._width:
            self._width, self._lines = width, self.lay(max(1, width))
        return self._lines

    def lay(self, width: int) -> list[Line]:
        """Lay the text out. Made by each kind of block."""
        raise NotImplementedError


class Gap(Block):
    """An empty line."""

    def lay(self, width: int) -> list[Line]:
        """Return one empty line."""
        return [Line(_EMPTY)]


class Prose(Block):
    """Text that wraps between words."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self.content = content

    def lay(self, width: int) -> list[Line]:
        """Wrap each line of the text."""
        return [line for hard in self.content.split(allow_blank=True) for line in _wrapped(hard, width)]


class Verbatim(Block):
    """Lines that are never wrapped. One that is too long ends in `…` at the edge, and `note` is added below."""

    def __init__(self, content: Content, note: str = "") -> None:
        super().__init__()
        self.content = content
        self.note = note

    def lay(self, width: int) -> list[Line]:
        """Cut each line at the edge."""
        hard = self.content.split(allow_blank=True)
        lines = [Line(line.truncate(width, ellipsis=True)) for line in hard]
        if self.note and any(line.cell_length > width for line in hard):
            lines += _wrapped(Content.styled(self.note, "$foreground-muted"), width)
        return lines


class Code(Block):
    """Code on a ground of its own, folded at the edge so that nothing is lost."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self.content = content

    def lay(self, width: int) -> list[Line]:
        """Fold each line and fill it up to the edge."""
        inner = max(2, width - 2)
        lines: list[Line] = []
        for hard in self.content.split(allow_blank=True):
            pieces = [hard] if hard.cell_length <= inner else hard.fold(inner)
            for number, piece in enumerate(pieces):
                filled = piece.pad_left(1).pad_right(max(0, width - 1 - piece.cell_length))
                lines.append(Line(filled.stylize_before(_CODE_BACKGROUND), "" if number else "\n", 1))
        return lines


class Indented(Block):
    """Blocks behind a mark: a bullet, a number, the bar of a quotation."""

    def __init__(self, first: Content, rest: Content, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.first = first
        self.rest = rest
        self.blocks = blocks

    def lay(self, width: int) -> list[Line]:
        """Lay the blocks out in what the mark leaves."""
        inner = width - self.first.cell_length
        if inner < _NARROWEST:
            return [line for block in self.blocks for line in block.lines(width)]
        lines = [line for block in self.blocks for line in block.lines(inner)] or [Line(_EMPTY)]
        pad = len(self.rest.plain)
        return [
            Line(
                (self.rest if number else self.first) + line.content,
                line.glue,
                line.indent if line.glue == "\n" else line.indent + pad,
            )
            for number, line in enumerate(lines)
        ]


class Columns(Block):
    """A table: columns where they fit, cells wrapped where they nearly do, else one value a line under its name."""

    GAP = 2
    SLIMMEST = 8

    def __init__(self, rows: Sequence[Sequence[Content]], head: Sequence[Content] = ()) -> None:
        super().__init__()
        self.head = list(head)
        self.rows = [list(row) for row in rows]

    def lay(self, width: int) -> list[Line]:
        """Choose the widths of the columns and lay the rows out."""
        table = [self.head, *self.rows] if self.head else self.rows
        count = max((len(row) for row in table), default=0)
        natural = [
            max((row[column].cell_length for row in table if column < len(row)), default=0) for column in range(count)
        ]
        widths = self._fitted(natural, width - self.GAP * (count - 1))
        if widths is None:
            return self._stacked(width)
        lines: list[Line] = []
        if self.head:
            lines += self._row(self.head, widths)
            rule = (" " * self.GAP).join("─" * column for column in widths)
            lines.append(Line(Content.styled(rule, "$foreground-muted")))
        for row in self.rows:
            lines += self._row(row, widths)
        return lines

    def _fitted(self, natural: list[int], room: int) -> list[int] | None:
        """Return the widths within `room`, the widest columns shortened first; None where they would get too slim."""
        widths = [max(1, width) for width in natural]
        if sum(widths) <= room:
            return widths
        if sum(min(width, self.SLIMMEST) for width in widths) > room:
            return None
        # The largest cap under which all columns fit.
        cap = max(cap for cap in range(self.SLIMMEST, room + 1) if sum(min(width, cap) for width in widths) <= room)
        return [min(width, cap) for width in widths]

    def _row(self, row: Sequence[Content], widths: Sequence[int]) -> list[Line]:
        cells = [
            [line.content for line in _wrapped(row[column] if column < len(row) else _EMPTY, width)]
            for column, width in enumerate(widths)
        ]
        lines: list[Line] = []
        for number in range(max(len(cell) for cell in cells)):
            line = _EMPTY
            for cell, width in zip(cells, widths, strict=True):
                part = cell[number] if number < len(cell) else _EMPTY
                line = line + part.pad_right(width - part.cell_length + self.GAP)
            lines.append(Line(line.rstrip()))
        return lines

    def _stacked(self, width: int) -> list[Line]:
        lines: list[Line] = []
        for row in self.rows:
            for column, cell in enumerate(row):
                name = self.head[column] + Content(": ") if column < len(self.head) else _EMPTY
                mark = Content("  ") if column else _EMPTY
                lines += Indented(mark, Content("  "), [Prose(name + cell)]).lines(width)
        return lines


def _wrapped(content: Content, width: int) -> list[Line]:
    if content.cell_length <= width:
        return [Line(content)]
    lines: list[Line] = []
    text, at = content.plain, 0
    for piece in content.wrap(width):
        start = text.find(piece.plain, at)
        lines.append(Line(piece, "\n" if not lines else " " if start > at else ""))
        at = start + len(piece.plain)
    return lines


def shown(text: str) -> str:
    """Return text with all that could steer the terminal made visible, and tabs widened."""
    if not text.replace("\n", "").isprintable():
        text = visible(text, limit=len(text))
    return text.expandtabs(4) if "\t" in text else text


def spaced(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks with an empty line between each two."""
    result: list[Block] = []
    for block in blocks:
        if result:
            result.append(Gap())
        result.append(block)
    return result


class Page(Widget):
    """Draws blocks. Text can be selected with the mouse."""

    DEFAULT_CSS = """
    Page {
        width: 1fr;
        height: auto;
    }
    """

    def __init__(self, classes: str = "") -> None:
        super().__init__(classes=classes or None)
        self._blocks: Sequence[Block] = ()
        self._laid: tuple[int, list[Line]] | None = None
        self._strips: dict[int, tuple[Line, Strip]] = {}
        self._drawn_for: tuple[int, Style] | None = None

    def set_blocks(self, blocks: Sequence[Block]) -> None:
        """Show other blocks; those that stay the same keep their lines."""
        self._blocks = blocks
        self._laid = None
        self.refresh(layout=True)

    def lines_at(self, width: int) -> list[Line]:
        """Return all lines at a width."""
        if self._laid is None or self._laid[0] != width:
            self._laid = (width, [line for block in self._blocks for line in block.lines(width)])
        return self._laid[1]

    @property
    def plain(self) -> str:
        """What the page shows now, line breaks as on the screen."""
        return "\n".join(line.content.plain for line in self.lines_at(self.content_size.width or 80))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the number of lines at a width."""
        return len(self.lines_at(width))

    def render_line(self, y: int) -> Strip:
        """Draw one line; asked for the lines in view alone."""
        width = self.content_size.width
        style = self.visual_style
        lines = self.lines_at(width)
        if y >= len(lines):
            return Strip.blank(width, style.rich_style)
        selection = self.text_selection
        if selection is not None:
            return self._selected(lines[y], y, selection)
        if self._drawn_for != (width, style):
            self._drawn_for = (width, style)
            self._strips.clear()
        line = lines[y]
        known = self._strips.get(y)
        if known is None or known[0] is not line:
            known = self._strips[y] = (line, self._strip(line.content, y))
        return known[1]

    def _selected(self, line: Line, y: int, selection: Selection) -> Strip:
        span = selection.get_span(y)
        content = line.content
        if span is not None:
            start, end = span
            style = Style.from_styles(self.screen.get_component_styles("screen--selection"))
            content = content.stylize(style, start, len(content.plain) if end == -1 else end)
        return self._strip(content, y)

    def _strip(self, content: Content, y: int) -> Strip:
        base = self.visual_style
        segments: list[Segment] = []
        x = 0
        for text, style in content.render(base, end="", parse_style=self._get_style):
            segments.append(Segment(text, (base + style).rich_style_with_offset(x, y)))
            x += len(text)
        strip = Strip(segments, content.cell_length)
        return strip.extend_cell_length(self.content_size.width, base.rich_style)

    def notify_style_update(self) -> None:
        """Draw anew when the theme changes, since colours of a theme are looked up when a line is drawn."""
        self._strips.clear()
        super().notify_style_update()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text, lines that only wrap joined again."""
        taken: list[str] = []
        for y, line in enumerate(self.lines_at(self.content_size.width)):
            span = selection.get_span(y)
            if span is None:
                continue
            start, end = span
            text = line.content.plain
            piece = text[max(start, line.indent) : len(text) if end == -1 else end].rstrip()
            taken.append(line.glue + piece if taken else piece)
        return "".join(taken), "\n"
