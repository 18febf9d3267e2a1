"""The app: holds the desk, starts the engine after the first frame, and carries changes to the screen."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.message import Message
from textual.screen import Screen

from agent.tui.attention import Attention
from agent.tui.carry_out import Commands
from agent.tui.crash import CrashSafe
from agent.tui.deciding import Deciding
from agent.tui.desk import Desk, Wanted
from agent.tui.facts_watch import FactsWatch
from agent.tui.preferences import Preferences
from agent.tui.screens.workspace import Workspace
from agent.tui.settings import InterfaceSettings, load_settings
from agent.tui.state import AppState
from agent.tui.textual_fixes import apply_fixes, settle_memory
from agent.tui.theme import THEMES, choose_theme
from agent.tui.typing_guard import TypingGuard
from agent.tui.wishes import Wishes
from specs.errors import TailorError
from specs.layout import ProjectLayout
from tools.escape import visible

if TYPE_CHECKING:
    from textual.command import Provider

    from agent.tui.bridge import Bridge

_TELLING = frozenset(
    {
        "session_started",
        "plan_ready",
        "approval_requested",
        "approval_answered",
        "turn_finished",
        "run_progress",
        "spec_changed",
    }
)
_LONGEST_PASSING = 1_000


class EngineTold(Message):
    """There are events of the engine to take."""


def _command_provider() -> "type[Provider]":
    from agent.tui.palette import CommandProvider

    return CommandProvider


class TailorApp(Wishes, CrashSafe[None]):
    """The interface of one project.

    Args:
        project_dir: the project's folder; made ready when it is new.
        thread: which conversation.
        brain: as `--brain`.
        first_words: said first.
        module: the engine's module, for engines with other jobs.
        settings: the person's settings; read from their file when left out.
    """

    TITLE = "tailor"
    CSS = """
    ToastRack { dock: top; align: right top; margin-top: 2; }
    TextArea .text-area--placeholder, Input > .input--placeholder, Input > .input--suggestion { color: $text-muted; }
    """
    COMMANDS: ClassVar[set[Callable[[], "type[Provider]"]]] = {_command_provider}  # type: ignore[assignment]

    def __init__(
        self,
        project_dir: Path,
        *,
        thread: str = "main",
        brain: str | None = None,
        first_words: str | None = None,
        module: str = "agent.engine",
        settings: InterfaceSettings | None = None,
    ) -> None:
        super().__init__()
        self.log_path = ProjectLayout(project_dir).log_path
        self.settings, self._problems = (settings, ()) if settings is not None else load_settings()
        wanted = Wanted(project_dir, thread, brain, module, first_words)
        self.desk = Desk(wanted, self._changed)
        self.guard = TypingGuard(time.monotonic)
        self.workspace = Workspace(self.desk, self.guard, dict(self.settings.keymap))
        has_titles = os.environ.get("TERM", "") not in ("linux", "dumb", "")
        self.attention = Attention(
            self._put_out, time.monotonic, self.set_timer, is_on=self.settings.bell, has_titles=has_titles
        )
        self.preferences = Preferences(self)
        self.facts = FactsWatch(self)
        self.deciding = Deciding(self)
        self.commands = Commands(self)
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = choose_theme(self.settings.theme, os.environ)

    def get_default_screen(self) -> Screen[None]:
        """Return the workspace; there is no other screen below it."""
        return self.workspace

    def on_mount(self) -> None:
        """Apply the person's keys; the engine is started once the first frame is painted."""
        if self.settings.keymap:
            self.set_keymap(dict(self.settings.keymap))
        self.preferences.apply()
        self.attention.start(self.desk.wanted.project_dir.resolve().name)
        self.facts.start()
        self.call_after_refresh(self._begin)

    def tell(self, message: str, hint: str = "", *, is_error: bool = False) -> None:
        """Show a passing line; what must be kept belongs in the conversation."""
        # errors quote files, rows and what others wrote
        told = visible(f"{message} {hint}".rstrip(), _LONGEST_PASSING)
        self.notify(told, severity="error" if is_error else "information", markup=False)

    def copy(self, text: str, said: str = "The selection is copied.") -> None:
        """Put text on the clipboard of the terminal, and say which text it was."""
        self.copy_to_clipboard(text)
        self.tell(said)

    def leave(self) -> None:
        """Quit; jobs go on."""
        self.workspace.leaving()
        self.exit()

    async def action_quit(self) -> None:
        """Quit from any screen; the key works above the workspace, too."""
        self.leave()

    def begin_anew(self) -> None:
        """Start a new conversation; this one is kept."""
        if self.desk.is_opening:
            self.tell("A conversation is being opened.", "Try again in a moment.", is_error=True)
            return
        left = self.desk.leave_conversation()
        self.run_worker(lambda: self._switch_conversation(left), thread=True, group="open")

    async def on_unmount(self) -> None:
        """End the engine; what runs goes on."""
        self.attention.stop()
        self.desk.close()

    def on_engine_told(self) -> None:
        """Take the events that came."""
        told = self.desk.take()
        if any(event.type in _TELLING for event in told):
            self.facts.read()
        if self.desk.state.request is None:
            self.attention.answered()
        self.workspace.router.spec_edits(told)
        for event in told:
            if event.type == "run_progress" and event.event.type == "plan_finished":
                self.attention.finished(f"the plan {event.event.state}")

    def on_app_focus(self) -> None:
        """The terminal is in front again."""
        self.attention.focused()

    def on_app_blur(self) -> None:
        """The terminal went to the back: what needs the person must be heard."""
        self.attention.blurred()

    async def on_event(self, event: events.Event) -> None:
        """Note when something was typed, wherever it goes: an approval waits for a pause."""
        if isinstance(event, events.Key | events.Paste):
            self.guard.typed()
        await super().on_event(event)

    def _put_out(self, sequence: str) -> None:
        if self._driver is not None:
            self._driver.write(sequence)

    def _switch_conversation(self, left: "Bridge | None") -> None:
        self.desk.close_for_another(left)
        self._open()

    def _begin(self) -> None:
        for problem in self._problems:
            self.tell(problem, is_error=True)
        self.workspace.make_rest()
        apply_fixes()
        settle_memory()
        self.run_worker(self._open, thread=True, group="open")

    def _open(self) -> None:
        try:
            bridge, restored = self.desk.open(self._wake)
        except TailorError as error:
            self.call_from_thread(self.desk.failed, error.message, error.hint)
            return
        self.call_from_thread(self._opened, bridge, restored)

    def _wake(self) -> None:
        self.post_message(EngineTold())

    def _opened(self, bridge: "Bridge", restored: AppState) -> None:
        if self._exit:
            # no engine is started for an interface that ends
            return
        self.desk.opened(bridge, restored)
        self.workspace.router.draw_all(self.desk.state)
        self.workspace.router.set_machine(_machine())
        bridge.start()
        if self.desk.wanted.first_words:
            self.desk.say(self.desk.wanted.first_words)
        self.facts.read()

    def _changed(self, before: AppState, now: AppState) -> None:
        # what is told while the app ends has nothing left to be drawn on
        if self.workspace.is_running and not self._exit:
            self.workspace.router.draw(before, now)


def _machine() -> str:
    cores = os.cpu_count() or 1
    return f"local, {cores} core{'s' if cores > 1 else ''}"
