"""The lines around the body and the list of stages: what gives way where there is little room."""

from typing import Any, ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from agent.tui.screens.stages import StagesScreen
from agent.tui.viewmodels.frame import StageView, StatusView
from agent.tui.widgets.frame import StatusLine

LONG_NAME = "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def a_status(**changes: Any) -> StatusView:
    values = {
        "mode": "ASK", "brain": LONG_NAME, "spent_usd": 0.62, "budget_usd": 15.0, "num_jobs": 1, "num_waiting": 0,
        "spec_state": "invalid",
    }  # fmt: skip
    return StatusView(**(values | changes))


class StatusApp(App[None]):
    def __init__(self, view: StatusView) -> None:
        super().__init__()
        self._view = view

    def compose(self) -> ComposeResult:
        yield StatusLine(self._view)


class StagesApp(App[None]):
    stages: ClassVar[tuple[StageView, ...]] = tuple(
        StageView(number, name, name.title(), "todo", "one\ntwo\nthree")
        for number, name in enumerate(("interview", "data", "train", "eval", "deploy", "play"), 1)
    )

    def on_mount(self) -> None:
        self.push_screen(StagesScreen(self.stages))


@pytest.mark.parametrize("width", [60, 80])
def test_status_shortens_the_name_of_the_model_before_money_jobs_and_spec(drive: Any, screen_text: Any, width: int):
    app = StatusApp(a_status())

    async def script(pilot: Pilot[Any]) -> None:
        line = screen_text(app).splitlines()[0]
        assert line.startswith(" ASK bedrock")
        assert line.endswith("… · $0.62 of $15.00 · jobs 1 · ✗ spec invalid")
        assert len(line) <= width

    drive(app, script, (width, 5))


@pytest.mark.parametrize(
    ("spent", "budget", "shown"),
    [(0.0, 0.0, " · $0 · "), (0.5, 0.0, " · $0.50 · "), (None, 3.0, "x · jobs"), (0.0, 3.0, " · $0.00 of $3.00 · ")],
)
def test_status_names_no_budget_where_there_is_none(drive: Any, screen_text: Any, spent: Any, budget: Any, shown: str):
    app = StatusApp(a_status(brain="x", spent_usd=spent, budget_usd=budget))

    async def script(pilot: Pilot[Any]) -> None:
        assert shown in screen_text(app)

    drive(app, script, (80, 5))


def test_status_begins_with_what_is_known_when_there_is_no_model_yet(drive: Any, screen_text: Any):
    app = StatusApp(a_status(brain="", mode="OFF", spent_usd=None, activity="starting the engine"))

    async def script(pilot: Pilot[Any]) -> None:
        assert screen_text(app).startswith(" OFF jobs 1 · ✗ spec invalid · starting the engine\n")

    drive(app, script, (80, 5))


def test_stages_have_one_frame_and_keep_their_hint_when_the_screen_is_low(drive: Any, screen_text: Any):
    app = StagesApp()

    async def script(pilot: Pilot[Any]) -> None:
        for _ in range(5):
            text = screen_text(app)
            assert "↑↓ move · Enter or 1–6 open · Esc close" in text
            assert "▔" not in text
            await pilot.press("down")
        assert "6 Play" in screen_text(app)

    drive(app, script, (60, 20))


@pytest.mark.parametrize(
    ("num_serving", "told"), [(0, "jobs 1 · "), (1, "jobs 1 and a server"), (3, "jobs 1 and 3 servers")]
)
def test_status_counts_the_servers(drive: Any, screen_text: Any, num_serving: int, told: str):
    app = StatusApp(a_status(num_serving=num_serving))

    async def script(pilot: Pilot[Any]) -> None:
        assert told in screen_text(app)

    drive(app, script, (140, 24))
