"""The prompt: keys, pastes, the open question, history and completion, as a person meets them."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from syrupy.assertion import SnapshotAssertion
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static, TextArea

from agent.tui.messages import CommandGiven, Failed, Submitted
from agent.tui.viewmodels.chat import Asked
from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.question_bar import shows_all_answers

ASKED = Asked("q1", 0.0, "Which column holds the label?\nI found six.", "It is learned.", "category", (), "2 of 6")
OPTIONS = ("category", "priority", "owner", "team", "product", "none of these")
HOSTILE = ("[", "[/x]", "[=1]", "[bold]x", "\x1b[31mred\x1b[0m", "a\u202eb\u200bc", "漢字かな", "👩‍🔧 ok")


class PromptScreen(Screen[None]):
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-narrow"), (110, "-wide")]
    DEFAULT_CSS = "PromptScreen { #chat { height: 1fr; } }"

    def __init__(self, project_dir: Path | None) -> None:
        super().__init__()
        self.project_dir = project_dir

    def compose(self) -> ComposeResult:
        yield Static("\n".join(f"line {number} of the chat" for number in range(60)), id="chat", markup=False)
        yield Prompt(self.project_dir, question_settles_s=0)
        yield Static(" YOU guide · jobs 0 · saved")

    def on_mount(self) -> None:
        self.query_one(Prompt).focus_input()


SCREEN_KEYS = ("escape", "ctrl+d", "end", "pageup", "pagedown", "shift+up", "ctrl+z", "ctrl+g", "f2", "f6")


class PromptApp(App[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding(key, f"left('{key}')") for key in SCREEN_KEYS]

    def __init__(self, project_dir: Path | None = None) -> None:
        super().__init__()
        self.project_dir = project_dir
        self.posted: list[tuple[str, ...]] = []
        self.screen_keys: list[str] = []

    def get_default_screen(self) -> Screen[None]:
        return PromptScreen(self.project_dir)

    @property
    def prompt(self) -> Prompt:
        return self.screen.query_one(Prompt)

    @property
    def area(self) -> TextArea:
        return self.screen.query_one(TextArea)

    def on_submitted(self, message: Submitted) -> None:
        self.posted.append(("said", message.text))

    def on_command_given(self, message: CommandGiven) -> None:
        self.posted.append(("command", message.name, message.argument))

    def on_failed(self, message: Failed) -> None:
        self.posted.append(("failed", message.message, message.hint))

    def action_left(self, key: str) -> None:
        self.screen_keys.append(key)


async def paste(pilot: Pilot[Any], text: str) -> None:
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


Drive = Callable[..., None]


def test_prompt_makes_a_new_line_and_enter_sends(drive: Drive) -> None:
    app = PromptApp()
    ways = (("ctrl+j",), ("shift+enter",), ("alt+enter",), ("\\", "enter"))

    async def script(pilot: Pilot[Any]) -> None:
        for way in ways:
            await pilot.press("a", *way, "b", "enter")

    drive(app, script)
    assert app.posted == [("said", "a\nb")] * len(ways)


def keys_at(*keys: tuple[str, float]) -> list[events.Key]:
    """Return key events as the terminal's reader makes them, each with its time."""
    made: list[events.Key] = []
    for name, at in keys:
        key = events.Key(name, name if len(name) == 1 else None)
        key.time = at
        made.append(key)
    return made


@pytest.mark.parametrize(
    ("keys", "posted", "left"),
    [
        # a paste without marks: line breaks in the middle stay, and the last one does not send either
        ([("a", 1.0), ("enter", 1.001), ("tab", 1.002), ("b", 1.003), ("enter", 1.004)], [], "a\n\tb\n"),
        # a line sent by a program in one go
        ([("a", 1.0), ("enter", 1.001)], ["a"], ""),
        # keys that waited while the program was busy, then typing goes on
        ([("a", 1.0), ("enter", 1.001), ("b", 1.1)], ["a"], "b"),
        # typed
        ([("a", 1.0), ("enter", 1.1), ("b", 1.2), ("enter", 1.3), ("c", 1.4)], ["a", "b"], "c"),
    ],
)
def test_prompt_tells_a_paste_of_single_keys_from_typing(
    drive: Drive, keys: list[tuple[str, float]], posted: list[str], left: str
) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        for event in keys_at(*keys):
            app.post_message(event)
        for _ in range(40):
            await pilot.pause(0.05)
            if app.prompt.text == left:
                break
        assert app.prompt.text == left

    drive(app, script)
    assert app.posted == [("said", text) for text in posted]


