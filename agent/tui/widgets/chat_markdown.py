"""Markdown of the agent as blocks of text. Raw HTML, links and images are no markup here: they stand as written."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from textual.content import Content

from agent.tui.widgets.chat_rows import Block, Code, Columns, Indented, Line, Prose, shown, spaced

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

_BULLETS = ("• ", "▪ ", "◦ ")
_LONGEST_COLOURED = 8_000
"""Characters of code that are coloured; more takes too long for one answer."""
_LONGEST_MARKED = 8_000
"""Characters of a paragraph in which bold and the like are looked for; a longer one is no prose."""
_INLINE_STYLES = {"strong": "bold", "em": "italic", "s": "strike"}
_HIDING_RULES = ["link", "image", "autolink", "html_inline", "html_block", "reference", "entity"]
"""Markup that would show something else than what was written."""


@cache
def _parser(has_inline: bool) -> "MarkdownIt":
    """Return a parser of plain Markdown with tables, without what could hide or lead anywhere.

    That of blocks leaves the text within them for later, since a long line of hostile text would take it very long.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(_HIDING_RULES)
    return parser if has_inline else parser.disable("inline")


def markdown_blocks(text: str) -> list[Block]:
    """Return a whole answer as blocks."""
    return spaced(top_blocks(tree_of(shown(text)).children))


def tree_of(text: str) -> "SyntaxTreeNode":
    """Return the parsed text. It must have gone through `shown`."""
    from markdown_it.tree import SyntaxTreeNode

    return SyntaxTreeNode(_parser(has_inline=False).parse(text))


def top_blocks(nodes: "Sequence[SyntaxTreeNode]", is_finished: bool = True) -> list[Block]:
    """Return a block for each node; code is coloured when it is finished."""
    return [_block(node, is_finished, 0) for node in nodes]


def _block(node: "SyntaxTreeNode", is_finished: bool, depth: int) -> Block:
    match node.type:
        case "heading":
            style = "bold underline" if node.tag == "h1" else "bold"
            return Prose(_inline(node).stylize_before(style))
        case "bullet_list" | "ordered_list":
            return _List(node, is_finished, depth)
        case "blockquote":
            bar = Content.styled("▎ ", "$foreground-muted")
            return Indented(bar, bar, spaced([_block(child, is_finished, depth) for child in node.children]))
        case "fence" | "code_block":
            return Code(_code(node.content.rstrip("\n"), node.info, is_finished))
        case "table":
            return _table(node)
        case "hr":
            return Prose(Content.styled("─" * 12, "$foreground-muted"))
        case _:
            return Prose(_inline(node))


class _List(Block):
    """A list, its items without empty lines between them when it was written so."""

    def __init__(self, node: "SyntaxTreeNode", is_finished: bool, depth: int) -> None:
        super().__init__()
        is_tight = all(
            paragraph.hidden for item in node.children for paragraph in item.children if paragraph.type == "paragraph"
        )
        first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
        widest = len(str(first + len(node.children) - 1)) if first is not None else 0
        items: list[Block] = []
        for number, item in enumerate(node.children):
            mark = f"{first + number:>{widest}}. " if first is not None else _BULLETS[depth % len(_BULLETS)]
            blocks = [_block(child, is_finished, depth + 1) for child in item.children]
            inner = blocks if is_tight else spaced(blocks)
            items.append(Indented(Content.styled(mark, "$foreground-muted"), Content(" " * len(mark)), inner))
        self.items = items if is_tight else spaced(items)

    def lay(self, width: int) -> list[Line]:
        """Lay the items out below one another."""
        return [line for item in self.items for line in item.lines(width)]


def _table(node: "SyntaxTreeNode") -> Block:
    head: list[Content] = []
    rows: list[list[Content]] = []
    for part in node.children:
        for row in part.children:
            cells = [_inline(cell) for cell in row.children]
            if part.type == "thead":
                head = [cell.stylize_before("bold") for cell in cells]
            else:
                rows.append(cells)
    return Columns(rows, head)


def _code(code: str, info: str, is_finished: bool) -> Content:
    language = info.split()[0] if info.split() else ""
    if not language or not is_finished or len(code) > _LONGEST_COLOURED:
        return Content(code)
    from textual.highlight import highlight

    return highlight(code, language=language)


def _inline(node: "SyntaxTreeNode") -> Content:
    from markdown_it.tree import SyntaxTreeNode

    text = "".join(child.content for child in node.children)
    if len(text) > _LONGEST_MARKED:
        return Content(text)
    parts: list[Content] = []
    for token in _parser(has_inline=True).parseInline(text):
        for child in SyntaxTreeNode(token.children or []).children:
            _collect(child, "", parts.append)
    return Content("").join(parts)


def _collect(node: "SyntaxTreeNode", style: str, add: Callable[[Content], None]) -> None:
    if node.type in ("softbreak", "hardbreak"):
        add(Content("\n"))
    elif node.type == "code_inline":
        add(Content.styled(node.content, f"{style} $text-accent on $boost".strip()))
    elif node.children:
        inner = f"{style} {_INLINE_STYLES.get(node.type, '')}".strip()
        for child in node.children:
            _collect(child, inner, add)
    elif node.content:
        add(Content.styled(node.content, style) if style else Content(node.content))
