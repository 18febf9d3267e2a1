"""The playground: one prompt to two models, both answers as they come, and votes on which is better."""

import random
from typing import ClassVar

from textual import events
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from agent.tui.play_source import Better, Exchange, PlaygroundSource
from agent.tui.play_state import LETTERS, Letter, PlayState
from agent.tui.viewmodels.play import ServedView
from agent.tui.viewmodels.results import Absent
from agent.tui.widgets.play_parts import AnswerSide, PlayPrompt, SettingField, VoteRow
from specs.layout import ProjectLayout
from tools.escape import one_line, visible

_DRAWS_PER_S = 15
_LONG_KEYS_FROM = 76
_HINT = "Enter send · ^J new line · Esc stop · Tab, then 1 2 0 b t ="


class PlayPane(Vertical):
    """The playground of a project. Call `reload` when it is shown.

    Args:
        layout: the project.
        source: who answers; left out = the project's servers.
        rng: shuffles the sides of blind comparisons.
        id: of the widget.
    """

    DEFAULT_CSS = """
    PlayPane { height: 1fr; }
    PlayPane > #play-message { display: none; padding: 1; }
    PlayPane > #play-asked {
        height: 1; padding: 0 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis;
    }
    PlayPane > #play-sides { height: 1fr; layout: vertical; }
    PlayPane.-wide > #play-sides { layout: horizontal; }
    PlayPane > #play-status { height: auto; max-height: 3; padding: 0 1; }
    PlayPane > #play-keys { height: 1; padding: 0 1; color: $text-muted; }
    PlayPane.-empty > * { display: none; }
    PlayPane.-empty > #play-message { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "vote(1)", "A is better", show=False, id="play.better_a"),
        Binding("2", "vote(2)", "B is better", show=False, id="play.better_b"),
        Binding("0", "vote(0)", "Tie", show=False, id="play.tie"),
        Binding("b", "blind", "Blind", show=False, id="play.blind"),
        Binding("t", "settings", "Temperature and seed", show=False, id="play.settings"),
        Binding("equals_sign", "same", "Same settings", key_display="=", show=False, id="play.same"),
        Binding("m", "next_model", "Next model", show=False, id="play.next_model"),
        Binding("r", "look_again", "Look again", show=False, id="play.look_again"),
        Binding("tab", "next_part", "Votes, then each side", show=False, id="play.next_part"),
        Binding("escape", "stop", "Stop the answers", show=False, id="play.stop"),
    ]

    class _Served(Message):
        def __init__(self, served: ServedView | Absent) -> None:
            self.served = served
            super().__init__()

    class _Over(Message):
        def __init__(self, exchange: Exchange) -> None:
            self.exchange = exchange
            super().__init__()

    def __init__(
        self,
        layout: ProjectLayout,
        *,
        source: PlaygroundSource | None = None,
        rng: random.Random | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._source = source or PlaygroundSource(layout)
        self._state = PlayState(rng or random.SystemRandom())
        self._pulse: Timer | None = None

    def compose(self) -> ComposeResult:
        """Make the parts."""
        yield Static("Looking for a server…", markup=False, id="play-message")
        yield Static("", markup=False, id="play-asked")
        with Container(id="play-sides"):
            yield AnswerSide("A")
            yield AnswerSide("B")
        yield VoteRow()
        yield SettingField()
        yield PlayPrompt()
        yield Static("", markup=False, id="play-status")
        yield Static(_HINT, markup=False, id="play-keys")

    def on_mount(self) -> None:
        """Show nothing yet; draw only while answers come."""
        self.add_class("-empty")
        self.can_focus = True
        self._pulse = self.set_interval(1 / _DRAWS_PER_S, self._draw, pause=True)

    def on_unmount(self) -> None:
        """End the requests."""
        if self._state.exchange is not None:
            self._state.exchange.stop.set()

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the new width."""
        self._draw()

    def reload(self) -> None:
        """Look for the server again, in a thread."""
        self.run_worker(
            lambda: self.post_message(self._Served(self._source.served())), thread=True, exclusive=True, group="served"
        )

    action_look_again = reload

    def action_next_part(self) -> None:
        """Go from the field to the votes, then to each side, and back; Tab never leaves the playground."""
        parts = [self.query_one(PlayPrompt), self.query_one(VoteRow), *self.query(VerticalScroll)]
        parts = [part for part in parts if part.region.area]
        if not parts:
            raise SkipAction
        now = next((place for place, part in enumerate(parts) if part.has_focus), -1)
        parts[(now + 1) % len(parts)].focus()

    def action_stop(self) -> None:
        """Stop the answers; the text so far stays."""
        if not self._state.is_asking or self._state.exchange is None:
            raise SkipAction
        self._state.exchange.stop.set()

    def action_vote(self, better: Better) -> None:
        """Save which answer is better."""
        exchange = self._state.exchange
        if exchange is None or not self._state.can_vote:
            self._tell("Vote once both answers are whole.", is_problem=True)
            return
        self.query_one(VoteRow).save(self._source, exchange, better)

    def action_blind(self) -> None:
        """Hide the names until the vote, or show them."""
        self._state.toggle_blind()
        self._draw()

    def action_same(self) -> None:
        """Give both sides the settings of the side in focus, or of A."""
        setting = self._state.same(_side_in_focus(self) or "A")
        self._tell(f"Both sides: {setting.words}, from the next prompt on.")
        self._draw()

    def action_next_model(self) -> None:
        """Put another served model on side B."""
        if not self._state.is_asking:
            self._state.next_model()
            self.query_one(VoteRow).count(self._source, self._state.pair)
            self._draw()

    def action_settings(self) -> None:
        """Open the field for temperature and seed."""
        letter = None if self._state.is_hidden else _side_in_focus(self)
        model = self._state.model_of(letter or "A") or self._state.pair[0]
        self._tell("Temperature from 0 to 2, then a seed. Enter sets them, Esc leaves them.")
        self.query_one(SettingField).open(letter, self._state.setting(model))

    def on_setting_field_chosen(self, event: SettingField.Chosen) -> None:
        """Take temperature and seed."""
        event.stop()
        self._tell(event.problem, is_problem=True)
        if event.problem:
            return
        self.query_one(VoteRow).focus()
        if event.setting is not None:
            self._state.change(event.setting, event.letter)
            side = f"Side {event.letter}" if event.letter else "Both sides"
            self._tell(f"{side}: {event.setting.words}, from the next prompt on.")
        self._draw()

    def on_play_prompt_sent(self, event: PlayPrompt.Sent) -> None:
        """Ask."""
        event.stop()
        if self._state.is_asking:
            self._tell("The answers are still coming; Esc stops them.", is_problem=True)
            return
        self.query_one(PlayPrompt).clear()
        self._tell("")
        exchange = self._state.start(event.text)

        def in_thread() -> None:
            self._source.ask(exchange)
            self.post_message(self._Over(exchange))

        self.run_worker(in_thread, thread=True, exclusive=True, group="ask")
        if self._pulse is not None:
            self._pulse.resume()
        self._draw()

    def on_play_pane__served(self, event: _Served) -> None:
        """Show who can be asked, or why nobody can."""
        event.stop()
        served = event.served
        if isinstance(served, ServedView):
            self._state.serve(served.models)
            self.remove_class("-empty")
            if self.has_focus:
                self.query_one(PlayPrompt).focus()
            self.can_focus = False
            self.query_one(VoteRow).count(self._source, self._state.pair)
            self._draw()
        elif self._state.exchange is None:
            self.add_class("-empty")
            # with nothing else in it, the pane itself takes the key that looks again
            self.can_focus = True
            text = Content.assemble((served.message, "bold"), "\n", served.hint, "\nr looks again.")
            self.query_one("#play-message", Static).update(text)
        else:
            self._tell(f"{served.message} {served.hint}", is_problem=True)

    def on_play_pane__over(self, event: _Over) -> None:
        """Show the end of an exchange."""
        event.stop()
        exchange = event.exchange
        if self._pulse is not None:
            self._pulse.pause()
        if exchange.problem is not None:
            self._tell(" ".join(exchange.problem), is_problem=True)
        prompt = self.query_one(PlayPrompt)
        if not exchange.is_answered and not prompt.text:
            # what was not answered can be sent again
            prompt.insert(exchange.prompt)
        self._draw()

    def on_vote_row_saved(self, event: VoteRow.Saved) -> None:
        """Show the vote, and the names where they were hidden."""
        event.stop()
        if event.problem:
            self._tell(event.problem, is_problem=True)
            return
        event.exchange.better = event.better
        self._tell("Your vote is saved; 1, 2 or 0 changes it.")
        self.query_one(VoteRow).count(self._source, self._state.pair)
        self._draw()

    def _tell(self, text: str, *, is_problem: bool = False) -> None:
        line = Content.styled(f"✗ {visible(text, 1_000)}", "$text-error") if is_problem else Content(text)
        self.query_one("#play-status", Static).update(line if text else Content(""))

    def _draw(self) -> None:
        if not self._state.models:
            return
        state, is_wide = self._state, self.screen.has_class("-wide")
        self.set_class(is_wide, "-wide")
        asked = state.exchange.prompt if state.exchange is not None else ""
        self.query_one("#play-asked", Static).update(Content(f"› {one_line(asked, 300)}" if asked else ""))
        views = state.sides()
        for letter in LETTERS:
            side = self.query_one(f"#side-{letter.lower()}", AnswerSide)
            index = LETTERS.index(letter)
            side.display = index < len(views)
            if side.display:
                side.draw(views[index], is_wide=is_wide)
        self.query_one(VoteRow).tell(_keys(state, self.size.width))


def _keys(state: PlayState, width: int) -> str:
    blind = "on" if state.is_blind else "off"
    more = " · m next model" if len(state.models) > 2 else ""
    settings = "t = settings" if width < _LONG_KEYS_FROM else "t temperature · = same"
    return f"1 A better · 2 B better · 0 tie · b blind {blind} · {settings}{more}"


def _side_in_focus(pane: PlayPane) -> Letter | None:
    sides = [side for side in pane.query(AnswerSide) if side.has_pseudo_class("focus-within")]
    return sides[0].letter if sides else None
