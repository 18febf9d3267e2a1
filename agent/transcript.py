"""The event stream as text for a plain terminal: what was said on stdout, what is going on on stderr.

Text of others is escaped before it is written; colour is for diffs alone, on a terminal, and off under NO_COLOR.
"""

import os
import shutil
import textwrap
from collections.abc import Sequence
from typing import TextIO

from agent.cards import plan_cards
from agent.events import (
    AgentEvent,
    ApprovalAnswered,
    ApprovalRequested,
    Notice,
    PlanReady,
    Question,
    RunProgress,
    SessionRefused,
    SessionStarted,
    Shown,
    SpecChanged,
    StepCard,
    Text,
    ToolFinished,
    ToolStarted,
    TurnFailed,
)
from agent.narrator import Narrator
from agent.plan_text import estimate_text, plan_text, wrapped
from tools.escape import one_line, visible
from tools.wording import duration, money

APPROVAL_HELP = "Type: approve all · approve STEP,STEP · deny WHY · or anything else to talk about it first."
_LONG = 40_000
_TOLD = ("path", "topic", "prompt", "run", "name")
_COLOURS = {"+": "\x1b[32m", "-": "\x1b[31m"}
_RESET = "\x1b[0m"


class Transcript:
    """Writes events for people."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._err = err
        self._narrator = Narrator()
        self._width = min(shutil.get_terminal_size((80, 24)).columns, 100)
        self._has_colour = out.isatty() and not os.environ.get("NO_COLOR")

    def show(self, event: AgentEvent) -> None:
        """Write one event; some say nothing to people."""
        match event:
            case Text() | Question() | Notice():
                self._said(event)
            case SpecChanged() | PlanReady() | ApprovalRequested() | Shown():
                self._showed(event)
            case RunProgress():
                for line in self._narrator.feed(event.event):
                    self._aside(line)
            case TurnFailed() | SessionRefused():
                self._aside(f"✗ {event.message} {event.hint}".rstrip())
            case _:
                self._went_on(event)

    def echo(self, text: str) -> None:
        """Write an answer that was not typed at the terminal."""
        self._write(f"> {one_line(text, 1000)}")

    def _said(self, event: Text | Question | Notice) -> None:
        match event:
            case Text():
                lead = "> " if event.role == "user" else ""
                self._paragraphs(lead + event.text)
            case Question():
                self._question(event)
            case Notice():
                self._paragraphs(f"· {event.message} {event.hint}".rstrip())

    def _question(self, event: Question) -> None:
        number = f"({event.number}) " if event.number else ""
        self._write("")
        self._paragraphs(number + event.text)
        if event.options:
            self._paragraphs(f"Choices: {' · '.join(visible(option) for option in event.options)}")
        if event.default is not None:
            self._paragraphs(f"[Enter: {visible(event.default)}]")

    def _showed(self, event: SpecChanged | PlanReady | ApprovalRequested | Shown) -> None:
        match event:
            case SpecChanged():
                who = "You changed spec.yaml:" if event.by == "user" else "spec.yaml:"
                self._write(f"\n{who}")
                self._diff(event.diff)
                for problem in event.problems:
                    self._paragraphs(f"✗ {problem}")
            case PlanReady():
                self._write(f"\n{plan_text(event, self._width, brief=True)}")
            case ApprovalRequested():
                self._approval(event)
            case Shown():
                self._write(f"\n{visible(event.text, _LONG)}")

    def _approval(self, event: ApprovalRequested) -> None:
        cards = plan_cards(event.plan, frozenset(card.id for card in event.steps))
        self._write("\nApproval needed")
        for reason in event.reasons:
            self._paragraphs(f"! {reason}")
        for card in cards:
            self._card(card)
        self._paragraphs(
            f"All together at most {money(event.plan.max_usd)} and {duration(event.plan.max_seconds)} of work; a job "
            "that reaches the time saves its work and stops."
        )
        if event.diff:
            self._write("Changes in the spec since you last approved:")
            self._diff(event.diff)
        self._paragraphs(APPROVAL_HELP)

    def _card(self, card: StepCard) -> None:
        along = "" if card.needs_approval else "  (goes along with the steps that need it)"
        lines = [
            *wrapped(f"{card.id}: {card.title}{along}", self._width, indent="  ", hanging="    "),
            *wrapped(f"risk   {card.risk}", self._width, indent="    ", hanging="           "),
            *wrapped(f"cost   {estimate_text(card.estimate)}", self._width, indent="    ", hanging="           "),
            *self._paths("reads ", card.reads),
            *self._paths("writes", card.writes),
            *wrapped(f"undo   {card.undo}", self._width, indent="    ", hanging="           "),
            f"    digest {card.digest[:26]}…",
        ]
        self._write("\n".join(lines))

    def _paths(self, name: str, paths: Sequence[str]) -> list[str]:
        return wrapped(f"{name} {', '.join(paths)}", self._width, indent="    ", hanging="           ") if paths else []

    def _went_on(self, event: AgentEvent) -> None:
        match event:
            case SessionStarted():
                self._aside(f"Tailor in {one_line(event.project, 200)}, brain: {one_line(event.brain)}.")
            case ToolStarted():
                told = (
                    event.arguments.get("path") or event.arguments.get("topic") or event.arguments.get("prompt") or ""
                )
                self._aside(f"… {one_line(event.tool, 40)} {one_line(str(told), 60)}".rstrip())
            case ToolFinished() if not event.ok:
                self._aside(f"  {one_line(event.message, 300)}")
            case ApprovalAnswered():
                steps = f": {', '.join(event.steps)}" if event.steps else ""
                self._aside(f"You {'approved' if event.decision == 'approve' else 'declined'}{steps}.")
            case _:
                return

    def _diff(self, diff: str) -> None:
        for line in visible(diff, _LONG).splitlines():
            if line.startswith(("---", "+++", "@@")):
                continue
            colour = _COLOURS.get(line[:1]) if self._has_colour else None
            self._write(f"  {colour}{line}{_RESET}" if colour else f"  {line}")

    def _paragraphs(self, text: str) -> None:
        for line in visible(text, _LONG).splitlines() or [""]:
            indent = " " * (len(line) - len(line.lstrip(" ")))
            filled = textwrap.wrap(line, self._width, subsequent_indent=indent, break_long_words=False)
            self._write("\n".join(filled))

    def _write(self, text: str) -> None:
        self._out.write(text.rstrip("\n") + "\n")
        self._out.flush()

    def _aside(self, text: str) -> None:
        self._err.write(visible(text, 2_000) + "\n")
        self._err.flush()
