"""The pane of spec.yaml: how it stands, the editor, what is wrong with it, and a question when two edits meet.

The desk behind it reads, checks and saves; the pane draws what the desk found and tells it when something was typed.
"""

from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from agent.tui.messages import SpecStateChanged
from agent.tui.spec_buffer import LineProblem, SpecState
from agent.tui.spec_words import NO_SPEC, READING, facts_of, headline, kept_words, problem_line
from agent.tui.widgets.spec_body import SpecBody
from agent.tui.widgets.spec_conflict import SpecConflictBar

if TYPE_CHECKING:
    from agent.tui.widgets.spec_rounds import SpecRounds
    from specs.layout import ProjectLayout


class SpecProblems(Static, can_focus=True):
    """One problem and how many others there are, or a sentence on what happened."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._problems: tuple[LineProblem, ...] = ()
        self._index = 0

    def show(self, problems: tuple[LineProblem, ...], sentence: str, kept: str) -> None:
        """Show the problem chosen last, then the sentence and what is kept on disk meanwhile."""
        if problems != self._problems:
            self._problems, self._index = problems, 0
        lines = [problem_line(problems, self._index), f"{sentence} {kept}".strip()] if problems else [sentence]
        self.update(Content("\n".join(line for line in lines if line)))
        self.set_class(bool(problems), "-wrong")
        self.set_class(bool(problems or sentence), "-told")

    def step(self, by: int, from_line: int | None) -> int | None:
        """Choose another problem if the cursor is at the chosen one; return the line of the one chosen now."""
        if not self._problems:
            return None
        if self._problems[self._index].line == from_line:
            self._index = (self._index + by) % len(self._problems)
        return self._problems[self._index].line


class SpecPane(Vertical):
    """spec.yaml beside the conversation.

    Args:
        layout: the project.
        id: name of the widget.
    """

    DEFAULT_CSS = """
    SpecPane {
        height: 1fr;
        background: $surface;
        & .spec-head {
            height: 1; padding: 0 1; color: $text; background: $panel; text-wrap: nowrap; text-overflow: ellipsis;
        }
        & .spec-head.-invalid, & .spec-head.-conflict { color: $text-warning; text-style: bold; }
        & SpecProblems { display: none; height: auto; max-height: 6; padding: 0 1; background: $panel; }
        & SpecProblems.-told { display: block; }
        & SpecProblems.-wrong { color: $text-error; }
        & SpecProblems:focus { text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", show=False),
        Binding("f8,n", "step(1)", "Next problem", show=False),
        Binding("shift+f8,p", "step(-1)", "Previous problem", show=False),
    ]

    def __init__(self, layout: "ProjectLayout", id: str | None = None) -> None:
        super().__init__(id=id)
        self._layout = layout
        self._head = Static("Spec …", classes="spec-head", markup=False)
        self._body = SpecBody()
        self._problems = SpecProblems()
        self._bar = SpecConflictBar()
        self._rounds: SpecRounds | None = None
        self._told: tuple[SpecState, tuple[str, ...], str] | None = None

    def compose(self) -> ComposeResult:
        # held, not looked up: keys may leave the editor while the screen is being taken down
        yield self._head
        yield self._body
        yield self._problems
        yield self._bar

    def on_mount(self) -> None:
        self.call_after_refresh(self._start)

    def on_unmount(self) -> None:
        if self._rounds is not None:
            self._rounds.desk.save_at_once()

    @property
    def state(self) -> SpecState:
        """How the spec stands: nothing may be approved while it is `invalid` or in `conflict`."""
        return self._rounds.desk.buffer.state(self._body.text()) if self._rounds is not None else "none"

    def focus(self, scroll_visible: bool = True) -> "SpecPane":
        """Give the keys to the text."""
        editor = self._body.make_editor()
        if editor is not None:
            self.call_after_refresh(editor.focus, scroll_visible)
        return self

    def agent_edited(self, diff: str) -> None:
        """Read the file again: the agent made the change in `diff`."""
        if self._rounds is not None:
            self._rounds.run(self._rounds.desk.look("agent", diff, anyway=True))

    def agent_read(self) -> None:
        """Note that the agent was told of the person's edits."""
        if self._rounds is not None:
            self._rounds.desk.buffer.agent_read()
            self._redraw()

    def reload(self) -> None:
        """Read the file again, whoever changed it."""
        if self._rounds is not None:
            self._rounds.run(self._rounds.desk.look(anyway=True))

    def show_lines(self, first: int, last: int) -> None:
        """Scroll to lines, counted from 1, and highlight them; the keys go into the text."""
        editor = self._body.make_editor()
        if editor is not None:
            self.call_after_refresh(editor.show_lines, first, last)
            self.focus()

    def start_editing(self) -> None:
        """Give the keys to the text; where there is no spec, begin one to fill in."""
        if self._rounds is not None:
            self._rounds.run(self._rounds.begin(self.focus))

    def save_now(self) -> bool:
        """Save before anything else happens, or keep a draft; return whether the file now holds what is shown.

        It waits for the disk: call it when the app ends or another editor is about to open the file.
        """
        if self._rounds is None:
            return False
        is_saved = self._rounds.desk.save_at_once()
        self._redraw()
        return is_saved

    def action_save(self) -> None:
        """Save because the person asked, even if the file is gone."""
        if self._rounds is not None:
            self._rounds.run(self._rounds.save(is_wanted=True))

    def action_step(self, by: int) -> None:
        """Go to the question that waits, else to a problem, else to the next one."""
        if self.state == "conflict":
            self._bar.focus()
            return
        editor = self._body.make_editor()
        if editor is not None:
            line = self._problems.step(by, editor.cursor_location[0] + 1)
            if line is not None:
                editor.go_to(line)
            self._redraw()

    def _start(self) -> None:
        from agent.tui.spec_disk import SpecDisk
        from agent.tui.widgets.spec_rounds import SpecRounds

        self._rounds = SpecRounds(self, SpecDisk(self._layout), self._body, self._redraw)

    def _redraw(self) -> None:
        if self._rounds is None or not self.is_attached:
            return
        desk, text = self._rounds.desk, self._body.text()
        buffer = desk.buffer
        overlaps = buffer.overlaps(text)
        facts = facts_of(buffer, text, len(overlaps))
        self._head.update(Content(headline(facts, (self.size.width or 80) - 2)))
        self._head.set_classes(f"spec-head -{facts.state}")
        self._body.say(buffer.obstacle or (NO_SPEC if desk.is_open else READING))
        self._body.draw(buffer)
        sentence = (buffer.obstacle if buffer.is_begun else "") or desk.notice
        self._problems.show(buffer.problems, sentence, kept_words(buffer, text))
        self._bar.show(overlaps)
        problems = tuple(problem.sentence for problem in buffer.problems) or (
            (buffer.obstacle,) * bool(buffer.obstacle)
        )
        self._rounds.settle(facts.state)
        # the file's text too: another valid one may be another plan's
        if (told := (facts.state, problems, buffer.raw)) != self._told:
            self._told = told
            self.post_message(SpecStateChanged(facts.state, problems))

    @on(SpecBody.Typed)
    def _typed(self, event: SpecBody.Typed) -> None:
        event.stop()
        if self._rounds is not None:
            self._rounds.typed()
            self._redraw()

    @on(events.DescendantBlur)
    def _left(self) -> None:
        """Save, and count the marks as looked at, once the keys go elsewhere."""
        if self._rounds is not None and not self.has_focus_within:
            # nothing has the keys when the app ends or is left for another window: what is marked is still news
            if self.screen.focused is not None:
                self._rounds.desk.buffer.looked()
                self._redraw()
            self._rounds.run(self._rounds.save())

    @on(SpecConflictBar.Decided)
    def _decided(self, event: SpecConflictBar.Decided) -> None:
        event.stop()
        if self._rounds is not None:
            self._rounds.desk.decide(event.choice)
            if self.state != "conflict":
                self.focus()

    @on(SpecConflictBar.PutOff)
    def _put_off(self, event: SpecConflictBar.PutOff) -> None:
        event.stop()
        self.focus()
