"""The part of an approval that always stays in view: a line of news, the answers, the field, the hint."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from agent.tui.viewmodels.approval import ApprovalView
from agent.tui.widgets.approval_body import ApprovalBody
from agent.tui.widgets.approval_options import AnswerField, AnswerList, TypedInput
from tools.escape import one_line
from tools.wording import count

Answer: TypeAlias = Literal["y", "a", "n"]
_OPTIONS = (
    ("y", "Approve this step once"),
    ("a", ""),
    ("e", "Edit the spec first"),
    ("n", "Deny, and tell the agent why…"),
)
_HINT = "↑↓ move · Enter choose · d full screen · Esc decide later (the agent waits)"
_TOO_SMALL = "The window is too small to show what would be approved. Make it larger, or press d."
_FIELD_HINT = "Enter {} · Esc go back (nothing is decided yet)"


class ApprovalFoot(Vertical):
    """News, answers, field and hint, docked below what scrolls."""

    DEFAULT_CSS = """
    ApprovalFoot { dock: bottom; height: auto; }
    ApprovalFoot #approval-news { height: auto; color: $text-muted; }
    ApprovalFoot #approval-news.-refused { color: $text-error; text-style: bold; }
    ApprovalFoot #approval-hint { height: auto; color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.options = AnswerList(_OPTIONS)
        self.field = AnswerField()
        self._news = Static(markup=False, id="approval-news")
        self._hint = Static(_HINT, markup=False, id="approval-hint")
        self._refusal = ""

    def compose(self) -> ComposeResult:
        """Yield the lines from top to bottom."""
        yield self._news
        yield self.options
        yield self.field
        yield self._hint

    def start(self, view: ApprovalView) -> None:
        """Offer the answers of another request."""
        self.options.label("a", label_of_all(view))
        self.options.forget()
        self.close_field()

    def tell(self, view: ApprovalView, body: ApprovalBody, refused: str | None = None) -> None:
        """Say why nothing is decided, else how much there is still to read; None leaves the refusal as it is."""
        if refused is not None:
            self._refusal = refused
        sentence = self._refusal or view.blocked or ("" if body.room else _TOO_SMALL)
        self._news.set_class(bool(sentence), "-refused")
        if sentence:
            self._news.update(Content(f"✗ {one_line(sentence, len(sentence))}"))
        elif body.has_seen_all:
            self._news.update(Content("✓ read to the end"))
        else:
            below = f"↓ {count(body.num_below, 'more line')} · PgDn"
            self._news.update(Content(f"✓ enough read for y · for a: {below}" if body.has_seen_step else below))

    def ask(self, view: ApprovalView, answer: Answer) -> None:
        """Open the field for an answer that one key is not enough for."""
        if answer == "n":
            self.field.open("n", "Why not? The agent reads this; it may stay empty.", takes_paste=True)
        else:
            self.field.open(answer, _to_type(view, answer), takes_paste=False)
        self._hint.update(Content(_FIELD_HINT.format("deny" if answer == "n" else "approve")))

    def close_field(self) -> None:
        """Go back to the answers."""
        self.field.close()
        self._hint.update(Content(_HINT))

    def on_typed_input_pasted(self, event: TypedInput.Pasted) -> None:
        """Say why the line stayed as it was."""
        event.stop()
        self._news.add_class("-refused")
        self._news.update(Content("✗ A pasted text does not count here. Type it."))


def label_of_all(view: ApprovalView) -> str:
    """Return the words of the wider approval; empty when nothing follows the step."""
    if not view.rest:
        return ""
    return f"Approve this and the {len(view.rest)} after it, up to {view.ceiling.removeprefix('at most ')}"


def needed_text(view: ApprovalView, answer: Answer) -> str | None:
    """Return what must be typed for an answer; None when its key is enough."""
    return {"y": view.confirm_once, "a": view.confirm_all, "n": None}[answer]


def refusal(view: ApprovalView, answer: Answer, body: ApprovalBody) -> str:
    """Return why an answer cannot be taken now; empty when it can. To deny is always possible."""
    if answer == "n":
        return ""
    if view.blocked:
        return view.blocked
    if not body.room:
        return _TOO_SMALL
    if answer == "y" and not body.has_seen_step:
        return "Not read to the end of this step yet: PgDn scrolls, then press y."
    if answer == "a" and not body.has_seen_all:
        return "Not all of it was read yet: PgDn scrolls to the end, then press a."
    return ""


def _to_type(view: ApprovalView, answer: Answer) -> str:
    needed = one_line(needed_text(view, answer) or "")
    cards = [*view.along, view.card, *(view.rest if answer == "a" else ())]
    if any(card.risk == "cannot be undone" for card in cards):
        return f"This cannot be undone. Type {needed} to approve it:"
    if needed.isdecimal():
        return f"Type {needed} to approve spending up to ${needed}:"
    return f"Type {needed} to approve it without an estimate:"


class Settling:
    """A decision waits a moment before it is told: keys that come faster than anybody types are a paste."""

    def __init__(self, owner: Widget, seconds: float) -> None:
        self._owner = owner
        self._seconds = seconds
        self._timer: Timer | None = None

    def start(self, decide: Callable[[], None]) -> None:
        """Decide unless something comes in between."""
        self.stop()
        if self._seconds <= 0:
            decide()
        else:
            self._timer = self._owner.set_timer(self._seconds, lambda: self._end(decide))

    def stop(self) -> bool:
        """Decide nothing; return whether something was about to be decided."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
        return timer is not None

    def _end(self, decide: Callable[[], None]) -> None:
        # a timer that was stopped after it fired has its callback in the queue already
        if self._timer is not None:
            self._timer = None
            decide()
