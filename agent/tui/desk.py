"""What the interface does, without drawing: holds the state and the bridge, carries out what the person wants.

Methods that say so block and are called in a thread; the others only change the state.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agent.tui.state import AppState, ProjectFacts, noted, spoke
from agent.tui.viewmodels.chat import Note
from specs.layout import ProjectLayout

if TYPE_CHECKING:
    from agent.conversation_log import KeptConversation
    from agent.events import AgentEvent, ApprovalRequested
    from agent.tui.bridge import Bridge
    from tools.client import Tailor


@dataclass(frozen=True)
class Wanted:
    """What the interface was started for."""

    project_dir: Path
    thread: str = "main"
    brain: str | None = None
    module: str = "agent.engine"
    first_words: str | None = None


class Desk:
    """State, bridge, and what can be done.

    Args:
        wanted: project and conversation.
        changed: called in the app's thread after each change, with the state before and after.
    """

    def __init__(self, wanted: Wanted, changed: Callable[[AppState, AppState], None]) -> None:
        self.wanted = wanted
        self.layout = ProjectLayout(wanted.project_dir)
        self.state = AppState()
        self._changed = changed
        self._bridge: Bridge | None = None
        self._unsent: list[str] = []

    @property
    def tailor(self) -> "Tailor":
        """The project's functions. Raises ToolError while it is being opened."""
        if self._bridge is None:
            from tools.errors import ToolError

            raise ToolError("The project is still being opened.", "Try again in a moment.", retryable=True)
        return self._bridge.tailor

    def open(self, wake: Callable[[], None]) -> "tuple[Bridge, AppState]":
        """Make the bridge and read the conversation. Blocks. Raises TailorError when the project cannot be used."""
        from agent.tui.bridge import Bridge, EngineOptions
        from agent.tui.reduce import restore

        options = EngineOptions(self.wanted.thread, self.wanted.brain, self.wanted.module)
        bridge = Bridge(self.wanted.project_dir, options, wake)
        return bridge, _restored(restore(AppState(), *_kept(bridge)))

    def opened(self, bridge: "Bridge", restored: AppState) -> None:
        """Take the bridge into use; what was said before it was there is sent."""
        self._bridge = bridge
        said = self.state.items
        now = self.state
        self._to(
            replace(
                restored,
                items=(*restored.items, *said),
                spec_state=now.spec_state,
                approval_mode=now.approval_mode,
                facts=now.facts,
            )
        )
        unsent, self._unsent = self._unsent, []
        for text in unsent:
            bridge.say(text)

    def take(self) -> "list[AgentEvent]":
        """Take the events that came; return them."""
        from agent.tui.reduce import reduce

        events = self._bridge.take() if self._bridge is not None else []
        state = self.state
        for event in events:
            state = reduce(state, event)
        self._to(state)
        return events

    def say(self, text: str) -> None:
        """Send words of the person, at once or when the engine is there; say so when there will be none."""
        if self.state.engine == "gone":
            self._not_sent()
            return
        if self._bridge is None:
            self._unsent.append(text)
            self._to(spoke(self.state, f"early-{len(self._unsent)}-{time.time()}", text, time.time()))
            return
        message_id = self._bridge.say(text)
        self._to(spoke(self.state, message_id, text, time.time()))

    def _not_sent(self) -> None:
        now = time.time()
        hint = "Mend what is said above and start `tailor` again. ↑ gives your words back."
        self.note(Note(f"unsent:{now}", now, "error", "That was not sent: nobody is there to answer.", hint))

    def stop_turn(self) -> None:
        """End the agent's turn; jobs go on."""
        if self._bridge is not None:
            self._bridge.stop_turn()

    def approve(
        self, request: "ApprovalRequested", steps: tuple[str, ...], keys: str, max_usd: float | None = None
    ) -> None:
        """Grant the steps of the plan that was shown, and say so to the engine. Blocks. Raises TailorError."""
        grants = self.tailor.approve(request.plan, steps, max_usd=max_usd)
        if self._bridge is not None:
            self._bridge.answer(request.request_id, "approve", grants, keys=keys)

    def deny(self, request_id: str, reason: str, keys: str) -> None:
        """Decline; the reason goes to the agent."""
        if self._bridge is not None:
            self._bridge.answer(request_id, "deny", {}, reason, keys)

    def undo_spec(self) -> str:
        """Take the agent's last edit of the spec back; return the difference. Blocks. Raises TailorError."""
        return self.tailor.undo_spec().diff

    def read_facts(self) -> ProjectFacts:
        """Return what ledger and runs say. Blocks."""
        from agent.tui.project_facts import read_facts

        return read_facts(self.layout)

    def change(self, **changes: object) -> None:
        """Change fields of the state that no event of the engine changes: facts, the spec's state, the mode."""
        self._to(replace(self.state, **cast("Any", changes)))

    def note(self, note: Note) -> None:
        """Add a line of the interface's own to the conversation."""
        self._to(noted(self.state, note))

    def failed(self, message: str, hint: str = "") -> None:
        """There is no engine and there will be none."""
        now = time.time()
        self._to(replace(noted(self.state, Note(f"failed:{now}", now, "error", message, hint)), engine="gone"))

    def close(self) -> None:
        """End the engine; jobs go on. Blocks for a few seconds at most."""
        if self._bridge is not None:
            self._bridge.close()

    @property
    def is_opening(self) -> bool:
        """Whether the project or a conversation is being opened."""
        return self._bridge is None and self.state.engine == "starting"

    def leave_conversation(self) -> "Bridge | None":
        """Forget this conversation, which is kept on disk; return what is to be closed before another is opened.

        What is said from now on belongs to the next one.
        """
        bridge, self._bridge = self._bridge, None
        before = self.state
        self._to(AppState(spec_state=before.spec_state, facts=before.facts, approval_mode=before.approval_mode))
        return bridge

    def close_for_another(self, left: "Bridge | None") -> None:
        """End the engine of the conversation that was left; the next one opened is a new one. Blocks."""
        from agent.conversations import new_thread

        if left is not None:
            left.close()
        self.wanted = replace(self.wanted, thread=new_thread(self.layout), first_words=None)

    def _to(self, state: AppState) -> None:
        before, self.state = self.state, state
        if state is not before:
            self._changed(before, state)


def _kept(bridge: "Bridge") -> "tuple[tuple[AgentEvent, ...], int]":
    try:
        kept: KeptConversation = bridge.conversation()
    except OSError:
        # the conversation goes on; what was said before is in threads.db
        return (), 0
    return kept.events, kept.num_skipped


def _restored(state: AppState) -> AppState:
    """Say in the conversation what of its record could not be read."""
    if not state.num_skipped:
        return state
    lines, are = ("A line", "is") if state.num_skipped == 1 else (f"{state.num_skipped} lines", "are")
    text = f"{lines} of this conversation's record could not be read and {are} left out."
    return noted(state, Note("record:skipped", time.time(), "warning", text))
