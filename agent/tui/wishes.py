"""What widgets of any screen ask the app for, also those of screens that lie over the workspace."""

from typing import TYPE_CHECKING, cast

from agent.tui import messages

if TYPE_CHECKING:
    from agent.tui.app import TailorApp


class Wishes:
    """Handlers of such messages, for the app."""

    def on_stop_run_wanted(self, message: messages.StopRunWanted) -> None:
        """Ask, then stop the job."""
        cast("TailorApp", self).commands.carry_out("stop", message.run_id)

    def on_failed(self, message: messages.Failed) -> None:
        """Show what did not work."""
        cast("TailorApp", self).tell(message.message, message.hint, is_error=True)
