import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import TextArea

from agent.client import EngineClient
from agent.conversation_log import read_conversation
from agent.events import ApprovalAnswered, ApprovalRequested
from agent.tui.app import TailorApp
from agent.tui.screens.confirm import Confirm
from agent.tui.screens.help import HelpScreen
from agent.tui.screens.jobs import JobsScreen
from agent.tui.screens.stages import StagesScreen
from agent.tui.settings import InterfaceSettings
from agent.tui.viewmodels.chat import Note, RunTold, Said
from agent.tui.widgets.approval import ApprovalPanel
from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.spec_pane import SpecPane
from tests.fakes.conversation import TASK
from tests.fakes.quick_engine import MODULE, write_data
from tools.approvals import GrantKey
from tools.client import Tailor


@pytest.fixture
def project(project_dir: Path) -> Path:
    return write_data(project_dir)


def an_app(project: Path, **options) -> TailorApp:
    return TailorApp(project, module=MODULE, settings=InterfaceSettings(), **options)


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    for _ in range(int(timeout_s / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"waited {timeout_s} s in vain")


def texts(app: TailorApp) -> list[str]:
    return [item.text for item in app.desk.state.items if isinstance(item, Said | Note)]


async def ready(app: TailorApp) -> None:
    await until(lambda: app.desk.state.mode in ("YOU", "ASK"))


async def say(app: TailorApp, pilot, text: str) -> None:
    await ready(app)
    before = len(app.desk.state.items)
    app.workspace.query_one(Prompt).set_text(text)
    await asyncio.sleep(0.35)  # a question takes keys once it has been seen
    await pilot.press("enter")
    await until(lambda: len(app.desk.state.items) > before)


async def to_the_approval(app: TailorApp, pilot) -> None:
    for text in (TASK, "", "", "", "go on"):
        await say(app, pilot, text)
        await ready(app)
    await until(lambda: app.desk.state.request is not None)
    await until(lambda: app.workspace.query_one(ApprovalPanel).display)


async def decide(app: TailorApp, pilot, key: str) -> None:
    """Press the key until it is taken: the panel ignores what comes too early, and this machine may be slow."""
    request = app.desk.state.request
    for _ in range(10):
        await press_past_the_dead_time(pilot, "end", key)
        if app.desk.state.request is not request or app.desk.state.is_put_off:
            break
    await until(lambda: app.desk.state.request is not request)


async def press_past_the_dead_time(pilot, *keys: str) -> None:
    await asyncio.sleep(0.6)
    for key in keys:
        await pilot.press(key)
        await asyncio.sleep(0.15)


@pytest.mark.slow
def test_workspace_takes_the_whole_road_with_keys_alone(project, drive, monkeypatch):
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.1)
    app = an_app(project)

    async def script(pilot):
        await to_the_approval(app, pilot)
        await decide(app, pilot, "a")
        await until(lambda: app.desk.state.request is None)
        await until(lambda: app.desk.state.facts.steps and all(s[3] == "succeeded" for s in app.desk.state.facts.steps))
        await until(lambda: app.desk.state.mode == "YOU")
        assert any(isinstance(item, RunTold) for item in app.desk.state.items)
        assert app.workspace.panes.opened == "chat"

    drive(app, script)
    kept = read_conversation(project / ".tailor" / "conversations" / "main.jsonl").events
    answered = next(event for event in kept if isinstance(event, ApprovalAnswered))
    assert answered.keys
    assert set(answered.digests) == {"baseline", "train", "evaluate", "prepare_data"}


@pytest.mark.slow
def test_workspace_shows_the_conversation_and_the_approval_again_when_it_is_opened_again(project, drive, monkeypatch):
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.1)
    first, second = an_app(project), an_app(project)

    async def ask(pilot):
        await to_the_approval(first, pilot)

    async def look(pilot):
        await until(lambda: second.workspace.query_one(ApprovalPanel).display)
        assert texts(second) == texts(first)
        assert second.desk.state.request.plan.hash == first.desk.state.request.plan.hash

    drive(first, ask)
    drive(second, look)


@pytest.mark.slow
def test_workspace_asks_for_each_step_when_steps_are_approved_once(project, drive, monkeypatch):
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.1)
    app = an_app(project)
    asked: list[str] = []

    async def script(pilot):
        await to_the_approval(app, pilot)
        for _ in range(3):
            await until(lambda: app.workspace.query_one(ApprovalPanel).display)
            asked.append(app.workspace.query_one(ApprovalPanel).view.card.step)
            await decide(app, pilot, "y")
            await ready(app)
        assert app.desk.state.request is None

    drive(app, script)
    assert asked == ["baseline", "train", "evaluate"]
    assert len(list((project / ".tailor" / "runs").iterdir())) == 3


