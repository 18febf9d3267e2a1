import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, Static

from agent.tui.messages import ApprovalGiven, ApprovalPutOff, SpecEditWanted
from agent.tui.typing_guard import TypingGuard
from agent.tui.viewmodels.approval import ApprovalView, CardView
from agent.tui.widgets.approval import ApprovalPanel

SIZES = ((80, 24), (140, 40), (60, 20))
SHORT_AND_WIDE = (120, 20)
LONG_DIFF = "\n".join(
    ["--- spec.yaml (before)", "+++ spec.yaml (now)", *(f"+  line_{number}: {number}" for number in range(200))]
)
HOSTILE = (
    "[",
    "[/x]",
    "[=1]",
    "[bold]x",
    "\x1b[31mred\x1b[2J",
    "a\u202eb",
    "zero\u200bwidth",
    "漢字漢字",
    "🙂🙂",
    "x" * 100_000,
)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def a_card(step: str = "train", **changes: Any) -> CardView:
    card = CardView(
        step=step,
        title=f"Step 3 of 5 · {step.capitalize()} Seedling on 800 rows",
        risk="low, reversible",
        cost="$0 · about 24 min (18 min to 36 min), stops itself at 1 h",
        why="2,000 rows, 2 passes: 500 steps at 2.9 s each, measured with 8 steps",
        reads="data/train.jsonl (4ac7e95ef2d2)",
        writes="runs/r7 (1.1 GB)",
        undo="Delete runs/r7.",
        digest="sha256:" + "3b" * 32,
        values=(("epochs", "2", "Set in the spec."),),
    )
    return replace(card, **changes)


def a_view(**changes: Any) -> ApprovalView:
    view = ApprovalView(
        request_id="request-1",
        queue="",
        card=a_card(),
        along=(),
        rest=(),
        diff="--- a\n+++ b\n@@ -1,2 +1,2 @@\n-  epochs: 3\n+  epochs: 2\n+  max_cost_usd: 12",
        is_first=False,
        reasons=(),
        ceiling="at most 1 h and $0",
    )
    return replace(view, **changes)


def a_paid_view(**changes: Any) -> ApprovalView:
    card = a_card(risk="spends money", cost="at most $11.40 of a budget of $15.00 · about 24 min (18 min to 36 min)")
    return a_view(card=card, confirm_once="12", **changes)


class Board(Screen[None]):
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-narrow"), (110, "-wide")]

    def compose(self) -> ComposeResult:
        yield Static("header\nrail", id="head", markup=False)
        with Vertical(id="left"):
            yield Static("chat", id="chat", markup=False)
            yield ApprovalPanel(self.app.guard, settle_s=self.app.settle_s)  # type: ignore[attr-defined]
        yield Input(id="prompt")
        yield Static("status\nkeys", markup=False)


class Harness(App[None]):
    CSS = """
    #chat { height: 1fr; } #left { width: 1fr; } #prompt { height: 3; }
    Screen.-narrow #chat, Screen.-narrow #prompt { display: none; }
    """

    def __init__(self, *, settle_s: float = 0.0) -> None:
        super().__init__()
        self.clock = Clock()
        self.guard = TypingGuard(self.clock)
        self.settle_s = settle_s
        self.told: list[Message] = []

    def get_default_screen(self) -> Screen[None]:
        return Board()

    @property
    def panel(self) -> ApprovalPanel:
        return self.screen.query_one(ApprovalPanel)

    def on_approval_given(self, event: ApprovalGiven) -> None:
        self.told.append(event)

    def on_approval_put_off(self, event: ApprovalPutOff) -> None:
        self.told.append(event)

    def on_spec_edit_wanted(self, event: SpecEditWanted) -> None:
        self.told.append(event)

    async def opened(self, pilot: Pilot[None], view: ApprovalView, *, read: bool = True) -> None:
        """Show a view, wait out the dead time and read it to the end."""
        self.panel.show(view)
        await pilot.pause()
        self.clock.now += 1
        if read:
            await pilot.press("end")
            await pilot.pause()


@pytest.fixture
def app() -> Harness:
    return Harness()


def test_approval_is_given_once_when_y_is_pressed(app: Harness, drive: Callable[..., None]) -> None:
    along = a_card("prepare_data")

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view(along=(along,), rest=(a_card("evaluate"),)))
        await pilot.press("y")
        await pilot.pause()
        assert not app.panel.display
        assert app.panel.view is None

    drive(app, script)
    [given] = app.told
    assert isinstance(given, ApprovalGiven)
    assert (given.request_id, given.decision, given.steps) == ("request-1", "approve", ("prepare_data", "train"))
    assert given.keys == "y"


