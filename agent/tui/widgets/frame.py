"""The lines around the body: header, stage rail, status line. One row each, drawn from one view model."""

from textual import events
from textual.content import Content
from textual.widget import Widget

from agent.tui.messages import StageChosen
from agent.tui.viewmodels.frame import STAGE_GLYPHS, HeaderView, StageName, StageView, StatusView

_STAGE_STYLES = {
    "todo": "",
    "running": "bold $text-accent",
    "waiting": "bold $text-warning",
    "done": "$text-success",
    "failed": "bold $text-error",
}
_MODE_STYLES = {
    "YOU": "bold $text-success",
    "AGENT": "bold $text-accent",
    "RUN": "bold $text-accent",
    "ASK": "bold $text-warning",
    "OFF": "bold",
}
_SPEC_WORDS = {
    "none": "no spec",
    "saved": "saved",
    "unsaved": "unsaved",
    "invalid": "✗ spec invalid",
    "conflict": "! two edits of the spec",
}
_WIDE = 110
_LEAST_NAME = 8


class HeaderLine(Widget):
    """Project, conversation, machine, spec."""

    DEFAULT_CSS = "HeaderLine { height: 1; background: $panel; color: $text-muted; }"

    def __init__(self, view: HeaderView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view = view

    def show(self, view: HeaderView) -> None:
        """Draw another view."""
        if view != self._view:
            self._view = view
            self.refresh()

    def render(self) -> Content:
        view = self._view
        parts = [part for part in (view.machine, view.spec) if part]
        session = f"  {view.session}" if view.session != "main" else ""
        rest = f"{session} · {' · '.join(parts)}"
        line = Content.assemble(" ", ("tailor", "bold $text-accent"), " ", (view.project, "bold $foreground"), rest)
        return _cut(line, self.size.width)


class StageRail(Widget):
    """The six stages; a click opens one."""

    DEFAULT_CSS = "StageRail { height: 1; background: $surface; color: $text-muted; }"

    def __init__(self, stages: tuple[StageView, ...], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._stages = stages
        self._open: StageName | None = None

    def show(self, stages: tuple[StageView, ...]) -> None:
        """Draw the stages."""
        if stages != self._stages:
            self._stages = stages
            self.refresh()

    def open_stage(self, name: StageName) -> None:
        """Underline the stage that is open."""
        if name != self._open:
            self._open = name
            self.refresh()

    def render(self) -> Content:
        parts: list[Content] = [Content(" ")]
        for stage in self._stages:
            style = f"{_STAGE_STYLES[stage.state]} {'underline' if stage.name == self._open else ''}".strip()
            parts += [Content.styled(self._label(stage), style), Content(self._gap)]
        return _cut(Content("").join(parts), self.size.width)

    def on_click(self, event: events.Click) -> None:
        """Open the stage under the pointer."""
        position = 1
        for stage in self._stages:
            width = len(self._label(stage))
            if position <= event.x < position + width:
                self.post_message(StageChosen(stage.name))
                return
            position += width + len(self._gap)

    @property
    def _gap(self) -> str:
        return "    " if self.size.width >= _WIDE else "  "

    def _label(self, stage: StageView) -> str:
        short = self.size.width < 66
        return f"{STAGE_GLYPHS[stage.state]}{stage.number} {stage.title[:4] if short else stage.title}"


class StatusLine(Widget):
    """Whose move it is, the brain, money, jobs, the spec."""

    DEFAULT_CSS = "StatusLine { height: 1; background: $surface; color: $text-muted; }"

    def __init__(self, view: StatusView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view = view

    def show(self, view: StatusView) -> None:
        """Draw another view."""
        if view != self._view:
            self._view = view
            self.refresh()

    def render(self) -> Content:
        view = self._view
        waiting = (" ! 1 waiting (F2)", "bold $text-warning") if view.num_waiting else ""
        head = Content.assemble((f" {view.mode}", _MODE_STYLES[view.mode]), waiting)
        servers = " and a server" if view.num_serving == 1 else f" and {view.num_serving} servers"
        jobs = f"jobs {view.num_jobs}{servers if view.num_serving else ''}"
        rest = [view.rule, _money(view), jobs, _SPEC_WORDS[view.spec_state], view.activity]
        tail = Content("".join(f" · {part}" for part in rest if part))
        # the name of a model gives way before money and jobs do
        room = max(_LEAST_NAME, self.size.width - head.cell_length - tail.cell_length - 1)
        brain = _cut(Content(view.brain), room)
        line = Content(" ").join([head, brain + tail if view.brain else tail[3:]])
        return _cut(line, self.size.width)


def _money(view: StatusView) -> str:
    if view.spent_usd is None or view.budget_usd is None:
        return ""
    if not view.budget_usd:
        return f"${view.spent_usd:.2f}" if view.spent_usd else "$0"
    return f"${view.spent_usd:.2f} of ${view.budget_usd:.2f}"


def _cut(line: Content, width: int) -> Content:
    return line if line.cell_length <= width or width <= 0 else line.truncate(width, ellipsis=True)
