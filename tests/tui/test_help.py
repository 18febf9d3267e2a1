"""Help, keys as the terminal sends them, search of the history, and the commands in the palette."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from syrupy.assertion import SnapshotAssertion
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from agent.tui.commands import COMMANDS
from agent.tui.keys import KEYS
from agent.tui.messages import CommandGiven
from agent.tui.palette import CommandProvider
from agent.tui.prompt_history import PromptHistory
from agent.tui.screens.help import HelpScreen, help_text
from agent.tui.screens.history_search import HistorySearch

Drive = Callable[..., None]
ScreenText = Callable[[App[Any]], str]


class Pane(Widget, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p,P", "pause", "Pause the job"),
        Binding("z", "nothing"),
    ]


class BaseScreen(Screen[None]):
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-narrow"), (110, "-wide")]

    def compose(self) -> ComposeResult:
        yield Pane()


class HelpApp(App[None]):
    COMMANDS = {CommandProvider}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[str, str]] = []
        self.found: list[str | None] = []

    def get_default_screen(self) -> Screen[None]:
        return BaseScreen()

    def on_command_given(self, message: CommandGiven) -> None:
        self.given.append((message.name, message.argument))


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (60, 20)])
def test_help_looks_as_before(
    drive: Drive, screen_text: ScreenText, screen_snapshot: SnapshotAssertion, size: tuple[int, int]
) -> None:
    app = HelpApp()
    shown: list[str] = []

    async def script(pilot: Pilot[Any]) -> None:
        app.push_screen(HelpScreen(keymap={"jobs": "f5"}))
        await pilot.pause()
        shown.append(screen_text(app))
        for _ in range(6):
            await pilot.press("pagedown")
        await pilot.pause()
        app.screen.query_one("#help-text").scroll_end(animate=False)
        await pilot.pause()
        shown.append(screen_text(app))
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, BaseScreen)

    drive(app, script, size=size)
    for name, text in zip(("top", "end"), shown, strict=True):
        assert text == screen_snapshot(name=f"{name}_{size[0]}x{size[1]}")


@pytest.mark.parametrize("width", [20, 54, 96])
def test_help_names_every_key_and_command_within_the_width(width: int) -> None:
    text = help_text([("p", "Pause the job [/x]")], {"jobs": "f5"}, width).plain
    flat = " ".join(text.split())
    for entry in KEYS:
        assert entry.context == "panes" or " ".join(entry.help.split()) in flat or width < 54
    for command in COMMANDS:
        assert command.usage in text
    assert "f5" in text
    assert "never approve a step" in flat
    assert width < 54 or all(len(line) <= width for line in text.splitlines())


def test_help_shows_the_keys_of_the_pane_that_has_focus(drive: Drive, screen_text: ScreenText) -> None:
    app = HelpApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.screen.query_one(Pane).focus()
        await pilot.pause()
        app.push_screen(HelpScreen())
        await pilot.pause()
        text = screen_text(app)
        assert "In this pane" in text
        assert "Pause the job" in text

    drive(app, script, size=(80, 60))


def test_key_probe_shows_what_came_and_leaves_on_two_escapes(
    drive: Drive, screen_text: ScreenText, screen_snapshot: SnapshotAssertion
) -> None:
    app = HelpApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.push_screen(HelpScreen(shows_keys=True))
        await pilot.pause()
        await pilot.press("escape", "a", "[", "f1", "shift+tab", "q", "escape", "enter")
        app.post_message(events.Key("\x1b[/x]", "\u202e"))
        app.post_message(events.Paste("x\ny"))
        await pilot.press("escape")
        await pilot.pause()
        assert screen_text(app) == screen_snapshot(name="probe_80x24")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, BaseScreen)

    drive(app, script)


def history(*texts: str) -> PromptHistory:
    kept = PromptHistory(None)
    for text in texts:
        kept.add(text)
    return kept


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["enter"], "train on tickets"),
        (["down", "enter"], "two\nlines"),
        (["ctrl+r", "ctrl+r", "enter"], "label [/x]"),
        (["up", "enter"], "what is macro f1"),
        (["F", "1", "space", "w", "h", "enter"], "what is macro f1"),
        (["z", "enter"], None),
        (["escape"], None),
    ],
)
def test_history_search_returns_what_was_chosen(drive: Drive, keys: list[str], text: str | None) -> None:
    app = HelpApp()
    sent = history("what is macro f1", "train on tickets", "label [/x]", "two\nlines", "train on tickets")

    async def script(pilot: Pilot[Any]) -> None:
        app.push_screen(HistorySearch(sent), app.found.append)
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()

    drive(app, script)
    assert app.found == [text]


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_history_search_looks_as_before(
    drive: Drive, screen_text: ScreenText, screen_snapshot: SnapshotAssertion, size: tuple[int, int]
) -> None:
    app = HelpApp()
    sent = history(*(f"prompt {number}" for number in range(30)), "[=1] [bold]x\nmore", "漢字 " * 200, "x" * 19_000)
    shown: list[str] = []

    async def script(pilot: Pilot[Any]) -> None:
        app.push_screen(HistorySearch(sent), app.found.append)
        await pilot.pause()
        shown.append(screen_text(app))
        app.screen.query_one(Input).value = "zzz"
        await pilot.pause()
        shown.append(screen_text(app))

    drive(app, script, size=size)
    for name, text in zip(("found", "nothing"), shown, strict=True):
        assert text == screen_snapshot(name=f"{name}_{size[0]}x{size[1]}")


def test_history_search_takes_what_was_clicked_and_says_when_nothing_was_sent(
    drive: Drive, screen_text: ScreenText
) -> None:
    app = HelpApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.push_screen(HistorySearch(history()), app.found.append)
        await pilot.pause()
        assert "Nothing was sent here yet." in screen_text(app)
        await pilot.press("enter")
        app.push_screen(HistorySearch(history("one", "two")), app.found.append)
        await pilot.pause()
        await pilot.click("OptionList", offset=(2, 1))
        await pilot.pause()

    drive(app, script)
    assert app.found == [None, "one"]


@pytest.mark.parametrize(("query", "name"), [("tear", "teardown"), ("colours", "theme"), ("/jobs", "jobs")])
def test_palette_gives_the_command_to_the_screen(drive: Drive, query: str, name: str) -> None:
    app = HelpApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.push_screen(CommandPalette())
        await pilot.pause()
        app.screen.query_one(Input).value = query
        await pilot.pause(0.2)
        await app.workers.wait_for_complete()
        await pilot.press("enter")
        await pilot.pause()

    drive(app, script)
    assert app.given == [(name, "")]


def test_palette_shows_the_hint_of_an_argument(drive: Drive, screen_text: ScreenText) -> None:
    app = HelpApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.push_screen(CommandPalette())
        await pilot.pause(0.1)
        await app.workers.wait_for_complete()
        await pilot.pause(0.1)
        assert "/play [PROMPT]" in screen_text(app)
        app.screen.query_one(Input).value = "theme"
        await pilot.pause(0.2)
        await app.workers.wait_for_complete()
        await pilot.pause(0.1)
        assert "/theme [NAME]" in screen_text(app)

    drive(app, script, size=(80, 40))
