"""The approval: what a step does and costs, and the keys that decide it. It posts the decision and makes no grant."""

import time
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key, Paste
from textual.widget import Widget

from agent.tui.messages import ApprovalGiven, ApprovalPutOff, SpecEditWanted
from agent.tui.typing_guard import TypingGuard
from agent.tui.viewmodels.approval import ApprovalView
from agent.tui.widgets.approval_body import ApprovalBody
from agent.tui.widgets.approval_foot import Answer, ApprovalFoot, Settling, needed_text, refusal
from agent.tui.widgets.approval_options import AnswerField, OptionRow
from tools.escape import one_line

SETTLE_S = 0.08
"""How long a decision waits for a further key."""
_WORDS = "Only the keys below count here. To write something, press Esc first: the approval waits."
_KEYS = frozenset("yaendjkgG") | {"space", "shift+g"}
_TOO_EARLY = "That key came too early, so nothing was decided. Press it again."
_TOO_FAST = "Several keys came at once, so nothing was decided. Press the key again."


@dataclass(frozen=True)
class _Intent:
    """A decision that was made and is about to be told."""

    view: ApprovalView
    answer: Answer
    keys: str
    typed: str = ""


class ApprovalPanel(Widget, can_focus=True):
    """Shows one request at a time and tells what the person decided."""

    ALLOW_MAXIMIZE = True
    # the rule for wide screens names an ancestor
    SCOPED_CSS: ClassVar[bool] = False
    DEFAULT_CSS = """
    ApprovalPanel {
        display: none; height: 1fr; padding: 0 1;
        border: round $warning; border-title-color: $text-warning; border-title-style: bold;
    }
    Screen.-wide ApprovalPanel { height: 50%; min-height: 12; }
    Screen ApprovalPanel.-maximized { height: 1fr; max-height: 100%; }
    """
    # keys that decide have no ids: they are the same everywhere, whatever the keymap says
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "choose('y')", "Approve once", show=False),
        Binding("a", "choose('a')", "Approve for this run", show=False),
        Binding("e", "choose('e')", "Edit the spec", show=False),
        Binding("n", "choose('n')", "Deny", show=False),
        Binding("up", "move(-1)", "Up", id="approval.up", show=False),
        Binding("down", "move(1)", "Down", id="approval.down", show=False),
        Binding("enter", "enter", "Choose", show=False),
        Binding("d", "full", "Full screen", id="approval.full", show=False),
        Binding("escape", "back", "Later", show=False),
        Binding("pagedown,space", "scroll_body('page_down')", "Read on", id="approval.page_down", show=False),
        Binding("pageup", "scroll_body('page_up')", "Read back", id="approval.page_up", show=False),
        Binding("shift+down,j", "scroll_body('down')", "Line down", id="approval.line_down", show=False),
        Binding("shift+up,k", "scroll_body('up')", "Line up", id="approval.line_up", show=False),
        Binding("home,g", "scroll_body('home')", "Beginning", id="approval.home", show=False),
        Binding("end,G", "scroll_body('end')", "End", id="approval.end", show=False),
    ]

    def __init__(self, guard: TypingGuard | None = None, *, settle_s: float = SETTLE_S, id: str | None = None) -> None:
        super().__init__(id=id)
        self._guard = guard or TypingGuard(time.monotonic)
        self._view: ApprovalView | None = None
        self._settling = Settling(self, settle_s)
        self._body = ApprovalBody()
        self._foot = ApprovalFoot()

    def compose(self) -> ComposeResult:
        """Yield what scrolls, and below it what always stays in view."""
        yield self._body
        yield self._foot

    def on_mount(self) -> None:
        """Decide nothing for a moment whenever the terminal comes back to the front."""
        # the outermost ancestor is the app
        self.watch(self.ancestors[-1], "app_focus", lambda is_front: is_front and self._guard.focused(), init=False)

    @property
    def view(self) -> ApprovalView | None:
        """The request that waits, in sight or folded away."""
        return self._view

    def show(self, view: ApprovalView) -> None:
        """Show a request. The same one keeps what was read and typed; another one starts anew."""
        is_same = self._view is not None and replace(self._view, blocked="") == replace(view, blocked="")
        was_open, self._view, self.display = bool(self.display), view, True
        self.border_title = f"! Approval needed{f' · {view.queue}' if view.queue else ''}"
        if not is_same:
            self._settling.stop()
            self._foot.start(view)
            self._body.fill(view)
        if not (is_same and was_open):
            self._guard.opened()
            self._foot.options.forget()
            (self._foot.field.focus_line if self._foot.field.purpose else self.focus)()
        self._tell()

    def hide(self) -> None:
        """Take the request away: it was decided, or is no longer asked."""
        self.fold()
        self._view = None
        self._foot.close_field()

    def fold(self) -> None:
        """Put the request out of sight, undecided; what was read and typed is kept."""
        self._settling.stop()
        if self.is_attached and self.screen.maximized is self:
            self.screen.minimize()
        self.display = False

    def on_key(self, event: Key) -> None:
        """Let no key through that may have been meant for something else."""
        self._guard.typed()
        is_text = bool(self._foot.field.purpose) and event.key not in ("enter", "escape")
        refused: str | None = ""
        if not self._guard.may_decide() and not is_text:
            self._guard.ignored()
            refused = _TOO_EARLY if self._foot.field.purpose else None
            event.stop()
            event.prevent_default()
        elif self._settling.stop():
            refused = _TOO_FAST
            self._guard.ignored()
            event.stop()
            event.prevent_default()
        elif event.is_printable and not is_text and event.key not in _KEYS:
            # somebody writes words: the next letter of them must not be taken for an answer
            refused = _WORDS
            self._guard.ignored()
            event.stop()
        self._tell(refused)

    def on_paste(self, event: Paste) -> None:
        """A paste decides nothing."""
        event.stop()
        self._guard.typed()
        self._settling.stop()
        self._tell("A pasted text decides nothing. Press one of the keys below.")

    def on_option_row_clicked(self, event: OptionRow.Clicked) -> None:
        """A click on an answer means it, unless it only brought the terminal to the front."""
        event.stop()
        if self._guard.may_decide() and not self._foot.field.purpose:
            self.action_choose(event.letter, f"click on {event.letter}")

    def action_choose(self, letter: str, keys: str = "") -> None:
        """Take the answer of that letter."""
        view = self._view
        if view is None or not self.display or (letter == "a" and not view.rest):
            return
        if letter == "e":

            def edit() -> None:
                self.fold()
                self.post_message(SpecEditWanted())

            self._settling.start(edit)
            return
        answer = cast("Answer", letter)
        if sentence := refusal(view, answer, self._body):
            self._tell(sentence)
        elif answer == "n" or needed_text(view, answer) is not None:
            self._guard.opened()
            self._foot.ask(view, answer)
        else:
            self._settling.start(lambda: self._decide(_Intent(view, answer, keys or letter)))

    def action_enter(self) -> None:
        """Take the answer the person moved to."""
        if letter := self._foot.options.chosen:
            self.action_choose(letter, f"Enter on {letter}")
        else:
            self._tell("Move to an answer with ↑↓ first, or press its letter.")

    def action_move(self, by: int) -> None:
        """Move to the next answer or the one before."""
        if not self._foot.field.purpose:
            self._foot.options.move(by)

    def action_full(self) -> None:
        """Take the whole screen for reading, or give it back."""
        if self.screen.maximized is self:
            self.screen.minimize()
        else:
            self.screen.maximize(self, container=False)

    def action_back(self) -> None:
        """Leave the field; from the answers, decide later."""
        if self._foot.field.purpose:
            self._foot.close_field()
            self.focus()
        elif self._view is not None:
            self.fold()
            self.post_message(ApprovalPutOff())

    def action_scroll_body(self, how: str) -> None:
        """Scroll what there is to read."""
        scroll = {
            "page_down": self._body.scroll_page_down,
            "page_up": self._body.scroll_page_up,
            "down": self._body.scroll_down,
            "up": self._body.scroll_up,
            "home": self._body.scroll_home,
            "end": self._body.scroll_end,
        }
        scroll[how](animate=False)

    def on_answer_field_entered(self, event: AnswerField.Entered) -> None:
        """Take what was typed."""
        event.stop()
        view, answer = self._view, cast("Answer", event.purpose)
        if view is None or not self.display:
            return
        needed = needed_text(view, answer)
        if sentence := refusal(view, answer, self._body):
            self._tell(sentence)
        elif needed is not None and event.text != needed:
            self._tell(f"That is not {one_line(needed)}. Nothing was approved; type it exactly, or go back with Esc.")
        else:
            keys = "n, Enter" if answer == "n" else f"{answer}, typed {needed}"
            self._settling.start(lambda: self._decide(_Intent(view, answer, keys, event.text)))

    def on_approval_body_moved(self, event: ApprovalBody.Moved) -> None:
        """Say how much there is still to read."""
        event.stop()
        self._tell(None)

    def _decide(self, intent: _Intent) -> None:
        """Tell the decision, if the request and the line are still what was decided on."""
        view = self._view
        if view is None or not self.display or view != intent.view:
            return
        if self._foot.field.text != intent.typed:
            self._tell(_TOO_FAST)
            return
        self.hide()
        if intent.answer == "n":
            reason = " ".join(intent.typed.split())
            self.post_message(ApprovalGiven(view.request_id, "deny", reason=reason, keys=intent.keys))
        else:
            steps = view.steps_once if intent.answer == "y" else view.steps_all
            self.post_message(ApprovalGiven(view.request_id, "approve", steps, keys=intent.keys))

    def _tell(self, refused: str | None = "") -> None:
        """Bring the line of news up to date; None leaves the latest refusal there."""
        if self._view is not None:
            self._foot.tell(self._view, self._body, refused)