def test_approval_covers_the_rest_when_a_is_pressed(app: Harness, drive: Callable[..., None]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view(rest=(a_card("evaluate"), a_card("deploy"))))
        await pilot.press("a")

    drive(app, script)
    [given] = app.told
    assert isinstance(given, ApprovalGiven)
    assert (given.decision, given.steps, given.keys) == ("approve", ("train", "evaluate", "deploy"), "a")


@pytest.mark.parametrize("size", [*SIZES, SHORT_AND_WIDE])
def test_approval_has_all_options_visible_when_the_diff_has_200_lines(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str], size: tuple[int, int]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view(diff=LONG_DIFF, rest=(a_card("evaluate"),)), read=False)
        shown.append(screen_text(app))
        await pilot.press("end")
        await pilot.pause()
        await pilot.press("y")

    drive(app, script, size)
    assert len(app.told) == 1
    text = " ".join(shown[0].replace("│", " ").split())
    for wanted in (
        "y Approve this step once",
        "a Approve this and the 1 after it, up to 1 h and $0",
        "e Edit the spec first",
        "n Deny, and tell the agent why…",
        "Step 3 of 5",
        "status",
    ):
        assert wanted in text
    assert "↑↓ move · Enter choose · d full screen · Esc decide later (the agent waits)" in text


def test_approval_decides_nothing_when_40_random_keys_come_at_once(app: Harness, drive: Callable[..., None]) -> None:
    chance = random.Random(20)
    keys = [*"yaned", "enter", "escape", "down", "up", "space", "1", "2"]

    async def script(pilot: Pilot[None]) -> None:
        for view in (a_view(), a_paid_view(), a_view(rest=(a_card("evaluate"),))):
            await app.opened(pilot, view)
            app.panel.hide()
            app.panel.show(view)
            app.clock.now += 0.4
            for key in chance.choices(keys, k=40):
                app.post_message(events.Key(key, " " if key == "space" else key if len(key) == 1 else None))
            await pilot.pause()
            assert app.panel.display
            assert app.panel.view == view

    drive(app, script)
    assert app.told == []


