import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cards import plan_cards
from agent.events import ApprovalRequested
from agent.tui.app import TailorApp
from agent.tui.settings import InterfaceSettings
from agent.tui.state import ApprovalMode, ProjectFacts
from agent.tui.widgets.approval import ApprovalPanel
from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.spec_pane import SpecPane
from tests.fakes.granted_project import a_plan, a_step
from tools.errors import ToolError

FREE = {
    "seconds": 1440,
    "seconds_low": 1080,
    "seconds_high": 2160,
    "memory_bytes": 0,
    "disk_bytes": 1_100_000_000,
    "cost_usd": 0,
    "num_tokens": 0,
    "basis": "8 steps were measured.",
}


def a_request(request_id: str = "r1", cost_usd: float = 0) -> ApprovalRequested:
    plan = a_plan(a_step("train", estimate=FREE | {"cost_usd": cost_usd}), max_usd=20)
    return ApprovalRequested(request_id=request_id, plan=plan, steps=plan_cards(plan, None))


@pytest.fixture
def app(project_dir: Path, monkeypatch: pytest.MonkeyPatch) -> TailorApp:
    """Return an app without an engine, whose grants are noted in `granted`."""
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.0)
    monkeypatch.setattr("agent.tui.typing_guard.DEAD_S", 0.0)
    monkeypatch.setattr(TailorApp, "_open", lambda _app: None)
    return TailorApp(project_dir, settings=InterfaceSettings())