@pytest.mark.slow
def test_workspace_tells_the_reason_when_a_step_is_denied_and_keeps_the_request_when_it_is_put_off(
    project, drive, monkeypatch
):
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.1)
    app = an_app(project)

    async def script(pilot):
        await to_the_approval(app, pilot)
        await press_past_the_dead_time(pilot, "escape")
        await until(lambda: app.desk.state.is_put_off)
        assert app.desk.state.request is not None
        assert not app.workspace.query_one(ApprovalPanel).display
        app.desk.change(is_put_off=False)
        await until(lambda: app.workspace.query_one(ApprovalPanel).display)
        await press_past_the_dead_time(pilot, "n")
        await press_past_the_dead_time(pilot, *"too slow".replace(" ", "_"), "enter")
        await until(lambda: any("too_slow" in text for text in texts(app)))
        assert not (project / ".tailor" / "runs").exists() or not list((project / ".tailor" / "runs").iterdir())

    drive(app, script)


@pytest.mark.slow
def test_workspace_approves_nothing_when_the_spec_in_the_editor_is_invalid(project, drive, monkeypatch):
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.1)
    app = an_app(project)

    async def script(pilot):
        await to_the_approval(app, pilot)
        app.desk.change(spec_state="invalid")
        app.deciding.again()
        await press_past_the_dead_time(pilot, "end", "y", "a")
        await asyncio.sleep(0.3)
        assert app.desk.state.request is not None
        assert "not valid" in app.workspace.query_one(ApprovalPanel).view.blocked

    drive(app, script)


@pytest.mark.slow
def test_workspace_goes_on_without_saying_anything_twice_when_the_engine_is_killed(project, drive, monkeypatch):
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.1)
    (project / "quick.json").write_text(json.dumps({"train_s": 1.5}))
    app = an_app(project)

    async def script(pilot):
        await to_the_approval(app, pilot)
        await decide(app, pilot, "a")
        await until(lambda: "r2" in app.desk.state.facts.running)
        os.kill(app.desk._bridge.engine_pid, signal.SIGKILL)
        await until(lambda: app.desk.state.facts.steps and all(s[3] == "succeeded" for s in app.desk.state.facts.steps))
        await until(lambda: app.desk.state.mode == "YOU")
        told = [text for text in texts(app) if "died" not in text]
        assert len(told) == len(set(told))
        assert sum(isinstance(item, RunTold) for item in app.desk.state.items) == 1

    drive(app, script)
    assert (project / ".tailor" / "runs" / "r2" / "effects").read_text() == "1\n"


def test_prompt_takes_keys_before_the_engine_is_there(project, drive):
    app = an_app(project)

    async def script(pilot):
        await pilot.press(*"hello")
        assert app.desk.state.engine == "starting"
        assert app.workspace.query_one(Prompt).text == "hello"

    drive(app, script)


@pytest.mark.slow
def test_message_is_sent_once_the_engine_is_there_when_it_was_typed_before(project, drive):
    app = an_app(project)

    async def script(pilot):
        await pilot.press(*"status", "enter")
        assert texts(app) == ["status"]
        await ready(app)
        await until(lambda: len(texts(app)) > 2)

    drive(app, script)


@pytest.mark.parametrize(("size", "is_beside"), [((80, 24), False), ((140, 40), True)])
def test_spec_is_beside_the_chat_when_the_screen_is_wide(project, drive, size, is_beside):
    app = an_app(project)

    async def script(pilot):
        await pilot.pause()
        assert app.workspace.query_one(SpecPane).display == is_beside
        await pilot.press("f2")
        await pilot.pause()
        assert app.workspace.query_one(SpecPane).display
        assert app.workspace.panes.is_spec_open
        await pilot.press("escape")
        await pilot.pause()
        assert app.workspace.query_one(SpecPane).display == is_beside
        assert isinstance(app.focused, TextArea)
        await pilot.press("x")
        assert app.workspace.query_one(Prompt).text == "x"

    drive(app, script, size)


@pytest.mark.parametrize(("command", "screen"), [("/jobs", JobsScreen), ("/stages", StagesScreen)], ids=str)
def test_command_opens_its_screen_and_escape_closes_it(project, drive, command, screen):
    app = an_app(project)

    async def script(pilot):
        app.workspace.query_one(Prompt).set_text(command)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, screen)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is app.workspace
        await pilot.press("y")
        assert app.workspace.query_one(Prompt).text == "y"

    drive(app, script)


@pytest.mark.parametrize("pane", ["results", "data", "play", "run"])
def test_keys_return_to_the_prompt_when_a_pane_is_left(project, drive, pane):
    app = an_app(project)

    async def script(pilot):
        app.workspace.panes.open(pane)
        await pilot.pause()
        await pilot.pause()
        assert app.workspace.query_one(f"#{pane}").display
        app.workspace.set_focus(None)
        await pilot.press("escape")
        await pilot.pause()
        await pilot.press("z")
        assert app.workspace.query_one(Prompt).text == "z"

    drive(app, script)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
