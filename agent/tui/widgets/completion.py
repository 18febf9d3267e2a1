"""The list above the prompt that completes `/` to commands and `@` to names of the project."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from textual import events, work
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from agent.tui.commands import COMMANDS, find_command
from agent.tui.file_names import CompletionSource, has_letters
from tools.escape import one_line

MAX_ROWS = 8
_COMMAND = re.compile(r"/([A-Za-z?-]*)")
_NAME = re.compile(r"(?:^|(?<=[\s(\[\"'`]))@([^\s@\"'`]*)$")
_LONGEST_QUERY = 200
_MAX_NAMES = 40


@dataclass(frozen=True)
class Row:
    """An entry of the list."""

    text: str
    """What is put into the prompt."""
    shown: str
    detail: str


class CompletionList(Widget):
    """A list over the chat; it takes no room and no focus. Hidden while there is nothing to complete."""

    DEFAULT_CSS = """
    CompletionList {
        overlay: screen; constrain: none inside; width: 100%; padding: 0 1;
        border: round $primary; background: $surface; display: none;
        border-subtitle-color: $foreground-muted;
    }
    CompletionList.-open { display: block; }
    """

    class Clicked(Message):
        """An entry was clicked and is marked now."""

    class Scanned(Message):
        """The names of the project were read."""

    def __init__(self, source: CompletionSource | None) -> None:
        super().__init__()
        self._source = source
        self._rows: tuple[Row, ...] = ()
        self._top = 0
        self._marked = 0
        self._word: str = ""
        self._start = 0
        self._dismissed: int | None = None
        self._followed = ("", 0)

    @property
    def is_open(self) -> bool:
        """Whether there is something to take."""
        return bool(self._rows)

    @property
    def marked(self) -> Row | None:
        """The entry that Tab or Enter takes."""
        return self._rows[self._marked] if self._rows else None

    @property
    def start(self) -> int:
        """Column where the completed word begins, with its sign."""
        return self._start

    @property
    def is_exact(self) -> bool:
        """Whether a whole command is typed, so that Enter sends it."""
        return self._word.startswith("/") and find_command(self._word[1:].lower()) is not None

    def follow(self, before: str, row: int) -> None:
        """Look for something to complete in the text before the cursor, which is in line `row`."""
        self._followed = (before, row)
        start, query = _word(before, row)
        if start is None or start != self._dismissed:
            self._dismissed = None
        if start is None or self._dismissed is not None:
            self._show((), "", 0)
        elif query.startswith("/"):
            self._show(_commands(query[1:].lower()), query, start)
        else:
            self._show(self._names(query[1:]), query, start)

    def move(self, step: int) -> None:
        """Mark the next or the previous entry."""
        self._marked = (self._marked + step) % len(self._rows)
        self._top = min(max(self._top, self._marked - MAX_ROWS + 1), self._marked)
        self._count()
        self.refresh()

    def dismiss(self) -> None:
        """Close the list until another word is completed."""
        self._dismissed = self._start
        self._show((), "", self._start)

    def close(self) -> None:
        """Close the list, for the prompt is empty again."""
        self._dismissed, self._followed = None, ("", 0)
        self._show((), "", 0)

    def render(self) -> Content:
        """Return the entries, what each is at the right."""
        width = self.content_size.width
        names = min(max((len(row.shown) for row in self._shown()), default=0), max(10, width - 14))
        lines: list[Content] = []
        for index, row in enumerate(self._shown(), self._top):
            mark = "› " if index == self._marked else "  "
            name = Content(row.shown).truncate(names, ellipsis=True, pad=True)
            line = Content(mark) + name + Content("  ") + Content(row.detail).stylize("$foreground-muted")
            line = line.truncate(width, ellipsis=True, pad=True)
            lines.append(line.stylize("bold $text on $boost") if index == self._marked else line)
        return Content("\n").join(lines)

    def on_click(self, event: events.Click) -> None:
        """Mark the entry that was clicked and say so."""
        row = event.y - self.gutter.top
        if 0 <= row < len(self._shown()):
            event.stop()
            self._marked = self._top + row
            self.post_message(self.Clicked())

    def on_completion_list_scanned(self) -> None:
        """Show what was found."""
        self.follow(*self._followed)

    @work(thread=True, exclusive=True, group="names")
    def _scan(self) -> None:
        if self._source is not None and self._source.is_old():
            self._source.scan()
            self.post_message(self.Scanned())

    def _shown(self) -> tuple[Row, ...]:
        return self._rows[self._top : self._top + MAX_ROWS]

    def _count(self) -> None:
        more = len(self._rows) > MAX_ROWS
        self.border_subtitle = Content(f"{self._marked + 1} of {len(self._rows)}") if more else None

    def _names(self, query: str) -> tuple[Row, ...]:
        if self._source is None:
            return ()
        if self._source.is_old():
            self._scan()
        found = self._source.match(query, _MAX_NAMES)
        return tuple(Row(_quoted(name.text), name.text, name.kind) for name in found)

    def _show(self, rows: Sequence[Row], query: str, start: int) -> None:
        if tuple(rows) != self._rows or query != self._word:
            self._marked = self._top = 0
        self._rows, self._word, self._start = tuple(rows), query, start
        self.set_class(bool(rows), "-open")
        if rows:
            # it lies above the prompt, with its border
            self.styles.height = len(self._shown()) + 2
            self.styles.offset = (0, -len(self._shown()) - 2)
            self._count()
            self.refresh()


def _word(before: str, row: int) -> tuple[int | None, str]:
    """Return where the word that is being completed begins, and the word with its sign; None when there is none."""
    if row == 0 and _COMMAND.fullmatch(before):
        return 0, before
    match = _NAME.search(before[-_LONGEST_QUERY:])
    return (len(before) - len(match[0]), match[0]) if match else (None, "")


def _commands(query: str) -> tuple[Row, ...]:
    found = [command for command in COMMANDS if has_letters(query, command.name) or query in command.aliases]
    found.sort(key=lambda command: (command.name != query, not command.name.startswith(query)))
    space = {command.name: " " if command.argument else "" for command in found}
    return tuple(Row(f"/{entry.name}{space[entry.name]}", entry.usage, entry.summary) for entry in found)


def _quoted(name: str) -> str:
    """Return a name as it stands in a sentence: in quotes when it holds a space."""
    return f'"{one_line(name, 400)}" ' if " " in name else f"{name} "
