"""Screens over the workspace answer once, however fast keys come; lists that are not laid out take them in silence."""

import asyncio
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import OptionList

from agent.tui.screens.error import ErrorScreen
from agent.tui.screens.jump import JumpScreen
from agent.tui.screens.stages import StagesScreen
from agent.tui.textual_fixes import apply_fixes
from agent.tui.viewmodels.frame import StageView


class DialogApp(App[None]):
    def compose(self) -> ComposeResult:
        yield OptionList("a", "b")


STAGES = (StageView(1, "interview", "Interview", "todo"),)


@pytest.mark.parametrize(
    ("make", "act"),
    [
        (lambda: StagesScreen(STAGES), lambda screen: screen.action_close()),
        (JumpScreen, lambda screen: screen.action_close()),
        (lambda: ErrorScreen("It broke.", "See the log."), lambda screen: screen.action_close()),
    ],
)
def test_screen_closes_once_and_nothing_below_when_it_is_closed_twice_at_once(drive: Any, make: Any, act: Any) -> None:
    app = DialogApp()
    answers: list[object] = []

    async def script(pilot: Pilot[Any]) -> None:
        app.push_screen(JumpScreen(), answers.append)
        below = app.screen
        upper = make()
        app.push_screen(upper, lambda answer: answers.append("upper"))
        await pilot.pause()
        act(upper)
        act(upper)
        await pilot.pause()
        assert app.screen is below
        assert answers == ["upper"]

    drive(app, script)


def test_list_takes_a_page_key_in_silence_when_it_is_not_laid_out(drive: Any) -> None:
    apply_fixes()
    apply_fixes()
    app = DialogApp()

    async def script(pilot: Pilot[Any]) -> None:
        options = app.query_one(OptionList)
        options.add_option("c")
        options._lines.clear()
        options._index_to_line.clear()
        options.action_page_down()
        await pilot.pause()
        options.action_page_down()
        assert options.highlighted is not None

    drive(app, script)


def test_palette_closes_in_silence_while_it_still_gathers(drive: Any) -> None:
    apply_fixes()
    app = DialogApp()

    async def script(pilot: Pilot[Any]) -> None:
        for _ in range(3):
            app.action_command_palette()
            await asyncio.sleep(0)
            palette = app.screen
            await pilot.press("q")
            palette.dismiss()
            palette.dismiss()
            assert app.screen is not palette
            await pilot.pause()
        await asyncio.sleep(0.05)

    drive(app, script)