@pytest.mark.parametrize("pane", ["results", "data", "play", "run"])
def test_slash_begins_a_command_when_a_pane_has_the_keys(project, drive, pane, size):
    app = an_app(project)

    async def script(pilot):
        await ready(app)
        app.workspace.panes.open(pane)
        await pilot.pause()
        await pilot.pause()
        app.workspace.set_focus(None)
        for key in ("slash", *"help"):
            # all on their way before the first acts
            app.simulate_key(key)
        await pilot.pause()
        await pilot.pause()
        assert app.workspace.query_one(Prompt).text == "/help"
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)

    drive(app, script, size)


def test_slash_begins_a_command_where_it_is_seen_when_the_spec_covers_a_narrow_screen(project, drive):
    app = an_app(project)

    async def script(pilot):
        await ready(app)
        await pilot.press("f2")
        await pilot.pause()
        app.workspace.set_focus(None)
        await pilot.press("slash", *"jo")
        await pilot.pause()
        prompt = app.workspace.query_one(Prompt)
        assert prompt.text == "/jo"
        assert prompt.region.area

    drive(app, script)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_words_go_on_in_the_prompt_when_a_pane_opens_by_itself(project, drive, size):
    app = an_app(project)

    async def script(pilot):
        await ready(app)
        await pilot.press(*"sta")
        app.workspace.panes.open("run", by_itself=True)
        await pilot.press("t")
        await asyncio.sleep(0.2)
        await pilot.press("u")
        app.workspace.panes.open("chat", by_itself=True)
        await pilot.pause()
        await pilot.press("s")
        assert app.workspace.query_one(Prompt).text == "status"

    drive(app, script, size)


def test_words_go_on_in_the_spec_when_a_pane_opens_by_itself(project, drive):
    (project / "spec.yaml").write_text("version: 1\n")
    app = an_app(project)

    async def script(pilot):
        await ready(app)
        spec = app.workspace.query_one(SpecPane)
        await until(lambda: spec.query(TextArea))
        spec.query_one(TextArea).focus()
        await pilot.pause()
        app.workspace.panes.open("run", by_itself=True)
        await asyncio.sleep(0.2)
        assert app.focused is spec.query_one(TextArea)

    drive(app, script, (140, 40))


def test_unknown_command_is_told_with_the_nearest_one(project, drive):
    app = an_app(project)
    told: list[str] = []

    async def script(pilot):
        app.tell = lambda message, hint="", is_error=False: told.append(message)
        app.commands.carry_out("resluts")
        assert "results" in told[0]

    drive(app, script)


def test_ctrl_c_clears_the_input_first_and_quits_only_the_second_time(project, drive):
    app = an_app(project)
    left: list[bool] = []

    async def script(pilot):
        app.leave = lambda: left.append(True)
        await pilot.press(*"draft", "ctrl+c")
        assert app.workspace.query_one(Prompt).text == ""
        assert not left
        await pilot.press("ctrl+c")
        assert not left
        await pilot.press("ctrl+c")
        assert left == [True]

    drive(app, script)


def test_mode_goes_round_and_blocks_every_approval_when_it_is_plan_only(project, drive):
    app = an_app(project)

    async def script(pilot):
        seen = []
        for _ in range(3):
            await pilot.press("shift+tab")
            seen.append(app.desk.state.approval_mode)
        assert seen == ["paid", "plan", "ask"]

    drive(app, script)


def test_teardown_and_stop_ask_before_they_do_anything(project, drive):
    app = an_app(project)

    async def script(pilot):
        app.commands.deeds.teardown("")
        assert not isinstance(app.screen, Confirm)
        app.commands.deeds.stop("")
        await pilot.pause()
        assert not isinstance(app.screen, Confirm)

    drive(app, script)


def test_project_that_is_open_elsewhere_is_told_in_a_sentence(project, drive):
    key = GrantKey.new()
    Tailor(project, grant_key=key)
    app = an_app(project)

    async def script(pilot):
        await until(lambda: app.desk.state.engine == "gone")
        assert any("Another Tailor conversation" in text for text in texts(app))

    with EngineClient(project, key.secret, module=MODULE) as other:
        assert not any(isinstance(event, ApprovalRequested) for event in other.turn())
        drive(app, script)


@pytest.mark.slow
def test_stop_asks_first_and_keeps_a_checkpoint_when_it_comes_from_the_list_of_jobs(project, drive, monkeypatch):
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.1)
    (project / "quick.json").write_text(json.dumps({"train_s": 20}))
    app = an_app(project)

    async def script(pilot):
        await to_the_approval(app, pilot)
        await decide(app, pilot, "a")
        await until(lambda: "r2" in app.desk.state.facts.running)
        await pilot.press("f3")
        await until(lambda: isinstance(app.screen, JobsScreen))
        await asyncio.sleep(1.0)
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, Confirm))
        assert "r2" in app.desk.state.facts.running
        await asyncio.sleep(0.7)
        await pilot.press("y")
        await until(lambda: "r2" not in app.desk.state.facts.running)
        await until(lambda: dict(s[::3] for s in app.desk.state.facts.steps)["train"] == "stopped")

    drive(app, script)