def test_approval_stays_undecided_when_a_key_is_held_down_past_the_dead_time(
    app: Harness, drive: Callable[..., None]
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        app.panel.show(a_view())
        await pilot.pause()
        for _ in range(20):
            app.clock.now += 0.045
            await pilot.press("y")

    drive(app, script)
    assert app.clock.now == pytest.approx(100.9)
    assert app.told == []


def test_approval_does_not_open_when_the_person_is_typing() -> None:
    clock = Clock()
    guard = TypingGuard(clock)
    guard.asked()
    for _ in range(40):
        clock.now += 0.2
        guard.typed()
        assert not guard.may_open()
    assert guard.wait_s == 1.5
    clock.now += 1.5
    assert guard.may_open()


def test_approval_opens_after_30_seconds_when_the_typing_never_ends() -> None:
    clock = Clock()
    guard = TypingGuard(clock)
    guard.asked()
    for _ in range(29):
        clock.now += 1
        guard.typed()
        guard.asked()
        assert not guard.may_open()
    clock.now += 1
    guard.typed()
    assert guard.may_open()
    guard.opened()
    assert not guard.may_open()
    assert not guard.may_decide()
    clock.now += 0.5
    assert guard.may_decide()


def test_approval_waits_for_a_pause_when_an_earlier_request_was_taken_back() -> None:
    clock = Clock()
    guard = TypingGuard(clock)
    guard.asked()
    clock.now += 100
    guard.typed()
    guard.asked()
    assert not guard.may_open()
    assert guard.wait_s == 1.5


def test_approval_decides_nothing_when_a_text_is_pasted(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        for view in (a_view(), a_paid_view()):
            await app.opened(pilot, view)
            app.post_message(events.Paste("y\n12\n"))
            await pilot.pause()
            shown.append(screen_text(app))

    drive(app, script)
    assert app.told == []
    assert "A pasted text decides nothing" in shown[0]


def test_approval_decides_nothing_when_keys_come_faster_than_anybody_types(drive: Callable[..., None]) -> None:
    app = Harness(settle_s=0.15)

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view())
        await pilot.press(*"yes please")
        await pilot.pause(0.2)
        assert app.told == []
        app.clock.now += 1
        await pilot.press("y")
        await pilot.pause(0.2)

    drive(app, script)
    assert len(app.told) == 1


def test_approval_needs_the_amount_when_the_step_is_paid(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_paid_view())
        await pilot.press("y")
        await pilot.pause()
        app.clock.now += 1
        shown.append(screen_text(app))
        await pilot.press("1", "1", "enter")
        await pilot.pause()
        shown.append(screen_text(app))
        assert app.told == []
        await pilot.press("backspace", "2", "enter")

    drive(app, script)
    assert "Type 12 to approve spending up to $12" in shown[0]
    assert "That is not 12. Nothing was approved" in shown[1]
    [given] = app.told
    assert isinstance(given, ApprovalGiven)
    assert (given.decision, given.steps, given.keys) == ("approve", ("train",), "y, typed 12")


def test_approval_is_not_given_when_the_amount_is_pasted(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_paid_view())
        await pilot.press("y")
        app.clock.now += 1
        app.post_message(events.Paste("12"))
        await pilot.pause()
        app.copy_to_clipboard("12")
        await pilot.press("ctrl+v")
        await pilot.pause()
        shown.append(screen_text(app))
        await pilot.press("enter")

    drive(app, script)
    assert "A pasted text does not count here" in shown[0]
    assert app.told == []


def test_approval_goes_back_to_the_answers_when_esc_leaves_the_field(app: Harness, drive: Callable[..., None]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_paid_view())
        await pilot.press("y", "1")
        app.clock.now += 1
        await pilot.press("escape")
        await pilot.pause()
        assert app.panel.display
        assert app.told == []
        await pilot.press("escape")

    drive(app, script)
    assert [type(message) for message in app.told] == [ApprovalPutOff]


def test_approval_of_all_needs_the_sum_when_later_steps_are_paid(app: Harness, drive: Callable[..., None]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_paid_view(rest=(a_card("evaluate", risk="spends money"),), confirm_all="20"))
        await pilot.press("a")
        app.clock.now += 1
        await pilot.press("1", "2", "enter")
        assert app.told == []
        await pilot.press("backspace", "backspace", "2", "0", "enter")

    drive(app, script)
    [given] = app.told
    assert isinstance(given, ApprovalGiven)
    assert given.steps == ("train", "evaluate")


def test_approval_asks_for_the_name_when_the_step_cannot_be_undone(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view(card=a_card(risk="cannot be undone"), confirm_once="intents"))
        await pilot.press("y")
        app.clock.now += 1
        await pilot.pause()
        shown.append(screen_text(app))
        await pilot.press(*"intents", "enter")

    drive(app, script)
    assert "This cannot be undone. Type intents to approve it" in shown[0]
    assert len(app.told) == 1


@pytest.mark.parametrize("reason", ["", "use 1 epoch"])
def test_denial_sends_the_reason_when_enter_is_pressed(app: Harness, drive: Callable[..., None], reason: str) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_paid_view(), read=False)
        await pilot.press("n")
        app.clock.now += 1
        if reason:
            await pilot.press(*reason)
        await pilot.press("enter")

    drive(app, script)
    [given] = app.told
    assert isinstance(given, ApprovalGiven)
    assert (given.decision, given.reason, given.steps) == ("deny", reason, ())


def test_denial_is_not_sent_when_enter_comes_with_the_key_that_opened_the_field(
    app: Harness, drive: Callable[..., None]
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view())
        await pilot.press("n", "enter", "enter")

    drive(app, script)
    assert app.told == []


def test_denial_keeps_its_text_when_the_focus_wanders_or_the_panel_is_folded(
    app: Harness, drive: Callable[..., None]
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view())
        await pilot.press("n", *"too slow")
        app.screen.query_one("#prompt").focus()
        await pilot.pause()
        app.panel.fold()
        app.panel.show(a_view())
        await pilot.pause()
        app.clock.now += 1
        await pilot.press("enter")

    drive(app, script, (140, 40))
    [given] = app.told
    assert isinstance(given, ApprovalGiven)
    assert given.reason == "too slow"


def test_approval_is_neither_given_nor_denied_when_esc_is_pressed(app: Harness, drive: Callable[..., None]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view())
        await pilot.press("escape")
        assert not app.panel.display
        assert app.panel.view == a_view()

    drive(app, script)
    assert [type(message) for message in app.told] == [ApprovalPutOff]


def test_approval_opens_the_spec_when_e_is_pressed(app: Harness, drive: Callable[..., None]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view(), read=False)
        await pilot.press("e")

    drive(app, script)
    assert [type(message) for message in app.told] == [SpecEditWanted]


