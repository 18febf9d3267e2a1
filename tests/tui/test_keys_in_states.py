import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.cards import plan_cards
from agent.events import ApprovalRequested
from agent.tui.app import TailorApp
from agent.tui.screens.help import HelpScreen
from agent.tui.settings import InterfaceSettings
from agent.tui.viewmodels.chat import Said
from agent.tui.widgets.completion import CompletionList
from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.spec_text import SpecText
from tests.fakes.granted_project import a_plan
from tools.spec_file import starter_text

DRAFT = "a draft"


@dataclass
class Desktop:
    """An app in a state, and what happened to it."""

    app: TailorApp
    pilot: Any
    left: list[bool]
    """Whether the app was left."""
    stopped: list[bool]
    """Whether the agent's turn was ended."""

    @property
    def prompt(self) -> Prompt:
        return self.app.workspace.query_one(Prompt)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        for _ in range(100):
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("waited in vain")


async def nothing(_desktop: Desktop) -> None:
    """Leave the prompt empty."""


async def a_draft(desktop: Desktop) -> None:
    desktop.prompt.set_text(DRAFT)
    await desktop.pilot.pause()


async def a_list(desktop: Desktop) -> None:
    await desktop.press("/", "r", "e")
    await desktop.until(lambda: desktop.app.workspace.query_one(CompletionList).display)


async def an_approval(desktop: Desktop) -> None:
    await a_draft(desktop)
    plan = a_plan()
    request = ApprovalRequested(request_id="r1", plan=plan, steps=plan_cards(plan, None))
    desktop.app.desk.change(request=request)
    await desktop.until(lambda: desktop.app.workspace.approval.display)
    await desktop.pilot.pause()


async def the_spec(desktop: Desktop) -> None:
    await a_draft(desktop)
    desktop.app.commands.carry_out("spec")
    await desktop.until(lambda: isinstance(desktop.app.focused, SpecText))
    await desktop.press("x")


async def a_pane(desktop: Desktop) -> None:
    await a_draft(desktop)
    desktop.app.commands.carry_out("results")
    await desktop.until(lambda: desktop.app.workspace.panes.opened == "results")
    await desktop.pilot.pause()


async def at_work(desktop: Desktop) -> None:
    desktop.app.desk.change(is_working=True, items=(Said("said:1", 1.0, "user", "do it"),))
    await desktop.pilot.pause()


async def a_modal(desktop: Desktop) -> None:
    await a_draft(desktop)
    desktop.app.commands.carry_out("help")
    await desktop.until(lambda: isinstance(desktop.app.screen, HelpScreen))


def is_as_before(desktop: Desktop) -> bool:
    return desktop.app.screen is desktop.app.workspace and not desktop.left and not desktop.stopped


def list_is_closed(desktop: Desktop) -> bool:
    return is_as_before(desktop) and not desktop.app.workspace.query_one(CompletionList).display


def is_undecided(desktop: Desktop) -> bool:
    return is_as_before(desktop) and desktop.app.desk.state.request is not None


def is_put_off(desktop: Desktop) -> bool:
    state = desktop.app.desk.state
    return is_undecided(desktop) and state.is_put_off and not desktop.app.workspace.approval.display


def still_asks(desktop: Desktop) -> bool:
    return is_undecided(desktop) and desktop.app.workspace.approval.display


def spec_is_edited(desktop: Desktop) -> bool:
    focused = desktop.app.focused
    return is_as_before(desktop) and isinstance(focused, SpecText) and focused.text.startswith("x")


def spec_is_left(desktop: Desktop) -> bool:
    panes = desktop.app.workspace.panes
    text = desktop.app.workspace.query_one(SpecText).text
    return is_as_before(desktop) and not panes.is_spec_open and text.startswith("x")


def chat_is_open(desktop: Desktop) -> bool:
    return is_as_before(desktop) and desktop.app.workspace.panes.opened == "chat"


def pane_is_open(desktop: Desktop) -> bool:
    return is_as_before(desktop) and desktop.app.workspace.panes.opened == "results"


def works_on(desktop: Desktop) -> bool:
    return is_as_before(desktop) and desktop.app.desk.state.is_working


def is_stopped(desktop: Desktop) -> bool:
    return desktop.stopped == [True] and not desktop.left and desktop.prompt.text == "do it"


def is_left(desktop: Desktop) -> bool:
    return desktop.left == [True] and not desktop.stopped


def modal_is_open(desktop: Desktop) -> bool:
    return isinstance(desktop.app.screen, HelpScreen) and not desktop.left


