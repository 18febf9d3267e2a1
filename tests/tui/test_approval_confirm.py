from collections.abc import Callable
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.pilot import Pilot

from agent.tui.screens.confirm import Confirm

LOST = "The steps since checkpoint 300 are lost: about 2 min of work."
KEPT = "Checkpoint 300 and the log are kept. `tailor run` goes on from there."


class Asking(App[None]):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.now = 100.0
        self.answers: list[bool | None] = []
        self.options = {"yes": "Yes, stop run r7", "no": "No, let it run"} | options

    def on_mount(self) -> None:
        question = Confirm("Stop run r7?", (LOST, KEPT), clock=lambda: self.now, **self.options)
        self.push_screen(question, self.answers.append)


@pytest.mark.parametrize(
    ("keys", "answer"),
    [(["y"], True), (["n"], False), (["escape"], False), (["down", "enter"], False), (["down", "down", "enter"], True)],
)
def test_confirm_answers_when_a_key_is_pressed(drive: Callable[..., None], keys: list[str], answer: bool) -> None:
    app = Asking()

    async def script(pilot: Pilot[None]) -> None:
        app.now += 1
        await pilot.press(*keys)

    drive(app, script)
    assert app.answers == [answer]


def test_confirm_answers_nothing_when_keys_come_at_once_or_none_was_moved_to(drive: Callable[..., None]) -> None:
    app = Asking()

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("y", "enter", "down", "enter", "escape")
        app.now += 1
        await pilot.press("enter")
        app.post_message(events.Paste("y"))
        app.post_message(events.AppBlur())
        await pilot.pause()
        app.post_message(events.AppFocus())
        await pilot.pause()
        await pilot.click("OptionRow")
        await pilot.press("y")

    drive(app, script)
    assert app.answers == []


def test_confirm_needs_the_word_when_one_is_asked(
    drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    app = Asking(word="intents@1")
    shown: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        app.now += 1
        await pilot.press("y")
        app.now += 1
        app.post_message(events.Paste("intents@1"))
        await pilot.press("enter")
        await pilot.pause()
        shown.append(screen_text(app))
        assert app.answers == []
        await pilot.press("escape")
        await pilot.pause()
        assert app.answers == []
        await pilot.press("y")
        app.now += 1
        await pilot.press(*"intents", "@", "1", "enter")

    drive(app, script)
    assert "That is not intents@1. Nothing was done." in shown[0]
    assert app.answers == [True]


def test_confirm_shows_text_of_others_raw_when_it_is_hostile(
    drive: Callable[..., None], screen_text: Callable[[App[Any]], str]
) -> None:
    shown: list[str] = []

    class Hostile(App[None]):
        def on_mount(self) -> None:
            self.push_screen(Confirm("[/x] \x1b[2J", ("[bold]a\u202eb", "漢" * 500), yes="[=1]", no="["))

    app = Hostile()

    async def script(pilot: Pilot[None]) -> None:
        await pilot.pause()
        shown.append(screen_text(app))

    drive(app, script, (60, 20))
    for wanted in ("[/x] \\x1b[2J", "[bold]a\\u202eb", "y  [=1]", "n  [", "Esc no"):
        assert wanted in shown[0]


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["80x24", "140x40"])
@pytest.mark.parametrize("word", ["", "intents@1"])
def test_confirm_looks_right_at_every_size(
    drive: Callable[..., None],
    screen_text: Callable[[App[Any]], str],
    screen_snapshot: Any,
    word: str,
    size: tuple[int, int],
) -> None:
    app = Asking(word=word)

    async def script(pilot: Pilot[None]) -> None:
        app.now += 1
        if word:
            await pilot.press("y", *"inte")
        await pilot.pause()
        name = f"confirm-{'word' if word else 'plain'}-{size[0]}x{size[1]}"
        assert screen_text(app) == screen_snapshot(name=name)

    drive(app, script, size)