def test_prompt_sends_an_empty_message_when_blank_and_no_question_is_open(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        for text in ("", "   ", "\n\n"):
            app.prompt.set_text(text)
            await pilot.press("enter")

    drive(app, script)
    assert app.posted == [("said", "")] * 3


def test_prompt_keeps_every_line_and_does_not_send_when_lines_are_pasted(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        for ending in ("\n", "\r\n", "\r"):
            app.posted.clear()
            await paste(pilot, ending.join(["one", "two", "", "four", ""]))
            assert app.posted == [], ending
            assert app.prompt.text == "one\ntwo\n\nfour\n", ending
            await pilot.press("x", "enter")
            assert app.posted == [("said", "one\ntwo\n\nfour\nx")], ending

    drive(app, script)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("".join(f"row {number}\n" for number in range(120)), "[Pasted 120 lines #1]"),
        ("x" * 100_000, "[Pasted 100,000 characters #1]"),
        ("\n".join(HOSTILE[:4] * 6), "[Pasted 24 lines #1]"),
    ],
)
def test_prompt_shows_a_mark_and_sends_the_text_when_a_paste_is_big(drive: Drive, text: str, mark: str) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("s", "e", "e", "space")
        await paste(pilot, text)
        assert app.area.text == f"see {mark}"
        await pilot.press("!", "enter")

    drive(app, script)
    assert app.posted == [("said", f"see {text}!")]


def test_prompt_counts_marks_and_expands_each_once_when_two_are_pasted(drive: Drive) -> None:
    app = PromptApp()
    first, second = "[Pasted 30 lines #2]\n" * 29 + "end", "b" * 3_000

    async def script(pilot: Pilot[Any]) -> None:
        await paste(pilot, first)
        await paste(pilot, second)
        assert app.area.text == "[Pasted 30 lines #1][Pasted 3,000 characters #2]"
        await pilot.press("enter")

    drive(app, script)
    assert app.posted == [("said", first + second)]


def test_prompt_keeps_or_removes_a_mark_as_a_whole(drive: Drive) -> None:
    app = PromptApp()
    cases = (
        (["backspace"], ""),
        (["home", "delete"], ""),
        (["left", "left", "left", "x"], "[Pasted 30 lines #1]x"),
        (["left", "backspace"], ""),
        (["left", "ctrl+w"], ""),
        (["ctrl+x"], ""),
        (["backspace", "ctrl+underscore"], "[Pasted 30 lines #1]"),
    )

    async def script(pilot: Pilot[Any]) -> None:
        for keys, left in cases:
            app.prompt.clear()
            await paste(pilot, "r\n" * 29 + "r")
            await pilot.press(*keys)
            assert re.sub(r"#\d+", "#1", app.area.text) == left, keys

    drive(app, script)


