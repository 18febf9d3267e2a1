"""What the spec pane says, in words: its head line, what is wrong, and odd characters made visible."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from agent.tui.spec_buffer import LineProblem, SpecBuffer, SpecState, file_characters

NO_SPEC = (
    "There is no spec yet. It is written when the questions are answered.\n\n"
    "Rather write it yourself? Start one with /spec: it comes with the fields to fill in."
)
READING = "Reading the spec…"
_PICTURES = 0x2400


@dataclass(frozen=True)
class SpecFacts:
    """What the head line is made of."""

    state: SpecState
    problems: tuple[LineProblem, ...] = ()
    obstacle: str = ""
    num_unread: int = 0
    is_checked: bool = True
    """False while the text that is shown has not been looked through."""
    is_gone: bool = False
    is_new: bool = False
    """Whether it was never on disk."""
    num_overlaps: int = 0


def facts_of(buffer: SpecBuffer, text: str, num_overlaps: int) -> SpecFacts:
    """Return what the head line says of a buffer whose editor holds `text`."""
    return SpecFacts(
        state=buffer.state(text),
        problems=buffer.problems,
        obstacle=buffer.obstacle,
        num_unread=buffer.num_unread(text) if buffer.is_on_disk else 0,
        is_checked=buffer.checked == text,
        is_gone=buffer.is_gone,
        is_new=buffer.is_begun and not buffer.is_on_disk,
        num_overlaps=num_overlaps,
    )


def kept_words(buffer: SpecBuffer, text: str) -> str:
    """Return what lies on disk while the text in the editor cannot; empty when that needs no words."""
    if not buffer.problems or not buffer.is_on_disk or not buffer.is_dirty(text):
        return ""
    return f"{buffer.name} keeps its last valid text; yours is a draft."


def headline(facts: SpecFacts, width: int) -> str:
    """Return the head line, the longest wording that fits into `width` cells."""
    options = _wordings(facts)
    return next((option for option in options if len(option) <= width), options[-1])


def problem_line(problems: Sequence[LineProblem], index: int) -> str:
    """Return the problem at `index` with its hint, and how many others there are."""
    if not problems:
        return ""
    problem = problems[index % len(problems)]
    text = f"✗ {problem.sentence}{'' if problem.text.endswith('.') else '.'} {problem.hint}".rstrip()
    others = len(problems) - 1
    if not others:
        return text
    return f"{text} · {others} more problem{'s' if others > 1 else ''}, F8 goes to the next"


def shown_line(line: str) -> str:
    """Return a line with what cannot be seen, or could draw on the terminal, as one visible character each."""
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else _shown(character) for character in line)


def _shown(character: str) -> str:
    if character == "\t" or unicodedata.category(character) == "Zs":
        return character
    code = ord(file_characters(character))
    if code < 0x20:
        return chr(_PICTURES + code)
    return "\u2421" if code == 0x7F else "\u2424" if code in (0x85, 0x2028, 0x2029) else "\ufffd"


def _wordings(facts: SpecFacts) -> list[str]:
    match facts.state:
        case "none" if facts.is_new:
            return ["Spec ○ new: fill it in, ^s writes it"]
        case "none":
            return ["Spec ○ not written yet"]
        case "conflict":
            places = f"{facts.num_overlaps} places" if facts.num_overlaps != 1 else "one place"
            return [f"Spec ! edits meet in {places} · F8 decides", "Spec ! edits meet · F8"]
        case "invalid":
            first = facts.problems[0].sentence if facts.problems else facts.obstacle
            return [f"Spec ✗ {first}"]
        case "saved":
            return _with_unread("Spec ✓ valid", "saved", facts)
        case "unsaved":
            if facts.is_gone:
                return [
                    "Spec ! deleted on disk, kept here · ^s writes it again",
                    "Spec ! deleted on disk · ^s writes it",
                ]
            if facts.is_new:
                return ["Spec ○ new, not written yet · ^s writes it"]
            return _with_unread("Spec ✓ valid" if facts.is_checked else "Spec … being checked", "not saved", facts)


def _with_unread(first: str, saved: str, facts: SpecFacts) -> list[str]:
    if not facts.num_unread:
        return [f"{first} · {saved}"]
    edits = f"{facts.num_unread} edit{'s' if facts.num_unread > 1 else ''}"
    return [
        f"{first} · {saved} · {edits} by you since the agent last read",
        f"{first} · {edits} by you since the agent last read",
        f"{first} · {saved} · {edits} unread by the agent",
        f"Spec {first[5]} {saved} · {edits} unread by the agent",
        f"{first} · {edits} unread",
    ]
