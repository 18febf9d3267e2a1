from pathlib import Path

import pytest

from agent.tui.app import TailorApp
from agent.tui.settings import InterfaceSettings
from agent.tui.viewmodels.chat import Said
from tests.fakes.quick_engine import MODULE, write_data


def an_app(project: Path, **options) -> TailorApp:
    return TailorApp(write_data(project), module=MODULE, settings=InterfaceSettings(), **options)


def said(app: TailorApp) -> list[str]:
    return [item.text for item in app.desk.state.items if isinstance(item, Said) and item.by == "user"]


def test_passing_line_carries_no_control_sequence_when_an_error_quotes_one(project_dir, drive, monkeypatch):
    app = an_app(project_dir)
    told: list[str] = []
    monkeypatch.setattr(TailorApp, "_open", lambda _app: None)

    async def script(pilot):
        app.notify = lambda message, **_options: told.append(message)
        app.tell("bad \x1b]52;c;AAAA\x07", "\x9b31m \u202e" + "x" * 5_000, is_error=True)

    drive(app, script)
    assert told[0].isprintable()
    assert len(told[0]) < 1_100


def test_words_said_while_the_conversation_is_changed_go_to_the_new_one(project_dir, drive, monkeypatch):
    app = an_app(project_dir)
    sent: list[tuple[str, str]] = []
    waiting: list[bool] = []

    async def script(pilot):
        await until(pilot, lambda: app.desk.state.mode == "YOU")
        app.desk.change(approval_mode="plan")
        say = type(app.desk._bridge).say
        monkeypatch.setattr(
            type(app.desk._bridge),
            "say",
            lambda bridge, text: sent.append((bridge._options.thread, text)) or say(bridge, text),
        )
        app.commands.carry_out("new")
        waiting.append(app.desk.is_opening)
        app.desk.say("first words")
        app.commands.carry_out("new")
        await until(pilot, lambda: sent and app.desk.state.mode == "YOU")
        assert said(app) == ["first words"]
        assert app.desk.wanted.thread == "talk-2"
        assert app.desk.state.approval_mode == "plan"

    drive(app, script)
    assert waiting == [True]
    assert sent == [("talk-2", "first words")]


async def until(pilot, condition) -> None:
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.05)
    raise AssertionError("waited in vain")


@pytest.mark.parametrize("is_ending", [True, False])
def test_engine_is_started_only_for_an_interface_that_stays(project_dir, drive, monkeypatch, is_ending):
    app = an_app(project_dir)
    monkeypatch.setattr(TailorApp, "_open", lambda _app: None)
    started: list[str] = []

    async def script(pilot):
        bridge, restored = app.desk.open(lambda: None)
        bridge.start = lambda: started.append("started")
        app._exit = is_ending
        app._opened(bridge, restored)
        app._exit = False

    drive(app, script)
    assert started == ([] if is_ending else ["started"])