def test_prompt_drops_control_characters_when_pasted(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        await paste(pilot, "a\x1b[31mb\x07\tc\x00\x9b")
        assert app.prompt.text == "a[31mb\tc"

    drive(app, script)


def test_prompt_shows_and_sends_text_as_it_is_when_it_looks_like_markup(
    drive: Drive, screen_text: Callable[[App[Any]], str]
) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        for text in HOSTILE:
            app.prompt.insert(text)
            app.prompt.set_question(Asked(text, 0.0, text, text, text, (text, "other"), text))
            await pilot.pause()
            assert "other" in screen_text(app), text
            await pilot.press("enter")

    drive(app, script)
    assert app.posted == [("said", text.replace("\x1b", "")) for text in HOSTILE]


def test_prompt_takes_back_a_long_text_when_undone(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("a")
        await paste(pilot, "x\n" * 15)
        await pilot.press("ctrl+underscore")
        assert app.prompt.text == "a"
        await pilot.press("ctrl+y")
        assert app.prompt.text == "a" + "x\n" * 15

    drive(app, script)


def test_prompt_grows_to_eight_lines_when_more_are_written(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        heights: list[int] = []
        for num_lines in (1, 3, 8, 15):
            app.prompt.set_text("\n".join(["x"] * num_lines))
            await pilot.pause()
            heights.append(app.area.size.height)
        assert heights == [1, 3, 8, 8]

    drive(app, script)


def test_prompt_notes_when_keys_and_pastes_came(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        assert app.prompt.typed_at == 0.0
        before = time.monotonic()
        await pilot.press("left")
        by_key = app.prompt.typed_at
        await paste(pilot, "x")
        assert before <= by_key <= app.prompt.typed_at <= time.monotonic()
        assert by_key < app.prompt.typed_at

    drive(app, script)


def test_prompt_tells_whether_it_had_text_and_can_undo_when_cleared(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        await paste(pilot, "r\n" * 30)
        assert app.prompt.clear()
        assert not app.prompt.clear()
        assert app.prompt.text == ""
        await pilot.press("ctrl+underscore")
        assert app.prompt.text == "r\n" * 30

    drive(app, script)


def test_prompt_leaves_keys_to_the_screen_when_they_are_not_its_own(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press(*SCREEN_KEYS)

    drive(app, script)
    assert app.screen_keys == list(SCREEN_KEYS)
    assert app.posted == []


def test_prompt_takes_keys_sent_before_it_was_drawn() -> None:
    app = PromptApp()

    async def body() -> None:
        async with app.run_test() as pilot:
            for key in "hi":
                pilot.app.post_message(events.Key(key, key))
            await pilot.pause()
            assert app.prompt.text == "hi"

    asyncio.run(body())


def test_prompt_shows_a_hint_when_the_engine_is_not_there(drive: Drive, screen_text: Callable[[App[Any]], str]) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.prompt.set_enabled_hint("The engine starts [1]; you can write already")
        await pilot.pause()
        assert "The engine starts [1]; you can write already" in screen_text(app)
        app.prompt.set_enabled_hint("")
        await pilot.pause()
        assert "Answer, or / for commands, @ for files" in screen_text(app)

    drive(app, script)


def test_prompt_tells_commands_from_text(drive: Drive) -> None:
    app = PromptApp()
    cases = (
        ("/help", ("command", "help", "")),
        ("/play  What is it? [/x]", ("command", "play", "What is it? [/x]")),
        ("/q", ("command", "quit", "")),
        ("/statsu", ("failed", "There is no command /statsu. Did you mean /status?", "Type / for the list.")),
        ("/plan all", ("failed", "/plan takes nothing after it.", "Type /plan alone.")),
        ("/home/me/data.csv has the rows", ("said", "/home/me/data.csv has the rows")),
        ("why / how", ("said", "why / how")),
    )

    async def script(pilot: Pilot[Any]) -> None:
        for line, posted in cases:
            app.prompt.set_text(line)
            await pilot.press("enter")
            assert app.prompt.text == (line if posted[0] == "failed" else "")

    drive(app, script)
    assert app.posted == [posted for _line, posted in cases]


def test_prompt_asks_for_help_when_a_question_mark_is_typed_first(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("?", "x", "?")
        assert app.prompt.text == "x?"

    drive(app, script)
    assert app.posted == [("command", "help", "")]


def test_prompt_answers_the_open_question(drive: Drive) -> None:
    app = PromptApp()
    cases = (
        (["enter"], ""),
        (["down", "enter"], "priority"),
        (["up", "enter"], "none of these"),
        (["down", "up", "enter"], ""),
        (["3"], "owner"),
        (["w", "h", "y", "enter"], "why"),
        (["x", "backspace", "enter"], ""),
        (["a", "3", "enter"], "a3"),
    )

    async def script(pilot: Pilot[Any]) -> None:
        for number, (keys, _posted) in enumerate(cases):
            app.prompt.set_question(Asked(f"q{number}", 0.0, "Which?", "", "category", OPTIONS))
            await pilot.press(*keys)

    drive(app, script)
    assert app.posted == [("said", posted) for _keys, posted in cases]


def test_prompt_answers_nothing_when_a_key_decides_nothing(drive: Drive) -> None:
    app = PromptApp()
    cases: tuple[tuple[str | None, tuple[str, ...], list[str], str], ...] = (
        (None, (), ["enter"], ""),
        (None, OPTIONS, ["enter"], ""),
        ("category", OPTIONS, ["9"], "9"),
        ("0.80", ("0.75", "0.80"), ["1"], "1"),
    )

    async def script(pilot: Pilot[Any]) -> None:
        for number, (default, options, keys, text) in enumerate(cases):
            app.prompt.clear()
            app.prompt.set_question(Asked(f"q{number}", 0.0, "Which?", "", default, options))
            await pilot.press(*keys)
            assert app.prompt.text == text, options

    drive(app, script)
    assert app.posted == []


def test_prompt_answers_a_question_once_when_enter_is_pressed_again(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.prompt.set_question(ASKED)
        await pilot.press("enter", "enter")
        app.prompt.set_question(ASKED)
        await pilot.press("enter")
        assert app.posted == [("said", "")]
        app.prompt.set_question(None)
        app.prompt.set_question(ASKED)
        await pilot.press("enter")

    drive(app, script)
    assert app.posted == [("said", ""), ("said", "")]


def test_prompt_ignores_enter_and_digits_when_the_question_appeared_this_moment(drive: Drive) -> None:
    class Late(PromptScreen):
        def compose(self) -> ComposeResult:
            yield Prompt(None, question_settles_s=60)

    class LateApp(PromptApp):
        def get_default_screen(self) -> Screen[None]:
            return Late(None)

    app = LateApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.prompt.set_question(Asked("q1", 0.0, "Which?", "", "category", OPTIONS))
        await pilot.press("enter", "2")
        assert app.posted == []
        assert app.prompt.text == "2"

    drive(app, script)


def test_prompt_keeps_the_question_open_when_a_command_is_given(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.prompt.set_question(ASKED)
        await pilot.press(*"/jobs", "enter", "enter")

    drive(app, script)
    assert app.posted == [("command", "jobs", ""), ("said", "")]


def test_prompt_answers_with_the_option_that_was_clicked(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.prompt.set_question(Asked("q1", 0.0, "Which?", "", "category", OPTIONS))
        await pilot.pause()
        await pilot.click("QuestionBar", offset=(4, 2))

    drive(app, script)
    assert app.posted == [("said", "priority")]


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (140, 40)])
def test_question_leaves_the_chat_room_when_options_and_text_are_long(drive: Drive, size: tuple[int, int]) -> None:
    app = PromptApp()
    options = tuple(f"option {number} " + "x" * 100_000 for number in range(12))

    async def script(pilot: Pilot[Any]) -> None:
        app.prompt.set_question(Asked("q1", 0.0, "Which? " + "y" * 100_000, "", options[0], options, "2 of 6"))
        app.prompt.set_text("\n".join("abcdefgh" * 2))
        await pilot.pause()
        bar = app.screen.query_one("QuestionBar")
        assert bar.size.height + 2 <= (8 if size[1] >= 30 else 7)
        assert app.screen.query_one("#chat").size.height >= 5

    drive(app, script, size=size)


def history_of(project_dir: Path) -> list[object]:
    return [json.loads(line) for line in (project_dir / ".tailor" / "history.jsonl").read_text().splitlines()]


def test_prompt_walks_the_history_of_an_earlier_session_and_keeps_the_draft(drive: Drive, project_dir: Path) -> None:
    first, second = PromptApp(project_dir), PromptApp(project_dir)

    async def earlier(pilot: Pilot[Any]) -> None:
        for text in ("one", "two\nlines", "/status"):
            first.prompt.set_text(text)
            await pilot.press("enter")
        first.prompt.history.close()

    async def later(pilot: Pilot[Any]) -> None:
        seen: list[str] = []
        await second.workers.wait_for_complete()
        await pilot.press("d", "r")
        for key in ("up", "up", "up", "up", "up"):
            await pilot.press(key)
            seen.append(second.prompt.text)
        for key in ("down", "down", "down", "down"):
            await pilot.press(key)
            seen.append(second.prompt.text)
        # inside the two lines, the arrows move the cursor; the keys at the first and last line walk
        assert seen == ["/status", "two\nlines", "two\nlines", "one", "one", "two\nlines", "/status", "dr", "dr"]

    drive(first, earlier)
    assert history_of(project_dir) == ["one", "two\nlines", "/status"]
    drive(second, later)


def test_prompt_keeps_an_edited_entry_as_the_draft_when_the_walk_goes_on(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        for text in ("one", "two"):
            app.prompt.set_text(text)
            await pilot.press("enter")
        await pilot.press("up", "x", "up", "down")
        assert app.prompt.text == "twox"

    drive(app, script)


def test_prompt_never_writes_secrets_to_the_history(drive: Drive, project_dir: Path) -> None:
    app = PromptApp(project_dir)

    async def script(pilot: Pilot[Any]) -> None:
        app.prompt.set_text("use sk-abcdefghijklmnopqrstuv and AKIAABCDEFGHIJKLMNOP")
        await pilot.press("enter", "up")
        assert app.prompt.text == "use [secret removed] and [secret removed]"
        app.prompt.history.close()

    drive(app, script)
    assert app.posted == [("said", "use sk-abcdefghijklmnopqrstuv and AKIAABCDEFGHIJKLMNOP")]
    assert history_of(project_dir) == ["use [secret removed] and [secret removed]"]


def test_completion_puts_commands_in(drive: Drive) -> None:
    app = PromptApp()
    cases = (
        (["/", "s", "t", "a", "tab"], "/status"),
        (["/", "s", "t", "a", "enter"], "/status"),
        (["/", "p", "l", "a", "y", "tab"], "/play "),
        (["/", "p", "down", "tab"], "/play "),
        (["/", "p", "up", "up", "tab"], "/stop "),
        (["/", "p", "escape"], "/p"),
        (["/", "p", "escape", "l", "tab"], "/pl"),
        (["/", "z", "z"], "/zz"),
    )

    async def script(pilot: Pilot[Any]) -> None:
        for keys, text in cases:
            app.prompt.clear()
            await pilot.press(*keys)
            assert app.prompt.text == text, keys

    drive(app, script)
    assert app.posted == []


def test_completion_sends_a_whole_command_when_enter_is_pressed(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press(*"/jobs", "enter")

    drive(app, script)
    assert app.posted == [("command", "jobs", "")]


@pytest.fixture
def full_project(project_dir: Path) -> Path:
    for name in ("data/train.csv", "data/my tickets.csv", "notes.md", ".hidden/train.csv", "node_modules/x.csv"):
        (project_dir / name).parent.mkdir(exist_ok=True)
        (project_dir / name).touch()
    for name in (".tailor/runs/run-7", ".tailor/datasets/tickets"):
        (project_dir / name).mkdir(parents=True)
    (project_dir / "spec.yaml").write_text(
        "name: x\ntrain:\n  epochs: 2 # two\n  lora:\n    rank: 8\ndata:\n  seed: 1\n"
    )
    return project_dir


def test_completion_puts_names_of_the_project_in(drive: Drive, full_project: Path) -> None:
    app = PromptApp(full_project)
    cases = (
        ("use @trcsv", "use data/train.csv "),
        ("use @my", 'use "data/my tickets.csv" '),
        ("(@run", "(run-7 "),
        ("set @rank", "set train.lora.rank "),
        ("set @epo", "set train.epochs "),
        ("mail me@train", "mail me@train"),
        ("no @hidden", "no @hidden"),
    )

    async def script(pilot: Pilot[Any]) -> None:
        for typed, text in cases:
            app.prompt.focus_input()
            app.prompt.clear()
            app.prompt.insert(typed)
            await pilot.pause()
            await app.workers.wait_for_complete()
            await pilot.pause()
            await pilot.press("tab")
            assert app.prompt.text == text

    drive(app, script)


def test_completion_takes_the_entry_that_was_clicked(drive: Drive) -> None:
    app = PromptApp()

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("/", "p")
        await pilot.pause()
        await pilot.click("CompletionList", offset=(5, 2))
        await pilot.pause()
        assert app.prompt.text == "/play "

    drive(app, script)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_prompt_looks_as_before(
    drive: Drive,
    screen_text: Callable[[App[Any]], str],
    screen_snapshot: SnapshotAssertion,
    full_project: Path,
    size: tuple[int, int],
) -> None:
    app = PromptApp(full_project)
    shown: dict[str, str] = {}

    async def script(pilot: Pilot[Any]) -> None:
        app.prompt.set_question(Asked("q1", 0.0, ASKED.text, "", "priority", OPTIONS, "2 of 6"))
        await pilot.pause()
        shown["question"] = screen_text(app)
        app.prompt.set_question(Asked("q2", 0.0, "How would you score it?", "", "exact match", (), "3 of 6"))
        app.prompt.set_text("first line\nsecond line")
        await pilot.pause()
        shown["default"] = screen_text(app)
        app.prompt.set_question(None)
        app.prompt.clear()
        await pilot.press("/")
        await pilot.pause()
        shown["commands"] = screen_text(app)
        app.prompt.set_text("look at @t")
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        shown["names"] = screen_text(app)

    drive(app, script, size=size)
    for name, text in shown.items():
        assert text == screen_snapshot(name=f"{name}_{size[0]}x{size[1]}")


def test_prompt_messages_carry_values_only() -> None:
    for message in (Submitted("a"), CommandGiven("b"), Failed("c")):
        assert isinstance(message, Message)


@pytest.mark.parametrize(
    ("default", "options", "is_shown"),
    [
        ("yes", ("yes", "no"), True),
        ("a word", (), True),
        (None, (), True),
        ("a" * 60, (), False),
        ("yes", ("yes", "n" * 60), False),
        ("1", tuple("123456"), False),
        ("你" * 30, (), False),
    ],
)
def test_question_shows_all_its_answers_above_the_prompt_when_they_are_few_and_short(default, options, is_shown):
    assert shows_all_answers(Asked("q", 0.0, "Which?", "", default, options)) is is_shown
