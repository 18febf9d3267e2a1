"""Approvals on the screen: when one is shown, what stands in its way, and the grant when the person gives it."""

from typing import TYPE_CHECKING

from agent.tui.messages import ApprovalGiven
from agent.tui.state import ApprovalMode, AppState, SpecState
from agent.tui.widgets.spec_pane import SpecPane
from specs.errors import TailorError

if TYPE_CHECKING:
    from agent.events import ApprovalRequested
    from agent.tui.app import TailorApp
    from agent.tui.viewmodels.approval import ApprovalView

MODES: tuple[ApprovalMode, ...] = ("ask", "paid", "plan")
MODE_WORDS: dict[ApprovalMode, str] = {
    "ask": "Each step is asked for.",
    "paid": "From the next approval on, until you leave, only steps that cost money or cannot be undone are asked for.",
    "plan": "Plan only: nothing can be approved.",
}
_SPEC_BLOCKS: dict[SpecState, str] = {
    "invalid": "spec.yaml in the editor is not valid: mend it first (e).",
    "conflict": "You and the agent edited the same lines of spec.yaml: decide which stay first (e).",
    "unsaved": "Your edit of spec.yaml is not saved yet: wait a second, or open it (e).",
}
_POLL_S = 0.1


class Deciding:
    """The approvals of one app."""

    def __init__(self, app: "TailorApp") -> None:
        self._app = app
        self._asked = ""
        """The request asked about last."""
        self._shown = ""
        """The one in the panel."""
        self._deciding = ""
        """The one whose answer is on its way."""
        self._is_waiting = False
        self._is_called_for = False

    def ask(self, state: AppState) -> None:
        """Show the open approval as soon as the person does not type."""
        request = state.request
        if request is None or self._deciding == request.request_id:
            return
        is_new, self._asked = self._asked != request.request_id, request.request_id
        view = self.view(request)
        # what was asked before the mode was chosen, or was once blocked or refused, is for the person to decide
        if is_new and state.approval_mode == "paid" and not view.blocked and view.confirm_all is None:
            self._by_mode(request, view)
            return
        panel = self._app.workspace.approval
        if self._shown == request.request_id and panel.display:
            panel.show(view)
            return
        if self._is_called_for:
            self._open(request)
            return
        if not self._is_waiting:
            self._app.attention.needed(view.card.title)
        self._app.guard.asked()
        self._open_when_quiet()

    def reopen(self) -> bool:
        """Show the approval that was put off, at once; return whether there was one."""
        state = self._app.desk.state
        if state.request is None or not state.is_put_off or self._deciding == state.request.request_id:
            return False
        # the person asks to see it, so there is no pause to wait for
        self._is_called_for = True
        self._app.desk.change(is_put_off=False)
        self._is_called_for = False
        return True

    def again(self) -> None:
        """Draw the open approval anew: the spec or the mode changed."""
        state = self._app.desk.state
        if state.request is not None and not state.is_put_off:
            self.ask(state)

    def over(self) -> None:
        """Nothing is asked any more; should the same be asked again, it is shown again."""
        self._asked = self._shown = self._deciding = ""

    def view(self, request: "ApprovalRequested") -> "ApprovalView":
        """Return the request as it is shown now."""
        from agent.tui.approval_cards import approval_view

        desk = self._app.desk
        state = desk.state
        return approval_view(
            request,
            budget_usd=state.facts.budget_usd,
            blocked=self._blocked(state),
            root=str(desk.layout.root.resolve()),
        )

    def decide(self, given: ApprovalGiven) -> None:
        """Carry the person's decision out."""
        desk = self._app.desk
        request = desk.state.request
        if request is None or request.request_id != given.request_id:
            self._not_taken("That approval is not open any more.", "Answer the one that is shown.")
            return
        if given.decision == "deny":
            self._deciding = request.request_id
            desk.deny(request.request_id, given.reason, given.keys)
            self._close()
            return
        if blocked := self._blocked(desk.state):
            self._not_taken("Nothing was approved.", blocked)
            return
        self._grant(request, given.steps, given.keys, self._typed_usd(request, given.steps))

    def _typed_usd(self, request: "ApprovalRequested", steps: tuple[str, ...]) -> float | None:
        """Return the amount the person had to type, which is then the most the steps may cost."""
        view = self.view(request)
        word = view.confirm_all if steps == view.steps_all else view.confirm_once
        return float(word) if word is not None and word.isdecimal() else None

    def _grant(
        self, request: "ApprovalRequested", steps: tuple[str, ...], keys: str, max_usd: float | None = None
    ) -> None:
        self._deciding = request.request_id
        self._close()
        self._app.run_worker(lambda: self._approve(request, steps, keys, max_usd), thread=True, group="grants")

    def _approve(self, request: "ApprovalRequested", steps: tuple[str, ...], keys: str, max_usd: float | None) -> None:
        try:
            self._app.desk.approve(request, steps, keys, max_usd)
        except TailorError as error:
            self._app.call_from_thread(self._refused, error.message, error.hint)

    def _not_taken(self, message: str, hint: str) -> None:
        """Say why, and show again what is still open: the panel has closed itself."""
        self._app.tell(message, hint, is_error=True)
        self.again()

    def _refused(self, message: str, hint: str) -> None:
        self._deciding = ""
        self._app.desk.change(is_put_off=False)
        self._not_taken(message, hint)

    def _by_mode(self, request: "ApprovalRequested", view: "ApprovalView") -> None:
        self._app.tell("Approved by your mode: paid steps only.", view.ceiling)
        self._grant(request, view.steps_all, "mode: paid only")

    def _close(self) -> None:
        self._shown = ""
        self._app.desk.change(is_put_off=True)

    def _open_when_quiet(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._try_to_open()

    def _try_to_open(self) -> None:
        state = self._app.desk.state
        if state.request is None or state.is_put_off:
            self._is_waiting = False
            return
        if not self._app.guard.may_open():
            self._app.set_timer(_POLL_S, self._try_to_open)
            return
        self._is_waiting = False
        self._open(state.request)

    def _open(self, request: "ApprovalRequested") -> None:
        self._shown = request.request_id
        self._app.workspace.panes.ask(True)
        self._app.workspace.approval.show(self.view(request))

    def _blocked(self, state: AppState) -> str:
        if state.approval_mode == "plan":
            return "The mode is plan only: Shift+Tab changes it."
        if state.request is not None and state.request.plan.hash == state.facts.plan and not state.facts.is_planned:
            return "spec.yaml was changed after this plan. Esc, then `go on`: it is planned anew and asked for again."
        # the pane itself is asked, too: what it told of the last key may not have been taken yet
        found = (state.spec_state, self._app.workspace.query_one(SpecPane).state)
        return next((sentence for spec_state, sentence in _SPEC_BLOCKS.items() if spec_state in found), "")


def next_mode(mode: ApprovalMode) -> ApprovalMode:
    """Return the mode after this one."""
    return MODES[(MODES.index(mode) + 1) % len(MODES)]
