"""Turns changes of the state into calls of widgets; the only place that does. Reads no files, decides nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.tui.frame_views import header_view, stage_views, status_view
from agent.tui.state import AppState
from agent.tui.viewmodels.chat import ChatItem, Said
from agent.tui.widgets.frame import HeaderLine, StageRail, StatusLine
from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.spec_pane import SpecPane
from agent.tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from agent.events import AgentEvent
    from agent.tui.screens.workspace import Workspace

_GO_ON = "Enter goes on, or write; / for commands, @ for files"


class Router:
    """Draws one workspace."""

    def __init__(self, screen: "Workspace") -> None:
        self._screen = screen
        self._machine = ""

    def draw(self, before: AppState, now: AppState) -> None:
        """Draw what differs."""
        self._chat(before, now)
        if before.question != now.question:
            self._ask(now)
        if before.request is not now.request or before.is_put_off != now.is_put_off:
            self._approval(now)
        self._frame(now)
        self._open_by_itself(before, now)

    def draw_all(self, now: AppState) -> None:
        """Draw everything anew, after a start."""
        transcript = self._screen.query_one(Transcript)
        transcript.show(now.items)
        self._ask(now)
        self._approval(now)
        self._frame(now)

    def spec_edits(self, told: "Sequence[AgentEvent]") -> None:
        """Let the editor know whose edit it was, and what the agent has seen."""
        for event in told:
            if event.type == "spec_changed" and event.by == "agent":
                self._screen.query_one(SpecPane).agent_edited(event.diff)
            elif event.type == "spec_changed":
                self._screen.query_one(SpecPane).agent_read()

    def set_machine(self, machine: str) -> None:
        """Name the machine in the header."""
        self._machine = machine
        self._frame(self._screen.desk.state)

    def give_back_last_words(self) -> None:
        """Put what the person sent last into the empty prompt again."""
        prompt = self._screen.query_one(Prompt)
        last = next(
            (i for i in reversed(self._screen.desk.state.items) if isinstance(i, Said) and i.by == "user"), None
        )
        if last is not None and not prompt.text:
            prompt.set_text(last.text)

    def _chat(self, before: AppState, now: AppState) -> None:
        transcript = self._screen.query_one(Transcript)
        changed = _changed(before.items, now.items)
        if before.live and now.live.startswith(before.live):
            for item in changed:
                transcript.put(item)
            if written := now.live[len(before.live) :]:
                transcript.stream(written)
            return
        is_open = bool(before.live)
        for item in changed:
            if is_open and isinstance(item, Said) and item.by == "agent":
                transcript.settle(item)
                is_open = False
            else:
                transcript.put(item)
        if is_open:
            transcript.drop_stream()
        if now.live:
            transcript.stream(now.live)

    def _ask(self, now: AppState) -> None:
        asked = now.question
        self._screen.query_one(Prompt).set_question(asked)
        below = asked.key if asked is not None else None
        self._screen.query_one(Transcript).answer_below(below)

    def _approval(self, now: AppState) -> None:
        panel = self._screen.approval
        if now.request is None:
            self._screen.tailor.deciding.over()
            panel.hide()
            self._screen.panes.ask(False)
        elif now.is_put_off:
            panel.fold()
            self._screen.panes.ask(False)
        else:
            self._screen.tailor.deciding.ask(now)

    def _frame(self, now: AppState) -> None:
        wanted = self._screen.desk.wanted
        header = header_view(now, wanted.project_dir.resolve().name, wanted.thread, self._machine)
        self._screen.query_one(HeaderLine).show(header)
        self._screen.query_one(StageRail).show(stage_views(now))
        self._screen.query_one(StatusLine).show(status_view(now))
        self._screen.query_one(Prompt).set_enabled_hint(_GO_ON if now.can_go_on and now.question is None else "")

    def _open_by_itself(self, before: AppState, now: AppState) -> None:
        panes = self._screen.panes
        has_begun = now.is_running and (now.run != before.run or not before.is_running)
        if has_begun and now.run is not None:
            panes.open_run(now.run, by_itself=True)
        if before.is_working and not now.is_working and panes.opened == "run" and not panes.is_chosen:
            panes.open("chat", by_itself=True)


def _changed(before: tuple[ChatItem, ...], now: tuple[ChatItem, ...]) -> list[ChatItem]:
    """Return the items that are new or other than they were, in order."""
    return [item for index, item in enumerate(now) if index >= len(before) or before[index] is not item]
