"""The pieces of a conversation as blocks of text, and the one widget that shows a piece."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import ClassVar, Literal

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.style import Style

from agent.tui.messages import UndoWanted
from agent.tui.viewmodels.chat import (
    Asked,
    ChatItem,
    Measured,
    Note,
    PlanShown,
    RunTold,
    Said,
    SpecEdit,
    ToolUse,
)
from agent.tui.widgets.chat_markdown import markdown_blocks
from agent.tui.widgets.chat_rows import Block, Columns, Gap, Indented, Page, Prose, Verbatim, shown
from agent.tui.widgets.question_bar import shows_all_answers

DIFF_LINES = 20
"""Lines of a diff that are shown while details are folded."""
RESULT_LINES = 12
"""First lines of results that are shown while details are folded: the verdict and the checks."""
LOG_LINES = 12
"""Latest lines of a run that are shown while details are folded."""
UNDO = "undo"

_NAMES = {"user": "You", "agent": "Agent"}
_GLYPHS = {
    "info": ("·", "$foreground-muted", ""),
    "done": ("✓", "$text-success", ""),
    "warning": ("!", "$text-warning", "Warning: "),
    "error": ("✗", "$text-error", "Error: "),
}
_DIFF_STYLES = {"+": "$text-success", "-": "$text-error"}
_RULE = re.compile(r"─+( +─+)*")
"""The line below the head of a table."""
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")
_SEAMLESS_SECONDS = 600
"""How long one speaker may go on under one heading."""


@dataclass(frozen=True)
class Place:
    """How an item stands among the others."""

    is_headed: bool = True
    """Whether speaker and time are written above."""
    has_gap: bool = True
    """Whether an empty line stands above."""
    is_answered_below: bool = False
    """Whether the answers of a question stand above the prompt, so that they take little room here."""


def speaker(item: ChatItem | None) -> Literal["user", "agent"] | None:
    """Return who says an item; None for what nobody says."""
    match item:
        case Said():
            return item.by
        case Asked():
            return "agent"
        case _:
            return None


def place_of(item: ChatItem, above: ChatItem | None, last_said: ChatItem | None) -> Place:
    """Return the place of an item, given the one above and the last one that somebody said."""
    goes_on = (
        last_said is not None and speaker(last_said) == speaker(item) and item.time - last_said.time < _SEAMLESS_SECONDS
    )
    is_list = isinstance(item, ToolUse) and isinstance(above, ToolUse)
    return Place(speaker(item) is not None and not goes_on, above is not None and not is_list)


def item_blocks(item: ChatItem, place: Place, is_open: bool) -> list[Block]:
    """Return an item as blocks; `is_open` shows what is folded otherwise."""
    body = _asked_below(item) if isinstance(item, Asked) and place.is_answered_below else body_blocks(item, is_open)
    return [*lead_blocks(item, place), *body]


def lead_blocks(item: ChatItem, place: Place) -> list[Block]:
    """Return what stands above an item: the gap and the speaker with the time."""
    blocks: list[Block] = [Gap()] if place.has_gap else []
    name = speaker(item)
    if place.is_headed and name is not None:
        style = "bold $text-primary" if name == "user" else "bold $text-secondary"
        blocks += [Prose(Content.styled(_NAMES[name], style) + _muted(f" · {clock(item.time)}")), Gap()]
    return blocks


def body_blocks(item: ChatItem, is_open: bool) -> list[Block]:
    """Return the item itself as blocks."""
    match item:
        case Said():
            return _said(item)
        case Asked():
            return _asked(item)
        case ToolUse():
            return _tool(item, is_open)
        case SpecEdit():
            return _edit(item, is_open)
        case PlanShown():
            return _plan(item)
        case Measured():
            return _measured(item, is_open)
        case RunTold():
            return _run(item, is_open)
        case Note():
            return _note(item)


def clock(time: float) -> str:
    """Return a time of the day as `14:02`."""
    return datetime.fromtimestamp(time).strftime("%H:%M")


def _muted(text: str) -> Content:
    return Content.styled(text, "$foreground-muted")


def _behind(mark: Content, content: Content) -> Block:
    return Indented(mark, Content(" " * mark.cell_length), [Prose(content)])


def _said(item: Said) -> list[Block]:
    if item.by == "agent":
        return markdown_blocks(item.text)
    blocks: list[Block] = [Prose(Content(shown(item.text)))]
    if not item.is_sent:
        blocks.append(Prose(_muted("(not read yet)")))
    return blocks


def _asked(item: Asked) -> list[Block]:
    number = f"Question {shown(item.number)}" if item.number else "Question"
    blocks: list[Block] = [
        Prose(Content.styled(number, "bold $text-accent")),
        Prose(Content.styled(shown(item.text), "bold")),
    ]
    if item.why:
        blocks.append(_behind(_muted("Why: "), _muted(shown(item.why))))
    for number, option in enumerate(item.options, 1):
        blocks.append(_behind(Content.styled(f" {number}  ", "$text-accent"), Content(shown(option))))
    if item.default is not None:
        blocks.append(_behind(_muted("Default: "), Content(shown(item.default))))
    return blocks


def _asked_below(item: Asked) -> list[Block]:
    """Return a question whose answers stand above the prompt: left out here, or in one paragraph where some are cut."""
    if shows_all_answers(item):
        return _asked(replace(item, options=(), default=None))
    if not item.options:
        return _asked(item)
    answers = " · ".join(f"{number} {shown(option)}" for number, option in enumerate(item.options, 1))
    return [*_asked(replace(item, options=(), default=None)), _behind(_muted("Answers: "), Content(answers))]


def _tool(item: ToolUse, is_open: bool) -> list[Block]:
    name, detail = shown(item.name), shown(item.detail)
    took = f" · {seconds(item.seconds)}" if item.seconds is not None else ""
    blocks: list[Block] = []
    match item.state:
        case "running":
            line = Content.styled("● ", "$text-accent") + Content(name) + _muted(f" · running{took}")
            blocks.append(Verbatim(_flat(line)))
        case "done":
            line = Content.styled("✓ ", "$text-success") + Content(name) + _muted(took)
            blocks.append(Verbatim(_flat(line)))
        case "refused":
            reason = Content.styled(f" · refused{took}", "$text-error") + Content(f": {detail}" if detail else "")
            return [_behind(Content.styled("✗ ", "$text-error"), Content(name) + reason)]
    if is_open and detail:
        blocks.append(_behind(Content("  "), _muted(detail)))
    return blocks


def _flat(line: Content) -> Content:
    """Return a line without breaks, so that it stays one line."""
    return Content(" ").join(part.rstrip("\n") for part in line.split("\n", allow_blank=True))


def seconds(value: float) -> str:
    """Return a time as `0.4 s`, `12 s` or `3 min 5 s`."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def _edit(item: SpecEdit, is_open: bool) -> list[Block]:
    lines = [line for line in shown(item.diff).split("\n") if line and not line.startswith(("---", "+++"))]
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    who = "you changed" if item.by == "user" else "agent changed"
    title = Content.styled(f"✎ {who} spec.yaml", "bold") + _muted(f" · +{added} -{removed} · {clock(item.time)}")
    blocks: list[Block] = [Prose(title)]
    is_long = len(lines) > DIFF_LINES
    for line in lines[:DIFF_LINES] if is_long and not is_open else lines:
        blocks.append(_diff_line(line))
    if is_long and not is_open:
        blocks.append(Prose(_muted(f"   … {len(lines) - DIFF_LINES} more lines, Ctrl+O shows them")))
    blocks += [
        _behind(Content.styled(" ! ", "$text-warning"), Content.styled(shown(problem), "$text-warning"))
        for problem in item.problems
    ]
    if item.can_undo:
        button = Content.styled(" undo this edit ", Style.from_meta({UNDO: True})).stylize_before(
            "bold underline $text-accent"
        )
        blocks.append(Prose(Content("  ") + button))
    return blocks


