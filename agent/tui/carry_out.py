"""What slash commands, palette and keys do. What blocks is in `deeds` and runs in a thread."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from agent.tui.commands import find_command, unknown_command
from agent.tui.deciding import MODE_WORDS, next_mode
from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from agent.tui.app import TailorApp
    from agent.tui.deeds import Deeds
    from agent.tui.messages import RunOpened
    from agent.tui.panes import Panes
    from agent.tui.state import ApprovalMode

_SAID: Mapping[str, str] = {"plan": "plan", "run": "go on", "status": "status"}
"""Commands that are words to the agent."""
_MODES: Mapping[str, "ApprovalMode"] = {"each": "ask", "paid": "paid", "plan": "plan"}


class Commands:
    """Carries commands out for one app."""

    def __init__(self, app: "TailorApp") -> None:
        self._app = app
        self._ways: Mapping[str, Callable[[str], None]] = {
            "help": lambda _text: self._help(),
            "keys": lambda _text: self._help(show_keys=True),
            "results": lambda _text: self._panes.open("results"),
            "report": lambda _text: self._panes.open("results"),
            "data": lambda _text: self._panes.open("data"),
            "play": self._play,
            "spec": lambda _text: self._panes.open_spec(start=True),
            "jobs": lambda _text: self._jobs(),
            "stages": lambda _text: self._stages(),
            "jump": lambda _text: self._jump(),
            "history": lambda _text: self._history(),
            "undo": lambda _text: self.deeds.undo(),
            "stop": self._stop,
            "teardown": self._teardown,
            "doctor": lambda _text: self.deeds.doctor(),
            "editor": lambda _text: self.deeds.editor(),
            "copy": lambda _text: self._copy(),
            "theme": app.preferences.use_theme,
            "mouse": lambda text: self._switch("mouse", text),
            "bell": lambda text: self._switch("bell", text),
            "mode": self._mode,
            "new": lambda _text: self._app.begin_anew(),
            "quit": lambda _text: self._app.leave(),
        }

    def carry_out(self, name: str, argument: str = "") -> None:
        """Do what a command says; a name nobody knows is answered with the nearest."""
        known = find_command(name)
        name = known.name if known is not None else name
        if name == "run" and self._app.deciding.reopen():
            return
        if name in _SAID:
            self._panes.open("chat")
            self._app.desk.say(_SAID[name])
        elif name in self._ways:
            self._ways[name](argument)
        else:
            self._app.tell(unknown_command(name), "Type / for the list.", is_error=True)

    @cached_property
    def deeds(self) -> "Deeds":
        """What is done, loaded when it is first wanted."""
        from agent.tui.deeds import Deeds

        return Deeds(self._app)

    @property
    def _panes(self) -> "Panes":
        return self._app.workspace.panes

    def _stop(self, run_id: str) -> None:
        self.deeds.stop(run_id)

    def _teardown(self, name: str) -> None:
        self.deeds.teardown(name)

    def _help(self, *, show_keys: bool = False) -> None:
        from agent.tui.screens.help import HelpScreen

        self._app.push_screen(HelpScreen(keymap=self._app.workspace.keymap, shows_keys=show_keys))

    def _play(self, prompt: str) -> None:
        self._panes.open("play")
        if prompt:
            self._panes.ask_models(prompt)

    def _jobs(self) -> None:
        from agent.tui.screens.jobs import JobsScreen

        self._app.push_screen(JobsScreen(self._app.desk.layout), self._open_run)

    def _open_run(self, opened: "RunOpened | None") -> None:
        if opened is not None:
            self._panes.open_run(opened.run_id)
            self._panes.focus()

    def _stages(self) -> None:
        from agent.tui.frame_views import stage_views
        from agent.tui.screens.stages import StagesScreen

        self._app.push_screen(StagesScreen(stage_views(self._app.desk.state)), self._open_chosen)

    def _jump(self) -> None:
        from agent.tui.screens.jump import JumpScreen

        self._app.push_screen(JumpScreen(), self._panes.open_target)

    def _open_chosen(self, number: int | None) -> None:
        if number is not None:
            self._panes.open_number(number)

    def _history(self) -> None:
        from agent.tui.screens.history_search import HistorySearch

        prompt = self._app.workspace.query_one(Prompt)

        def take(text: str | None) -> None:
            if text:
                prompt.set_text(text)

        self._app.push_screen(HistorySearch(prompt.history), take)

    def _copy(self) -> None:
        if answer := self._app.workspace.query_one(Transcript).last_answer():
            self._app.copy(answer, "The agent's last answer is copied.")
        else:
            self._app.tell("There is no answer to copy yet.")

    def _switch(self, name: str, text: str) -> None:
        if text not in ("", "on", "off"):
            self._app.tell(f"/{name} takes on or off.", f"You wrote {text[:40]}.", is_error=True)
            return
        self._app.preferences.set_switch(name, text == "on" if text else None)

    def _mode(self, text: str) -> None:
        if text and text not in _MODES:
            self._app.tell("/mode takes each, paid or plan.", f"You wrote {text[:40]}.", is_error=True)
            return
        mode = _MODES[text] if text else next_mode(self._app.desk.state.approval_mode)
        self._app.desk.change(approval_mode=mode)
        self._app.deciding.again()
        self._app.tell(MODE_WORDS[mode])
