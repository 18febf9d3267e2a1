"""The stages with what happened in each, its times and runs. Enter or a digit opens one."""

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from agent.tui.screens.dialog import Dialog
from agent.tui.viewmodels.frame import STAGE_GLYPHS, StageView

_WORDS = {"todo": "to do", "running": "at work", "waiting": "waits for you", "done": "done", "failed": "failed"}


class StagesScreen(Dialog[int | None]):
    """Lists the stages; gives the number of the chosen one, None when it is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+t,q", "close", "Close", show=False)]
    DEFAULT_CSS = """
    StagesScreen {
        align: center middle;
        Vertical {
            width: 76; max-width: 96%; height: auto; max-height: 96%;
            border: round $primary; background: $surface; padding: 0 1;
        }
        OptionList, OptionList:focus {
            height: auto; max-height: 100%; border: none; background: $surface; padding: 0; margin-bottom: 1;
        }
        #hint { color: $text-muted; height: 1; dock: bottom; }
    }
    """

    def __init__(self, stages: tuple[StageView, ...]) -> None:
        super().__init__()
        self._stages = stages

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Stages"
            yield OptionList(*(Option(_stage_text(stage), id=str(stage.number)) for stage in self._stages))
            yield Static("↑↓ move · Enter or 1–6 open · Esc close", id="hint", markup=False)

    def on_mount(self) -> None:
        """Mark the first stage that is not done."""
        options = self.query_one(OptionList)
        options.highlighted = next((i for i, stage in enumerate(self._stages) if stage.state != "done"), 0)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(int(event.option.id or 1))

    def on_key(self, event: events.Key) -> None:
        """A digit opens its stage."""
        if event.character is not None and event.character in "123456":
            self.dismiss(int(event.character))

    def action_close(self) -> None:
        self.dismiss(None)


def _stage_text(stage: StageView) -> Content:
    head = f"{STAGE_GLYPHS[stage.state]} {stage.number} {stage.title} · {_WORDS[stage.state]}"
    detail = "".join(f"\n    {line}" for line in stage.detail.splitlines())
    return Content.assemble((head, "bold"), (detail, "$foreground-muted"))