def _diff_line(line: str) -> Block:
    if line.startswith("@@"):
        found = _HUNK.match(line)
        return Prose(_muted(f" ⋯ from line {found.group(1)}" if found else " ⋯"))
    style = _DIFF_STYLES.get(line[0], "")
    return _behind(Content.styled(f" {line[0]} ", style), Content.styled(line[1:], style))


def _plan(item: PlanShown) -> list[Block]:
    rows = [
        (Content(f"{number}."), Content(shown(title)), _muted(shown(cost)))
        for number, (title, cost) in enumerate(item.steps, 1)
    ]
    blocks: list[Block] = [Prose(Content.styled(shown(item.title), "bold"))]
    if rows:
        blocks.append(Indented(Content("  "), Content("  "), [Columns(rows)]))
    if item.total:
        blocks.append(_behind(Content("  "), Content.styled(shown(item.total), "bold")))
    blocks += [_behind(_muted("  · "), _muted(shown(note))) for note in item.notes]
    return blocks


def _measured(item: Measured, is_open: bool) -> list[Block]:
    lines = shown(item.text).rstrip("\n").split("\n")
    if item.what == "answers":
        return [Prose(Content.styled("Answers of the models", "bold")), *map(_hanging, lines)]
    left = 0 if is_open else len(lines) - RESULT_LINES
    if left > 0:
        lines = lines[:RESULT_LINES]
    blocks: list[Block] = [Prose(Content.styled("Measured", "bold"))]
    for is_blank, part in groupby(lines, key=lambda line: not line):
        paragraph = list(part)
        if is_blank or not any(_RULE.fullmatch(line) for line in paragraph):
            blocks += map(_hanging, paragraph)
        else:
            note = "Lines end at the edge here; the results pane shows them whole."
            blocks.append(Verbatim(Content("\n".join(paragraph)), note))
    if left > 0:
        blocks.append(Prose(_muted(f"… {left} more lines: Ctrl+O shows them, /results shows every row")))
    return blocks


