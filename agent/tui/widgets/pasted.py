"""Big pastes stand in the prompt as one short mark and are written out when sent."""

import re

from textual.widgets.text_area import Location

MAX_CHARS = 2_000
MAX_LINES = 20
_MARK = re.compile(r"\[Pasted [\d,]+ (?:lines|characters) #(\d+)\]")
# what a terminal can send inside a paste and nobody means: all controls but line breaks and tabs
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean_paste(text: str) -> str:
    """Return a pasted text with every kind of line break as a line feed and without control characters."""
    return _CONTROLS.sub("", re.sub(r"\r\n?|[\x85\u2028\u2029]", "\n", text))


class Pastes:
    """The big pastes of one prompt."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}

    def shorten(self, text: str, max_chars: int = MAX_CHARS, max_lines: int = MAX_LINES) -> str:
        """Return `text`, or the mark that stands for it when it is big."""
        num_lines = text.count("\n") + (not text.endswith("\n"))
        if len(text) <= max_chars and num_lines <= max_lines:
            return text
        number = max(self._texts, default=0) + 1
        self._texts[number] = text
        size = f"{num_lines:,} lines" if num_lines > 1 else f"{len(text):,} characters"
        return f"[Pasted {size} #{number}]"

    def expand(self, text: str) -> str:
        """Return `text` with every mark written out."""
        return _MARK.sub(lambda match: self._texts.get(int(match[1]), match[0]), text)

    def around(self, line: str, column: int) -> tuple[int, int] | None:
        """Return start and end of the mark that `column` lies inside of, None when it lies in none."""
        for match in _MARK.finditer(line):
            if match.start() < column < match.end() and int(match[1]) in self._texts:
                return match.start(), match.end()
        return None

    def clear(self) -> None:
        """Forget all of them."""
        self._texts.clear()


def widen(pastes: Pastes, lines: tuple[str, str], start: Location, end: Location) -> tuple[Location, Location]:
    """Return the range of an edit so that it holds marks whole or not at all; `lines` are those of start and end."""
    first = pastes.around(lines[0], start[1])
    last = pastes.around(lines[1], end[1])
    if start == end:
        moved = (start[0], first[1]) if first else start
        return moved, moved
    return (start[0], first[0]) if first else start, (end[0], last[1]) if last else end
