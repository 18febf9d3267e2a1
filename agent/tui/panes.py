"""Which pane of the workspace is open: chat, a stage's pane, the spec. Panes are made when they are first opened."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual.widgets import ContentSwitcher, TextArea

from agent.tui.frame_views import STAGES
from agent.tui.pane_choice import STAGE_OF_PANE, PaneName, make_pane, pane_of_stage, run_of_stage
from agent.tui.state import ProjectFacts
from agent.tui.viewmodels.frame import StageName
from agent.tui.widgets.frame import StageRail
from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.spec_pane import SpecPane

if TYPE_CHECKING:
    from agent.tui.screens.jump import Target
    from agent.tui.screens.workspace import Workspace

WIDE = 110
"""Columns from which the spec stands beside the chat."""


@runtime_checkable
class Reloading(Protocol):
    """A pane that reads when it is told to."""

    def reload(self) -> None:
        """Read again."""
        ...


class Panes:
    """The panes of one workspace."""

    def __init__(self, screen: "Workspace") -> None:
        self._screen = screen
        self.opened: PaneName = "chat"
        self.stage: StageName = "interview"
        self.is_chosen = False
        """Whether the person chose the open pane; what happens then opens no other."""
        self.is_spec_open = False
        """Whether the spec is looked at; on a narrow screen it then covers the body."""
        self.is_asking = False
        """Whether an approval is shown."""

    @property
    def _facts(self) -> ProjectFacts:
        return self._screen.desk.state.facts

    def arrange(self) -> None:
        """Show and hide the parts of the body. Set on the widgets themselves, as keys can only go to what is shown."""
        is_wide = self._screen.size.width >= WIDE
        self._screen.query_one(SpecPane).display = is_wide or self.is_spec_open
        self._screen.query_one("#left").display = is_wide or not self.is_spec_open
        self._screen.query_one(ContentSwitcher).display = is_wide or not self.is_asking
        self._screen.query_one(Prompt).display = not self.is_asking and self.opened != "play"

    def ask(self, is_asking: bool) -> None:
        """Make room for an approval, or take the room back."""
        if is_asking != self.is_asking:
            self.is_asking = is_asking
            if is_asking:
                self.is_spec_open = False
            self.arrange()
            if not is_asking:
                self.focus()

    def open(self, name: PaneName, *, by_itself: bool = False) -> None:
        """Show a pane in the body; one that opens by itself does not take the place of a chosen one."""
        if by_itself and (self.is_chosen or self.is_spec_open):
            return
        if not by_itself:
            # what is about to be hidden must not pass the keys on to a neighbour that is hidden, too
            self._screen.set_focus(None)
        elif not (self.is_asking or self._is_typing()):
            self._screen.query_one(Prompt).focus_input()
        self.is_chosen = not by_itself and name != "chat"
        self.opened = name
        if name != pane_of_stage(self.stage, self._facts):
            self.stage = STAGE_OF_PANE[name]
        self.is_spec_open = False
        self.arrange()
        switcher = self._screen.query_one(ContentSwitcher)
        if name == "chat":
            switcher.current = name
            if not by_itself:
                self.focus()
        else:
            self._show(switcher, name, takes_keys=not by_itself)
        self._screen.query_one(StageRail).open_stage(self.stage)

    def open_stage(self, stage: StageName) -> None:
        """Show what belongs to a stage."""
        self.stage = stage
        name = pane_of_stage(stage, self._facts)
        if name == "run":
            self.open_run(run_of_stage(stage, self._facts))
        else:
            self.open(name)
        if name != "chat":
            self.focus()

    def open_number(self, number: int) -> None:
        """Show the stage of that number, from 1."""
        self.open_stage(STAGES[number - 1][0])

    def open_run(self, run_id: str | None, *, by_itself: bool = False) -> None:
        """Show a run."""
        self.open("run", by_itself=by_itself)
        if self.opened == "run":
            self._follow(run_id)

    def open_spec(self, *, start: bool = False) -> None:
        """Show the spec; with `start` the keys go into its text."""
        self.is_spec_open = True
        self.arrange()
        spec = self._screen.query_one(SpecPane)
        if start:
            spec.start_editing()
        else:
            spec.focus()

    def open_target(self, target: "Target | None") -> None:
        """Go where a letter says."""
        match target:
            case None:
                return
            case "jobs":
                self._screen.tailor.commands.carry_out("jobs")
            case "spec":
                self.open_spec(start=True)
            case "chat" | "prompt":
                self.open("chat")
            case "run":
                self.open_run(None)
                self.focus()
            case "results" | "data" | "play":
                self.open(target)
                self.focus()

    def ask_models(self, prompt: str) -> None:
        """Write a prompt into the playground's field; Enter sends it."""
        from agent.tui.widgets.play_parts import PlayPrompt

        self._screen.call_after_refresh(lambda: self._screen.query_one(PlayPrompt).load_text(prompt))

    def next(self) -> None:
        """Go to the next pane: chat, spec, the stage that was open last."""
        if self.is_in_spec() or self.is_spec_open:
            self.is_spec_open = False
            self.arrange()
            stage = self._screen.desk.state.facts.running or self.opened != "chat"
            if stage and self.opened == "chat":
                self.open_run(None)
            if not self._screen.tailor.deciding.reopen():
                self.focus()
        elif self._screen.tailor.deciding.reopen():
            return
        elif self.opened != "chat":
            self.open("chat")
        else:
            self.open_spec()

    def step_back(self) -> bool:
        """Close the topmost thing of the workspace; return whether there was one."""
        if self.is_in_spec() or self.is_spec_open:
            self.is_spec_open = False
            self.arrange()
            self.focus()
            return True
        if self.opened != "chat":
            self.open("chat")
            return True
        return False

    def focus(self) -> None:
        """Give the keys to the open pane, once it is on the screen."""
        self._screen.call_after_refresh(self._focus_now)

    def _focus_now(self) -> None:
        if self.is_asking:
            self._screen.approval.focus()
            return
        if self.opened == "chat":
            self._screen.query_one(Prompt).focus_input()
            return
        for pane in self._screen.query(f"#{self.opened}"):
            # a field to type in comes first, where the pane has one
            entries = [pane, *pane.query(TextArea), *pane.query("*")]
            entry = next((node for node in entries if node.focusable), None)
            if entry is not None:
                entry.focus()

    def is_in_spec(self) -> bool:
        """Whether the spec has the keys."""
        focused = self._screen.focused
        return focused is not None and any(isinstance(node, SpecPane) for node in focused.ancestors_with_self)

    def _is_typing(self) -> bool:
        """Whether the keys go into a text of the person, which a pane that opens by itself must not take from it."""
        focused = self._screen.focused
        return focused is not None and any(isinstance(node, Prompt | SpecPane) for node in focused.ancestors_with_self)

    def _show(self, switcher: ContentSwitcher, name: PaneName, *, takes_keys: bool) -> None:
        if not self._screen.query(f"#{name}"):
            switcher.mount(make_pane(name, self._screen.desk.layout))
        switcher.current = name
        self._screen.call_after_refresh(self._shown, name, takes_keys)

    def _shown(self, name: PaneName, takes_keys: bool) -> None:
        """Let a pane that keeps no watch itself read again what it shows."""
        if name != self.opened:
            return
        pane = self._screen.query_one(f"#{name}")
        if isinstance(pane, Reloading):
            pane.reload()
        if takes_keys:
            self.focus()

    def _follow(self, run_id: str | None) -> None:
        from agent.tui.widgets.run_pane import RunPane

        state = self._screen.desk.state
        wanted = run_id or (state.facts.running[-1] if state.facts.running else None) or state.run
        self._screen.query_one(RunPane).follow(wanted)
