"""The app: holds the desk, starts the engine after the first frame, and carries changes to the screen."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.message import Message
from textual.screen import Screen

from agent.tui.attention import Attention
from agent.tui.carry_out import Commands
from agent.tui.crash import CrashSafe
from agent.tui.deciding import Deciding
from agent.tui.desk import Desk, Wanted
from agent.tui.screens.workspace import Workspace
from agent.tui.settings import InterfaceSettings, load_settings
from agent.tui.state import AppState
from agent.tui.textual_fixes import apply_fixes, settle_memory
from agent.tui.theme import THEMES, choose_theme
from specs.layout import ProjectLayout

if TYPE_CHECKING:
    from textual.command import Provider

    from agent.tui.bridge import Bridge
    from agent.tui.state import ProjectFacts

_FACTS_EVERY_S = 2.0
_TELLING = frozenset(
    {"session_started", "plan_ready", "approval_requested", "approval_answered", "turn_finished", "run_progress"}
)


class EngineTold(Message):
    """There are events of the engine to take."""


def _command_provider() -> "type[Provider]":
    from agent.tui.palette import CommandProvider

    return CommandProvider


class TailorApp(CrashSafe[None]):
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
    COMMANDS: ClassVar[set[Callable[[], "type[Provider]"]]] = {_command_provider}  # type: ignore[assignment]
    CSS = "Screen { background: $background; }"

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
        apply_fixes()
        self.log_path = ProjectLayout(project_dir).log_path
        self.settings, self._problems = (settings, ()) if settings is not None else load_settings()
        wanted = Wanted(project_dir, thread, brain, module, first_words)
        self.desk = Desk(wanted, self._changed)
        self.workspace = Workspace(self.desk, dict(self.settings.keymap))
        self.attention = Attention(self, self.settings)
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
        self._facts_timer = self.set_interval(_FACTS_EVERY_S, self.read_facts, pause=True)
        self.call_after_refresh(self._begin)

    def tell(self, message: str, hint: str = "", *, is_error: bool = False) -> None:
        """Show a passing line; what must be kept belongs in the conversation."""
        self.notify(f"{message} {hint}".rstrip(), severity="error" if is_error else "information", markup=False)

    def copy(self, text: str) -> None:
        """Put text on the clipboard of the terminal."""
        self.copy_to_clipboard(text)
        self.tell("Copied.")

    def leave(self) -> None:
        """Quit; jobs go on."""
        self.workspace.leaving()
        self.exit()

    def read_facts(self) -> None:
        """Read ledger and runs again, in a thread."""
        self.run_worker(self._read_facts, thread=True, exclusive=True, group="facts")

    async def on_unmount(self) -> None:
        """End the engine; what runs goes on."""
        self.desk.close()

    def on_engine_told(self) -> None:
        """Take the events that came."""
        told = self.desk.take()
        if any(event.type in _TELLING for event in told):
            self.read_facts()
        self.attention.heard(told)

    def on_app_focus(self) -> None:
        """The terminal came to the front: what a key decides now was perhaps not meant."""
        self.deciding.focused()

    def _begin(self) -> None:
        for problem in self._problems:
            self.tell(problem, is_error=True)
        settle_memory()
        self.run_worker(self._open, thread=True, group="open")

    def _open(self) -> None:
        from specs.errors import TailorError

        try:
            bridge, restored = self.desk.open(lambda: self.post_message(EngineTold()) and None)
        except TailorError as error:
            self.call_from_thread(self.desk.failed, error.message, error.hint)
            return
        self.call_from_thread(self._opened, bridge, restored)

    def _opened(self, bridge: "Bridge", restored: AppState) -> None:
        self.desk.opened(bridge, restored)
        self.workspace.router.draw_all(self.desk.state)
        self.workspace.router.set_machine(_machine())
        bridge.start()
        if self.desk.wanted.first_words:
            self.desk.say(self.desk.wanted.first_words)
        self.read_facts()

    def _read_facts(self) -> None:
        facts = self.desk.read_facts()
        self.call_from_thread(self._know, facts)

    def _know(self, facts: "ProjectFacts") -> None:
        self.desk.know(facts)
        if facts.running:
            self._facts_timer.resume()
        else:
            self._facts_timer.pause()

    def _changed(self, before: AppState, now: AppState) -> None:
        self.workspace.router.draw(before, now)


def _machine() -> str:
    cores = os.cpu_count() or 1
    return f"local, {cores} core{'s' if cores > 1 else ''}"
