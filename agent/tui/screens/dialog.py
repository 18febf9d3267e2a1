"""What opens over the workspace and closes with an answer."""

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, ScreenResultType


class Dialog(ModalScreen[ScreenResultType]):
    """A screen that answers once: keys that come quickly after the one that closed it close nothing below."""

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close with an answer, if this is what is on top."""
        if not self.is_active:
            return AwaitComplete()
        return super().dismiss(result)