def test_approval_is_refused_when_the_end_was_not_seen(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view(diff=LONG_DIFF), read=False)
        shown.append(screen_text(app))
        await pilot.press("y")
        await pilot.pause()
        shown.append(screen_text(app))
        assert app.told == []
        for _ in range(5):
            await pilot.press("pagedown")
        await pilot.press("y")
        assert app.told == []
        await pilot.press("end", "home")
        await pilot.pause()
        await pilot.press("y")

    drive(app, script)
    assert "more lines · PgDn" in shown[0]
    assert "Not read to the end of this step yet" in shown[1]
    assert len(app.told) == 1


def test_approval_is_refused_when_the_window_is_too_small_to_show_it(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view())
        await pilot.press("y")
        await pilot.pause()
        shown.append(screen_text(app))

    drive(app, script, (80, 11))
    assert app.told == []
    assert "n  Deny" in shown[0]


def test_approval_of_all_is_refused_when_only_the_step_was_read(app: Harness, drive: Callable[..., None]) -> None:
    rest = tuple(a_card(f"evaluate-{number}") for number in range(9))

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view(rest=rest), read=False)
        await pilot.press("a")
        assert app.told == []
        await pilot.press("pagedown")
        await pilot.pause()
        await pilot.press("a")
        assert app.told == []
        await pilot.press("y")

    drive(app, script)
    [given] = app.told
    assert isinstance(given, ApprovalGiven)
    assert given.steps == ("train",)