State = Callable[[Desktop], Awaitable[None]]
Check = Callable[[Desktop], bool]
TABLE: tuple[tuple[State, str, Check, str | None], ...] = (
    (nothing, "escape", is_as_before, ""),
    (nothing, "escape escape", is_as_before, ""),
    (nothing, "ctrl+c", is_as_before, ""),
    (nothing, "ctrl+c ctrl+c", is_left, ""),
    (a_draft, "escape escape", is_as_before, DRAFT),
    (a_draft, "ctrl+c", is_as_before, ""),
    (a_draft, "ctrl+c ctrl+c", is_as_before, ""),
    (a_list, "escape", list_is_closed, "/re"),
    (a_list, "ctrl+c", list_is_closed, ""),
    (an_approval, "escape", is_put_off, DRAFT),
    (an_approval, "escape escape", is_put_off, DRAFT),
    (an_approval, "ctrl+c", still_asks, DRAFT),
    (the_spec, "escape", spec_is_left, DRAFT),
    (the_spec, "ctrl+c", spec_is_edited, DRAFT),
    (the_spec, "ctrl+c ctrl+c", is_left, DRAFT),
    (a_pane, "escape", chat_is_open, DRAFT),
    (a_pane, "ctrl+c", pane_is_open, None),
    (at_work, "escape", works_on, ""),
    (at_work, "escape escape", is_stopped, "do it"),
    (at_work, "ctrl+c", works_on, ""),
    (at_work, "ctrl+c ctrl+c", is_left, ""),
    (a_modal, "escape", is_as_before, DRAFT),
    (a_modal, "ctrl+c ctrl+c", modal_is_open, DRAFT),
)


@pytest.fixture
def app(project_dir: Path, monkeypatch: pytest.MonkeyPatch) -> TailorApp:
    """Return an app without an engine."""
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.0)
    monkeypatch.setattr("agent.tui.typing_guard.DEAD_S", 0.0)
    monkeypatch.setattr(TailorApp, "_open", lambda _app: None)
    (project_dir / "spec.yaml").write_text(starter_text())
    return TailorApp(project_dir, settings=InterfaceSettings())


@pytest.mark.parametrize(
    ("state", "keys", "holds", "text"),
    TABLE,
    ids=[f"{state.__name__}-{keys.replace(' ', '-')}" for state, keys, _, _ in TABLE],
)
def test_key_does_what_the_table_says(app, drive, state, keys, holds, text):
    desktop = Desktop(app, None, [], [])
    app.leave = lambda: desktop.left.append(True)
    app.desk.stop_turn = lambda: desktop.stopped.append(True)

    async def script(pilot):
        desktop.pilot = pilot
        app.desk.change(engine="ready")
        await desktop.until(lambda: app.workspace.query("#approval"))
        await state(desktop)
        await desktop.press(*keys.split())
        assert holds(desktop)
        if text is not None:
            assert desktop.prompt.text == text

    drive(app, script)


def test_key_of_one_second_ago_counts_no_more(app, drive, monkeypatch):
    desktop = Desktop(app, None, [], [])
    app.leave = lambda: desktop.left.append(True)
    app.desk.stop_turn = lambda: desktop.stopped.append(True)
    now = [100.0]
    monkeypatch.setattr("agent.tui.screens.workspace_keys.time", SimpleNamespace(monotonic=lambda: now[0]))

    async def script(pilot):
        desktop.pilot = pilot
        await at_work(desktop)
        for key in ("escape", "ctrl+c", "escape", "ctrl+c"):
            await desktop.press(key)
            now[0] += 1.1
        assert not desktop.left
        assert not desktop.stopped

    drive(app, script)


def test_ctrl_c_copies_what_is_selected_and_neither_clears_nor_quits(app, drive, monkeypatch):
    desktop = Desktop(app, None, [], [])
    copied: list[str] = []
    app.leave = lambda: desktop.left.append(True)
    app.copy = copied.append
    monkeypatch.setattr(type(app.workspace), "get_selected_text", lambda _screen: "selected")

    async def script(pilot):
        desktop.pilot = pilot
        await a_draft(desktop)
        app.workspace.set_focus(None)
        await desktop.press("ctrl+c", "ctrl+c")
        assert copied == ["selected", "selected"]
        assert desktop.prompt.text == DRAFT
        assert not desktop.left

    drive(app, script)


def test_quitting_keeps_the_edit_wherever_the_key_was_pressed(app, drive):
    desktop = Desktop(app, None, [], [])
    app.leave = lambda: desktop.left.append(True)

    async def script(pilot):
        desktop.pilot = pilot
        await a_modal(desktop)
        await desktop.press("ctrl+q")
        assert desktop.left == [True]

    drive(app, script)
