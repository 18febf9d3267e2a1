"""The app: holds the desk, starts the engine after the first frame, and carries changes to the screen."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
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
from agent.tui.screens.workspace import Workspace
from agent.tui.settings import InterfaceSettings, load_settings, save_settings
from agent.tui.state import AppState
from agent.tui.textual_fixes import apply_fixes, settle_memory
from agent.tui.theme import THEMES, choose_theme, theme_names
from agent.tui.typing_guard import TypingGuard
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
        self.guard = TypingGuard(time.monotonic)
        self.workspace = Workspace(self.desk, self.guard, dict(self.settings.keymap))
        has_titles = os.environ.get("TERM", "") not in ("linux", "dumb", "")
        self.attention = Attention(
            self._put_out, time.monotonic, self.set_timer, is_on=self.settings.bell, has_titles=has_titles
        )
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
        self.attention.start(self.desk.wanted.project_dir.resolve().name)
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

    def begin_anew(self) -> None:
        """Start a new conversation; this one is kept."""
        self.run_worker(self._switch_conversation, thread=True, exclusive=True, group="open")

    def use_theme(self, name: str) -> None:
        """Change the colours and remember it."""
        if name not in theme_names():
            self.tell(f"There is no theme {name[:40]}.", f"There are {', '.join(theme_names())}.", is_error=True)
            return
        self.theme = name
        self._remember({"theme": name})

    def set_switch(self, name: str, is_on: bool | None) -> None:
        """Turn `mouse` or `bell` on or off, the other way round without a value, and remember it."""
        value = not getattr(self.settings, name) if is_on is None else is_on
        self.settings = replace(self.settings, **{name: value})
        self.attention.turn(is_on=self.settings.bell)
        if name == "mouse":
            self._use_mouse(value)
        self._remember({name: value})
        self.tell(f"The {name} is {'on' if value else 'off'}.")

    def read_facts(self) -> None:
        """Read ledger and runs again, in a thread."""
        self.run_worker(self._read_facts, thread=True, exclusive=True, group="facts")

    async def on_unmount(self) -> None:
        """End the engine; what runs goes on."""
        self.attention.stop()
        self.desk.close()

    def on_engine_told(self) -> None:
        """Take the events that came."""
        told = self.desk.take()
        if any(event.type in _TELLING for event in told):
            self.read_facts()
        if self.desk.state.request is None:
            self.attention.answered()
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

    def _use_mouse(self, is_on: bool) -> None:
        driver = self._driver
        # a driver without a terminal has no mouse to turn
        turn = getattr(driver, "_enable_mouse_support" if is_on else "_disable_mouse_support", None)
        if turn is not None:
            turn()

    def _remember(self, values: Mapping[str, str | bool]) -> None:
        def save() -> None:
            try:
                save_settings(values)
            except (OSError, ValueError) as error:
                self.call_from_thread(self.tell, "The setting holds until you leave.", str(error))

        self.run_worker(save, thread=True, group="settings")

    def _switch_conversation(self) -> None:
        thread = self.desk.close_for_another()
        self.call_from_thread(self.desk.begin_anew, thread)
        self._open()

    def _begin(self) -> None:
        for problem in self._problems:
            self.tell(problem, is_error=True)
        settle_memory()
        self.run_worker(self._open, thread=True, group="open")

    def _open(self) -> None:
        from specs.errors import TailorError

        try:
            bridge, restored = self.desk.open(self._wake)
        except TailorError as error:
            self.call_from_thread(self.desk.failed, error.message, error.hint)
            return
        self.call_from_thread(self._opened, bridge, restored)

    def _wake(self) -> None:
        self.post_message(EngineTold())

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
        # what is told while the app ends has nothing left to be drawn on
        if self.workspace.is_running and not self._exit:
            self.workspace.router.draw(before, now)


def _machine() -> str:
    cores = os.cpu_count() or 1
    return f"local, {cores} core{'s' if cores > 1 else ''}"
