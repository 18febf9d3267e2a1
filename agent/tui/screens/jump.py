"""Where to go, by one letter."""

from typing import ClassVar, Literal, TypeAlias

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from agent.tui.screens.dialog import Dialog

Target: TypeAlias = Literal["chat", "spec", "prompt", "run", "results", "data", "play", "jobs"]
_TARGETS: tuple[tuple[str, Target, str], ...] = (
    ("c", "chat", "Chat"),
    ("i", "prompt", "Input"),
    ("s", "spec", "Spec"),
    ("d", "data", "Data"),
    ("t", "run", "Training, or the job at work"),
    ("r", "results", "Results"),
    ("p", "play", "Playground"),
    ("j", "jobs", "Jobs"),
)


class JumpScreen(Dialog[Target | None]):
    """Lists the panes with their letters; gives the chosen one, None when it is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f4", "close", "Close", show=False)]
    DEFAULT_CSS = """
    JumpScreen {
        align: center middle;
        Static { width: 40; height: auto; border: round $primary; background: $surface; padding: 0 1; }
    }
    """

    def compose(self) -> ComposeResult:
        lines = [Content.assemble((f" {letter} ", "bold $text-accent"), title) for letter, _, title in _TARGETS]
        lines.append(Content.styled(" Esc closes", "$foreground-muted"))
        box = Static(Content("\n").join(lines))
        box.border_title = "Go to"
        yield box

    def on_key(self, event: events.Key) -> None:
        """A letter chooses; any other key does nothing."""
        target: Target | None = next((name for letter, name, _ in _TARGETS if letter == event.character), None)
        if target is not None:
            event.stop()
            self.dismiss(target)

    def action_close(self) -> None:
        self.dismiss(None)
