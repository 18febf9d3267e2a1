"""What the keys of the workspace do, in three groups. Each action is small; the work is done by panes, desk and app."""

import time
from typing import TYPE_CHECKING, Any, cast

from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from agent.tui.screens.workspace import Workspace

_TWICE_S = 1.0


def _workspace(keys: object) -> "Workspace":
    return cast("Workspace", keys)


class ChatKeys:
    """Scrolling the chat from anywhere."""

    def action_chat_page_up(self) -> None:
        _workspace(self).query_one(Transcript).page_up()

    def action_chat_page_down(self) -> None:
        _workspace(self).query_one(Transcript).page_down()

    def action_chat_line_up(self) -> None:
        _workspace(self).query_one(Transcript).line_up()

    def action_chat_line_down(self) -> None:
        _workspace(self).query_one(Transcript).line_down()

    def action_chat_end(self) -> None:
        _workspace(self).query_one(Transcript).to_end()

    def action_fold(self) -> None:
        _workspace(self).query_one(Transcript).toggle_details()


class LookKeys:
    """Opening panes and screens."""

    def action_next_pane(self) -> None:
        _workspace(self).panes.next()

    def action_stage(self, number: int) -> None:
        _workspace(self).panes.open_number(number)

    def action_jobs(self) -> None:
        _workspace(self).tailor.commands.carry_out("jobs")

    def action_stages(self) -> None:
        _workspace(self).tailor.commands.carry_out("stages")

    def action_jump(self) -> None:
        _workspace(self).tailor.commands.carry_out("jump")

    def action_help(self) -> None:
        _workspace(self).tailor.commands.carry_out("help")

    def action_palette(self) -> None:
        _workspace(self).tailor.action_command_palette()

    def action_redraw(self) -> None:
        _workspace(self).refresh(repaint=True, layout=True)


class TalkKeys:
    """Talking, stopping, leaving."""

    _last_escape: float = 0.0
    _last_interrupt: float = 0.0

    def action_back(self) -> None:
        """Close the top thing; else fold the approval; else, twice in a second, stop the agent's turn. Never a job."""
        screen = _workspace(self)
        if screen.panes.step_back():
            return
        if not screen.desk.state.is_working:
            return
        now = time.monotonic()
        if now - self._last_escape <= _TWICE_S:
            self._last_escape = 0.0
            screen.desk.stop_turn()
            screen.router.give_back_last_words()
            screen.tailor.tell("The agent's turn is being ended.", "Jobs go on.")
        else:
            self._last_escape = now
            screen.tailor.tell("Esc again ends the agent's turn.", "Jobs go on.")

    def action_interrupt(self) -> None:
        """Copy the selection; else clear the input; else, twice in a second, quit."""
        screen = _workspace(self)
        if text := screen.get_selected_text():
            screen.tailor.copy(text)
            screen.clear_selection()
            return
        prompt = screen.query_one(Prompt)
        # a draft that is out of sight, or not where the keys go, is not what is meant
        if prompt.display and not screen.panes.is_in_spec() and prompt.clear():
            return
        now = time.monotonic()
        if now - self._last_interrupt <= _TWICE_S:
            screen.tailor.leave()
        else:
            self._last_interrupt = now
            screen.tailor.tell("Ctrl+C again quits.", "Jobs go on, and `tailor` takes the conversation up again.")

    def action_end_input(self) -> None:
        """Quit when the input is empty."""
        screen = _workspace(self)
        if not screen.query_one(Prompt).text:
            screen.tailor.leave()

    def action_quit(self) -> None:
        _workspace(self).tailor.leave()

    def action_suspend(self) -> None:
        app: Any = _workspace(self).tailor
        app.action_suspend_process()

    def action_editor(self) -> None:
        _workspace(self).tailor.commands.carry_out("editor")

    def action_history(self) -> None:
        _workspace(self).tailor.commands.carry_out("history")

    def action_command(self) -> None:
        """Begin a command in the input; it comes with the chat where it is not on the screen."""
        screen = _workspace(self)
        prompt = screen.query_one(Prompt)
        if not (prompt.display and screen.query_one("#left").display):
            screen.panes.open("chat")
        prompt.begin("/")

    def action_mode(self) -> None:
        _workspace(self).tailor.commands.carry_out("mode")