def _hanging(line: str) -> Block:
    """Return a line that goes on below its first word when it is wrapped."""
    bare = line.lstrip(" ")
    return _behind(Content(" " * (len(line) - len(bare))), Content(bare))


def _run(item: RunTold, is_open: bool) -> list[Block]:
    state = (
        Content.styled("● Running", "bold $text-accent") if item.is_running else Content.styled("■ Run ended", "bold")
    )
    blocks: list[Block] = [Prose(state + _muted(f" · {clock(item.time)}"))]
    lines: Sequence[str] = item.lines
    if len(lines) > LOG_LINES and not is_open:
        blocks.append(Prose(_muted(f"  … {len(lines) - LOG_LINES} earlier lines, Ctrl+O shows them")))
        lines = lines[-LOG_LINES:]
    blocks += [_behind(Content("  "), Content(shown(line))) for line in lines]
    return blocks


def _note(item: Note) -> list[Block]:
    glyph, style, word = _GLYPHS[item.level]
    line = Content.styled(word, f"bold {style}") + Content(shown(item.text))
    blocks = [_behind(Content.styled(f"{glyph} ", style), line)]
    if item.hint:
        blocks.append(_behind(Content("  "), _muted(shown(item.hint))))
    return blocks


class ItemView(Page):
    """One piece of the conversation. An edit that can be undone takes the focus; nothing else does."""

    DEFAULT_CSS = """
    ItemView {
        padding: 0 1;
        &:focus {
            background: $boost;
        }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,u", "undo", "Undo the edit")]

    FOCUS_ON_CLICK = False

    def __init__(self, item: ChatItem, place: Place, is_open: bool = False) -> None:
        super().__init__()
        self.item = item
        self.place = place
        self.is_open = is_open
        self._rebuild()

    def show(self, item: ChatItem, place: Place, is_open: bool) -> None:
        """Show the item as it is told now; nothing is done when nothing changed."""
        is_same = self.item == item and self.place == place
        is_same = is_same and (self.is_open == is_open or not isinstance(item, ToolUse | SpecEdit | RunTold))
        self.item, self.place, self.is_open = item, place, is_open
        if not is_same:
            self._rebuild()

    def _rebuild(self) -> None:
        self.can_focus = isinstance(self.item, SpecEdit) and self.item.can_undo
        self.set_blocks(item_blocks(self.item, self.place, self.is_open))

    def on_click(self, event: events.Click) -> None:
        """Undo when the word itself is clicked."""
        if event.style.meta.get(UNDO):
            event.stop()
            self.action_undo()

    def action_undo(self) -> None:
        """Ask for the edit to be taken back."""
        if isinstance(self.item, SpecEdit) and self.item.can_undo:
            self.post_message(UndoWanted())