def test_approval_says_why_when_it_is_blocked(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        blocked = "The spec has 2 problems. Mend it (F2) first."
        await app.opened(pilot, a_view(rest=(a_card("evaluate"),)))
        app.panel.show(a_view(rest=(a_card("evaluate"),), blocked=blocked))
        await pilot.pause()
        await pilot.press("y", "a")
        shown.append(screen_text(app))
        assert app.told == []
        app.panel.show(a_view(rest=(a_card("evaluate"),)))
        await pilot.press("y")

    drive(app, script)
    assert "The spec has 2 problems. Mend it (F2) first." in shown[0]
    assert len(app.told) == 1


def test_approval_is_not_given_when_it_gets_blocked_while_the_amount_is_typed(
    app: Harness, drive: Callable[..., None]
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_paid_view())
        await pilot.press("y", "1", "2")
        app.panel.show(a_paid_view(blocked="Only planning is on."))
        app.clock.now += 1
        await pilot.press("enter")

    drive(app, script)
    assert app.told == []


def test_approval_is_not_given_when_the_request_changes_right_after_the_key(drive: Callable[..., None]) -> None:
    app = Harness(settle_s=0.15)

    async def script(pilot: Pilot[None]) -> None:
        for after in (a_view(blocked="Only planning is on."), a_view(request_id="request-2")):
            await app.opened(pilot, a_view())
            await pilot.press("y")
            app.panel.show(after)
            await pilot.pause(0.2)

    drive(app, script)
    assert app.told == []


def test_approval_offers_no_a_when_the_request_has_one_step(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view())
        shown.append(screen_text(app))
        await pilot.press("a")

    drive(app, script)
    assert "a  Approve" not in shown[0]
    assert "n  Deny" in shown[0]
    assert app.told == []


def test_approval_starts_anew_when_the_digest_changed(app: Harness, drive: Callable[..., None]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view(diff=LONG_DIFF))
        await pilot.press("down")
        changed = a_view(diff=LONG_DIFF, card=a_card(digest="sha256:" + "4c" * 32))
        app.panel.show(changed)
        await pilot.press("y", "enter")
        await pilot.pause()
        app.clock.now += 1
        await pilot.press("y", "enter")
        await pilot.pause()

    drive(app, script)
    assert app.told == []


def test_enter_decides_nothing_when_no_answer_was_moved_to(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view())
        shown.append(screen_text(app))
        await pilot.press("enter")
        assert app.told == []
        await pilot.press("down")
        await pilot.pause()
        shown.append(screen_text(app))
        await pilot.press("enter")

    drive(app, script)
    assert "›" not in shown[0]
    assert "› y  Approve this step once" in shown[1]
    [given] = app.told
    assert isinstance(given, ApprovalGiven)
    assert given.keys == "Enter on y"


def test_keys_that_decide_stay_the_same_when_the_keymap_says_otherwise(
    app: Harness, drive: Callable[..., None]
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        app.set_keymap({"approval.once": "n", "approval.deny": "y", "approval.full": "f"})
        await app.opened(pilot, a_view())
        await pilot.press("y")

    drive(app, script)
    [given] = app.told
    assert isinstance(given, ApprovalGiven)
    assert given.decision == "approve"


def test_arrows_skip_the_answer_that_is_not_offered(app: Harness, drive: Callable[..., None]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view())
        await pilot.press("down", "down", "enter")

    drive(app, script)
    assert [type(message) for message in app.told] == [SpecEditWanted]


def test_click_decides_nothing_when_it_only_brings_the_terminal_to_the_front(
    app: Harness, drive: Callable[..., None]
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view())
        await pilot.click("AnswerList > OptionRow", offset=(60, 0))
        assert len(app.told) == 1
        app.told.clear()
        await app.opened(pilot, a_view())
        app.post_message(events.AppBlur())
        await pilot.pause()
        app.post_message(events.AppFocus())
        await pilot.pause()
        await pilot.click("AnswerList > OptionRow")
        await pilot.press("y")
        assert app.told == []
        await pilot.click("ApprovalBody")
        app.clock.now += 1
        await pilot.click("ApprovalBody")

    drive(app, script)
    assert app.told == []


def test_approval_shows_text_of_others_raw_when_it_is_hostile(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        for text in HOSTILE:
            texts = {"title": text, "cost": text, "why": text, "reads": text, "writes": text, "undo": text}
            card = a_card(**texts, values=((text, text, text),))
            view = a_view(card=card, diff=f"--- a\n+++ b\n+{text}", reasons=(text,), blocked=text[:40])
            await app.opened(pilot, view, read=False)
            shown.append(screen_text(app))

    drive(app, script)
    for text, screen in zip(HOSTILE, shown, strict=True):
        assert "n  Deny" in screen
        assert not set(screen) & set("\x1b\u202e\u200b")
        start = text if text.isprintable() else text.encode("unicode_escape").decode()
        assert start[:20] in screen.replace("漢 ", "漢").replace("🙂 ", "🙂")


def test_a_long_line_cannot_pass_for_another_row_when_it_wraps(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view(diff="--- a\n+++ b\n+  note: " + "x " * 40 + "-  epochs: 3"))
        shown.append(screen_text(app))

    drive(app, script)
    assert any("↳" in line and "-  epochs: 3" in line for line in shown[0].splitlines())


def test_full_screen_keeps_the_answers_when_d_is_pressed(
    app: Harness, drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view(diff=LONG_DIFF))
        await pilot.press("d")
        await pilot.pause()
        assert app.panel.size.height > 35
        shown.append(screen_text(app))
        await pilot.press("escape")
        await pilot.pause()
        assert app.panel.display
        shown.append(screen_text(app))
        await pilot.press("d", "y")
        await pilot.pause()
        assert app.screen.maximized is None

    drive(app, script, (140, 40))
    assert "chat" not in shown[0]
    assert "n  Deny" in shown[0]
    assert "chat" in shown[1]
    assert len(app.told) == 1


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("what", ["free", "paid", "deny"])
def test_approval_looks_right_at_every_size(
    app: Harness,
    drive: Callable[..., None],
    screen_text: Callable[[App[Any]], str],
    screen_snapshot: Any,
    what: str,
    size: tuple[int, int],
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        rest = (a_card("evaluate"), a_card("deploy"))
        if what == "free":
            await app.opened(pilot, a_view(queue="1 of 3", rest=rest), read=False)
        elif what == "paid":
            await app.opened(pilot, a_paid_view(rest=rest, confirm_all="20"))
            await pilot.press("home", "y", "1")
        else:
            await app.opened(pilot, a_view(is_first=True, diff=""))
            await pilot.press("home", "n", *"use 1 epoch")
        await pilot.pause()
        assert screen_text(app) == screen_snapshot(name=f"approval-{what}-{size[0]}x{size[1]}")

    drive(app, script, size)


def test_approval_takes_no_letter_of_words_that_somebody_writes(
    drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    app = Harness(settle_s=0.02)

    async def script(pilot: Pilot[None]) -> None:
        await app.opened(pilot, a_view())
        await pilot.press(*"results")
        await asyncio.sleep(0.1)
        assert app.told == []
        assert app.panel.display
        assert "press Esc first" in screen_text(app)
        app.clock.now += 1
        await pilot.press("e")
        await asyncio.sleep(0.1)
        assert [type(message) for message in app.told] == [SpecEditWanted]

    drive(app, script)
