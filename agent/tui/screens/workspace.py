"""The one screen of a project: header, stages, chat or a stage's pane, the spec beside it, prompt, status, keys.

Lays out and passes messages on. What is drawn follows from the state (`router`), what keys do is in `workspace_keys`.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input, TextArea

from agent.tui import messages
from agent.tui.desk import Desk
from agent.tui.frame_views import header_view, stage_views, status_view
from agent.tui.keys import KeyBar, bar_entries, bindings_for
from agent.tui.panes import WIDE, Panes
from agent.tui.router import Router
from agent.tui.screens.workspace_keys import ChatKeys, LookKeys, TalkKeys
from agent.tui.typing_guard import TypingGuard
from agent.tui.widgets.frame import HeaderLine, StageRail, StatusLine
from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.spec_pane import SpecPane
from agent.tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from agent.tui.app import TailorApp
    from agent.tui.widgets.approval import ApprovalPanel


_APPROVAL_WORDS = re.compile(r"approve(?: all| \w+(?:, ?\w+)*)?|deny", re.IGNORECASE)
"""What answers an approval where there is no screen."""


class Workspace(ChatKeys, LookKeys, TalkKeys, Screen[None]):
    """The screen of one project.

    Args:
        desk: state and deeds.
        guard: knows when the person typed last.
        keymap: the person's own keys by binding id, for the key bar.
    """

    AUTO_FOCUS = "PromptArea"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for("workspace"), *bindings_for("panes")]
    DEFAULT_CSS = """
    Workspace {
        layout: vertical;
        background: $background;
        #body { height: 1fr; }
        #left { width: 1fr; height: 100%; }
        #stage { height: 1fr; }
        #spec { display: none; width: 1fr; height: 100%; }
        &.-wide #spec { width: 44%; max-width: 64; border-left: vkey $panel; }
    }
    """

    def __init__(self, desk: Desk, guard: TypingGuard, keymap: dict[str, str] | None = None) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self.desk = desk
        self.guard = guard
        self.keymap = keymap or {}
        self.panes = Panes(self)
        self.router = Router(self)

    def compose(self) -> ComposeResult:
        state = self.desk.state
        project = Path(self.desk.wanted.project_dir).resolve().name
        yield HeaderLine(header_view(state, project, self.desk.wanted.thread, ""), id="header")
        yield StageRail(stage_views(state), id="rail")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                with ContentSwitcher(id="stage", initial="chat"):
                    transcript = Transcript()
                    transcript.id = "chat"
                    yield transcript
                yield Prompt(self.desk.wanted.project_dir, id="prompt")
            yield SpecPane(self.desk.layout, id="spec")
        yield StatusLine(status_view(state), id="status")
        yield KeyBar(bar_entries(is_wide=False, keymap=self.keymap), id="keys")

    def on_mount(self) -> None:
        """Take keys from the first frame on."""
        self.query_one(Prompt).focus_input()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the key that begins a command to texts that are written, and to an approval."""
        if action == "command":
            return not (self.panes.is_asking or isinstance(self.focused, TextArea | Input))
        return super().check_action(action, parameters)

    def on_screen_resume(self) -> None:
        """A screen on top was closed: a key meant for it must decide nothing here."""
        self.guard.focused()
        if self.focused is None:
            self.panes.focus()

    def on_resize(self) -> None:
        """Show as many keys as fit."""
        self.query_one(KeyBar).set_entries(bar_entries(is_wide=self.size.width >= WIDE, keymap=self.keymap))
        self.panes.arrange()

    def leaving(self) -> None:
        """Keep what is being edited before the app ends."""
        self.query_one(SpecPane).save_now()

    def make_rest(self) -> None:
        """Make what the first frame does not need."""
        from agent.tui.widgets.approval import ApprovalPanel

        self.query_one("#left").mount(ApprovalPanel(self.guard, id="approval"), before="#prompt")

    @property
    def approval(self) -> "ApprovalPanel":
        """The panel that asks, made after the first frame."""
        return cast("ApprovalPanel", self.query_one("#approval"))

    @property
    def tailor(self) -> "TailorApp":
        """The app, for what reaches beyond this screen."""
        return cast("TailorApp", cast("Any", self).app)

    @on(messages.Submitted)
    def _submitted(self, message: messages.Submitted) -> None:
        state = self.desk.state
        text = message.text.strip()
        if text.startswith("/"):
            name, _, argument = text[1:].partition(" ")
            self.post_message(messages.CommandGiven(name, argument.strip()))
            return
        if state.question is None and _APPROVAL_WORDS.fullmatch(text) and self.tailor.deciding.reopen():
            self.tailor.tell("The approval is answered with its keys.", "Read it to its end first.")
            return
        if not text and state.question is None:
            if self.tailor.deciding.reopen() or not state.can_go_on:
                return
            text = "go on"
        self.panes.open("chat")
        self.desk.say(text)
        self.query_one(Transcript).follow()

    @on(messages.CommandGiven)
    def _command(self, message: messages.CommandGiven) -> None:
        self.tailor.commands.carry_out(message.name, message.argument)

    @on(messages.StageChosen)
    def _stage_chosen(self, message: messages.StageChosen) -> None:
        self.panes.open_stage(message.stage)

    @on(messages.RunOpened)
    def _run_opened(self, message: messages.RunOpened) -> None:
        self.panes.open_run(message.run_id)

    @on(messages.ApprovalGiven)
    def _approval_given(self, message: messages.ApprovalGiven) -> None:
        self.tailor.deciding.decide(message)

    @on(messages.ApprovalPutOff)
    def _put_off(self) -> None:
        self.desk.change(is_put_off=True)

    @on(messages.SpecEditWanted)
    def _edit_first(self) -> None:
        self.desk.change(is_put_off=True)
        self.panes.open_spec(start=True)

    @on(messages.SpecStateChanged)
    def _spec_changed(self, message: messages.SpecStateChanged) -> None:
        self.desk.change(spec_state=message.state)
        self.tailor.deciding.again()
        if message.state == "saved":
            self.tailor.facts.read()

    @on(messages.UndoWanted)
    def _undo(self) -> None:
        self.tailor.commands.carry_out("undo")