@pytest.fixture
def granted(app: TailorApp, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    grants: list[tuple[str, str]] = []
    monkeypatch.setattr(
        app.desk, "approve", lambda request, steps, keys, max_usd=None: grants.append((request.request_id, keys))
    )
    return grants


def ask(app: TailorApp, request: ApprovalRequested | None) -> None:
    app.desk.change(engine="ready", request=request, is_put_off=False)


async def until(condition: Callable[[], object]) -> None:
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


def panel(app: TailorApp) -> ApprovalPanel:
    return app.workspace.approval


async def asked(app: TailorApp, pilot: Any, request: ApprovalRequested) -> None:
    await until(lambda: app.workspace.query("#approval"))
    ask(app, request)
    await until(lambda: panel(app).display)
    await pilot.press("end")


async def settled(app: TailorApp, pilot: Any) -> None:
    await asyncio.sleep(0.15)
    await app.workers.wait_for_complete()
    await pilot.pause()


def test_free_step_starts_by_itself_when_the_mode_was_chosen_before_it_was_asked_for(app, granted, drive):
    async def script(pilot):
        await until(lambda: app.workspace.query("#approval"))
        app.commands.carry_out("mode", "paid")
        ask(app, a_request())
        await settled(app, pilot)
        assert granted == [("r1", "mode: paid only")]
        assert not panel(app).display

    drive(app, script)


def test_paid_step_is_asked_for_when_the_mode_is_paid_only(app, granted, drive):
    async def script(pilot):
        app.commands.carry_out("mode", "paid")
        await asked(app, pilot, a_request(cost_usd=12))
        await settled(app, pilot)
        assert granted == []

    drive(app, script)


@pytest.mark.parametrize("is_put_off", [False, True])
def test_mode_decides_nothing_about_an_approval_that_is_open(app, granted, drive, is_put_off):
    async def script(pilot):
        await asked(app, pilot, a_request())
        if is_put_off:
            await pilot.press("escape")
        await pilot.press("shift+tab")
        assert app.desk.state.approval_mode == "paid"
        if is_put_off:
            assert app.deciding.reopen()
        await settled(app, pilot)
        assert granted == []
        assert panel(app).display
        await pilot.press("end", "y")
        await settled(app, pilot)
        assert granted == [("r1", "y")]

    drive(app, script)


def test_step_that_is_free_is_for_the_person_when_the_spec_was_not_saved_as_it_was_asked_for(app, granted, drive):
    async def script(pilot):
        app.commands.carry_out("mode", "paid")
        app.desk.change(spec_state="unsaved")
        await asked(app, pilot, a_request())
        assert "not saved" in panel(app).view.blocked
        app.desk.change(spec_state="saved")
        app.deciding.again()
        await settled(app, pilot)
        assert panel(app).view.blocked == ""
        assert granted == []

    drive(app, script)


def test_grant_that_cannot_be_made_is_told_once_and_asked_for_again(app, drive, monkeypatch):
    tries: list[str] = []

    def refuse(request: ApprovalRequested, steps: object, keys: str, max_usd: object = None) -> None:
        tries.append(keys)
        raise ToolError("The ledger cannot be written.", "Free space on the disk.")

    monkeypatch.setattr(app.desk, "approve", refuse)

    async def script(pilot):
        await until(lambda: app.workspace.query("#approval"))
        app.commands.carry_out("mode", "paid")
        ask(app, a_request())
        await until(lambda: panel(app).display)
        await settled(app, pilot)
        assert tries == ["mode: paid only"]

    drive(app, script)


def test_panel_follows_the_spec_when_it_becomes_valid_or_invalid(app, granted, drive):
    async def script(pilot):
        await asked(app, pilot, a_request())
        for spec_state, is_blocked in (("invalid", True), ("saved", False), ("conflict", True)):
            app.workspace.query_one(SpecPane).post_message(state_told(spec_state))
            await pilot.pause()
            await pilot.pause()
            assert bool(panel(app).view.blocked) == is_blocked
        await pilot.press("end", "y")
        await settled(app, pilot)
        assert granted == []
        assert panel(app).display

    def state_told(spec_state: Any) -> Any:
        from agent.tui.messages import SpecStateChanged

        return SpecStateChanged(spec_state)

    drive(app, script)


@pytest.mark.parametrize(("mode", "spec_state"), [("plan", "saved"), ("ask", "unsaved")])
def test_approval_is_shown_again_when_its_answer_was_not_taken(app, granted, drive, mode: ApprovalMode, spec_state):
    async def script(pilot):
        await asked(app, pilot, a_request())
        # between the key and the decision, before anything is drawn
        app.desk.state = app.desk.state.__class__(
            engine="ready", request=app.desk.state.request, approval_mode=mode, spec_state=spec_state
        )
        await pilot.press("y")
        await settled(app, pilot)
        assert granted == []
        await until(lambda: panel(app).display)
        assert panel(app).view.blocked

    drive(app, script)


def test_nothing_is_approved_when_the_editor_holds_more_than_it_has_told(app, granted, drive, monkeypatch):
    async def script(pilot):
        await asked(app, pilot, a_request())
        monkeypatch.setattr(SpecPane, "state", property(lambda _pane: "unsaved"))
        await pilot.press("y")
        await settled(app, pilot)
        assert granted == []
        assert app.desk.state.spec_state != "unsaved"

    drive(app, script)


def test_request_that_replaced_another_is_not_approved_with_the_key_meant_for_that(app, granted, drive):
    async def script(pilot):
        await asked(app, pilot, a_request("r1"))
        panel(app).action_choose("y")
        ask(app, a_request("r2", cost_usd=3))
        await settled(app, pilot)
        assert granted == []
        await until(lambda: panel(app).display and panel(app).view.request_id == "r2")

    drive(app, script)


def test_same_request_is_shown_again_when_the_turn_that_took_its_answer_failed(app, granted, drive):
    async def script(pilot):
        await asked(app, pilot, a_request())
        await pilot.press("y")
        await settled(app, pilot)
        # told again by an engine that was started anew: the answer is on its way
        ask(app, a_request())
        await settled(app, pilot)
        assert not panel(app).display
        ask(app, None)
        await asked(app, pilot, a_request())
        assert granted == [("r1", "y")]

    drive(app, script)


@pytest.mark.parametrize(
    ("words", "is_answer"),
    [
        ("", True),
        ("approve all", True),
        ("Approve train, deploy", True),
        ("deny", True),
        ("approve of most of it, but use 3 epochs", False),
        ("deny too expensive, use less", False),
    ],
)
def test_approval_that_was_put_off_is_shown_again_when_it_is_answered_in_words_or_enter_is_pressed(
    app, granted, drive, words, is_answer
):
    said: list[str] = []
    app.desk.say = said.append

    async def script(pilot):
        await asked(app, pilot, a_request())
        await pilot.press("escape")
        await until(lambda: not panel(app).display)
        app.workspace.query_one(Prompt).set_text(words)
        app.workspace.query_one(Prompt).focus_input()
        await pilot.press("enter")
        await until(lambda: panel(app).display or said)
        await settled(app, pilot)
        assert (granted, said, panel(app).display) == ([], [] if is_answer else [words], is_answer)

    drive(app, script)


def test_nothing_is_approved_when_the_spec_was_changed_after_the_plan(app, granted, drive):
    request = a_request()
    planned = ProjectFacts(plan=request.plan.hash)

    async def script(pilot):
        app.facts._know(planned)
        await asked(app, pilot, request)
        assert not panel(app).view.blocked
        app.facts._know(replace(planned, is_planned=False))
        await pilot.pause()
        assert "changed after this plan" in panel(app).view.blocked
        await pilot.press("y")
        await settled(app, pilot)
        assert granted == []
        app.facts._know(planned)
        await pilot.pause()
        assert not panel(app).view.blocked

    drive(app, script)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_passing_lines_cover_neither_the_input_nor_the_answers_of_an_approval(app, drive, size):
    async def script(pilot):
        await asked(app, pilot, a_request())
        for number in range(3):
            app.tell(f"Something that takes a moment to be read, number {number}.")
        await pilot.pause(0.2)
        toasts = list(app.screen.query("Toast"))
        assert len(toasts) == 3
        covered = [*app.workspace.query("OptionRow"), app.workspace.query_one("#status")]
        assert not any(toast.region.overlaps(widget.region) for toast in toasts for widget in covered)

    drive(app, script, size, notifications=True)


def test_facts_that_were_read_earlier_never_come_later(app, drive, monkeypatch):
    gate = threading.Event()
    first, second = ProjectFacts(spec_name="first"), ProjectFacts(spec_name="second")
    reads: list[ProjectFacts] = []

    def read() -> ProjectFacts:
        found = second if reads else first
        reads.append(found)
        if found is first:
            assert gate.wait(10)
        return found

    async def script(pilot):
        await app.workers.wait_for_complete()
        monkeypatch.setattr(app.desk, "read_facts", read)
        app.facts.read()
        await until(lambda: reads)
        app.facts.read()
        await until(lambda: app.desk.state.facts is second)
        gate.set()
        await asyncio.sleep(0.2)
        assert app.desk.state.facts is second

    drive(app, script)
