"""The scrolling part of an approval: everything there is to read before a decision, and how far it was read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from textual.app import ComposeResult, RenderResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from agent.tui.viewmodels.approval import ApprovalView, CardView
from tools.escape import one_line, visible

_LABEL_WIDTH = 7
_CONTINUED = "  ↳ "
_RISK_STYLES = {"low, reversible": "$text-success", "spends money": "bold $text-warning"}


@dataclass(frozen=True)
class Row:
    """One paragraph of the body. Its further lines are indented, so that no text can pass for another row."""

    text: str
    label: str = ""
    style: str = ""
    hanging: str = field(default="", compare=False)
    tail: str = ""
    """Stands after the text, in a style of its own."""
    tail_style: str = ""

    def wrapped(self, width: int) -> Iterator[Content]:
        """Yield the row's lines, none wider than `width` cells."""
        head = f"{self.label:<{_LABEL_WIDTH}}" if self.label else ""
        hanging = self.hanging or " " * len(head)
        content = Content.assemble((self.text, self.style), (self.tail, self.tail_style))
        room = max(width - max(len(head), len(hanging)), 1)
        for number, line in enumerate(content.wrap(room) or [content]):
            lead = hanging if number else head
            yield Content.assemble((lead, "bold" if not number else self.style), line)


def rows_of_step(view: ApprovalView) -> tuple[Row, ...]:
    """Return what concerns the step itself: why it is asked, its card, the difference, what goes along."""
    rows = [Row(_shown(reason), "reason", "$text-warning") for reason in view.reasons]
    rows += _card_rows(view.card)
    rows += _diff_rows(view)
    rows += _value_rows(view.card)
    for card in view.along:
        rows += [Row(""), Row("Goes along with it, without a decision of its own:", style="bold")]
        rows += [*_card_rows(card), *_value_rows(card)]
    return tuple(rows)


def rows_of_rest(view: ApprovalView) -> tuple[Row, ...]:
    """Return what only the wider approval covers."""
    rows: list[Row] = []
    for card in view.rest:
        rows += [Row(""), Row("With a, also:", style="bold"), *_card_rows(card), *_value_rows(card)]
    return tuple(rows)


def _card_rows(card: CardView) -> list[Row]:
    risk = f"   risk: {card.risk}"
    style = _RISK_STYLES.get(card.risk, "bold $text-error")
    lines = [
        ("cost", card.cost),
        ("why", card.why),
        ("reads", card.reads),
        ("writes", card.writes),
        ("undo", card.undo),
        ("digest", card.digest.removeprefix("sha256:")),
    ]
    title = Row(_shown(card.title), style="bold", hanging="  ", tail=risk, tail_style=style)
    cost_style = "" if card.has_estimate else "bold $text-warning"
    return [title, *(Row(_shown(text), label, cost_style if label == "cost" else "") for label, text in lines)]


def _value_rows(card: CardView) -> list[Row]:
    rows = [Row(f"{_shown(name)} = {_shown(value)}", hanging="    ", tail=_reason(why))
            for name, value, why in card.values]  # fmt: skip
    return [Row("Values and why:", style="bold"), *rows] if rows else []


def _reason(why: str) -> str:
    return f"  · {_shown(why)}" if why else ""


def _diff_rows(view: ApprovalView) -> list[Row]:
    lines = list(_diff_lines(view.diff))
    if not lines:
        first = "Nothing was approved in this project before: there is no difference to show."
        return [Row(first if view.is_first else "No change of the spec since you last approved.", "diff")]
    rows = [Row("Spec you last approved → this plan's spec:", style="bold")]
    styles = {"+": "$text-success", "-": "$text-error"}
    return rows + [Row(line, style=styles.get(line[:1], ""), hanging=_CONTINUED) for line in lines]


def _diff_lines(diff: str) -> Iterable[str]:
    lines = visible(diff, len(diff)).split("\n")
    has_head = len(lines) > 1 and lines[0].startswith("--- ") and lines[1].startswith("+++ ")
    return (line for line in lines[2 if has_head else 0 :] if line and not line.startswith("@@ "))


def _shown(text: str) -> str:
    return one_line(text, len(text))


class BodyPart(Widget):
    """Rows, wrapped to the width there is."""

    DEFAULT_CSS = "BodyPart { height: auto; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[Row, ...] = ()
        self._wrapped: tuple[int, list[Content]] = (0, [])

    def set_rows(self, rows: tuple[Row, ...]) -> None:
        """Show other rows."""
        self._rows = rows
        self._wrapped = (0, [])
        self.clear_cached_dimensions()
        self.refresh(layout=True)

    @property
    def is_laid_out(self) -> bool:
        """Whether the widget has the height its rows need, so that its place on the screen can be trusted."""
        return self.size.width > 0 and self.size.height == len(self._lines(self.size.width))

    def _lines(self, width: int) -> list[Content]:
        if self._wrapped[0] != width:
            self._wrapped = (width, [line for row in self._rows for line in row.wrapped(width)])
        return self._wrapped[1]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return how many lines the rows take."""
        return len(self._lines(width)) if width else 0

    def render(self) -> RenderResult:
        """Return the lines."""
        return Content("\n").join(self._lines(self.size.width or 80))


class ApprovalBody(VerticalScroll, can_focus=False):
    """The rows of a request, and whether they were scrolled through to their end."""

    DEFAULT_CSS = """
    ApprovalBody { height: 1fr; scrollbar-size-vertical: 1; }
    """

    class Moved(Message):
        """What is in view changed."""

    def __init__(self) -> None:
        super().__init__()
        self._once = BodyPart()
        self._rest = BodyPart()
        self.has_seen_step = False
        """Whether everything about the step itself was in view."""
        self.has_seen_all = False
        """Whether everything about the request was in view."""

    def compose(self) -> ComposeResult:
        """Yield the part about the step and the part about what follows it."""
        yield self._once
        yield self._rest

    def fill(self, view: ApprovalView) -> None:
        """Show another request, from its beginning; nothing of it counts as seen."""
        self.has_seen_step = self.has_seen_all = False
        self._once.set_rows(rows_of_step(view))
        self._rest.set_rows(rows_of_rest(view))
        self.scroll_home(animate=False)
        self.call_after_refresh(self.look)

    @property
    def num_below(self) -> int:
        """Lines below what is in view."""
        return max(0, self.virtual_size.height - self._bottom)

    @property
    def room(self) -> int:
        """Lines that can be seen: what is docked beside the body covers it where the window is too small for both."""
        parent = self.parent
        if not isinstance(parent, Widget):
            return 0
        docked = sum(sibling.outer_size.height for sibling in self.siblings)
        return max(0, min(self.scrollable_content_region.height, parent.size.height - docked))

    @property
    def _bottom(self) -> int:
        return round(self.scroll_y) + self.room

    def look(self) -> None:
        """Note how far the rows are in view."""
        if not self.is_attached or not self.room or not self._once.is_laid_out or not self._rest.is_laid_out:
            return
        self.has_seen_step |= self._bottom >= self._once.virtual_region.bottom
        self.has_seen_all |= self._bottom >= self._rest.virtual_region.bottom
        self.post_message(self.Moved())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Note what came into view."""
        super().watch_scroll_y(old_value, new_value)
        self.look()

    def on_resize(self, _event: Resize) -> None:
        """Look again once the rows are wrapped anew."""
        self.call_after_refresh(self.look)
