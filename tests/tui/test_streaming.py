import random
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Markdown, Static

from agent.tui import textual_fixes
from agent.tui.viewmodels.chat import Note, Said
from agent.tui.widgets.chat_markdown import markdown_blocks
from agent.tui.widgets.chat_rows import Block
from agent.tui.widgets.streaming import LiveAnswer, LiveText
from agent.tui.widgets.transcript import Transcript

ANSWERS = {
    "mixed": "# One\n\nTwo **bold** words.\n\n- a\n- b\n  - c\n\n  more of b\n\n1. x\n\n2. y\n\n> q\nlazy\n\n---\nend",
    "rule or bold": "para\n***bold***\n\nnext\n***\nlast\n\nword\n---\nafter",
    "tag or heading": "para\n#tag\n\n# real\n#\nx",
    "fence or code": "para\n```inline``` x\n\n```py\na = 1\n```py\nstill in it\n```\nout",
    "fence left open": "Look:\n\n```yaml\na: 1\n\n\nb: 2",
    "table": "intro\na | b\n---|---\n1 | 2\n3 | 4\n\nafter\n\n| x |\n|---|\n| y |",
    "half written": "**bold and *it `co\n\n| a | b |\n|--",
    "indented": "a\n\n    code\n\n    more code\n\n- x\n\n      deep\n\nb",
    "raw": "<script>alert(1)</script>\n\n<b>x</b> [a](file:///etc/passwd) ![i](http://x) <http://y.z>\n\n[r]: http://x\n",
    "windows": "a\r\n\r\nb",
    "blank": "\n\n\n",
}
HOSTILE = "[/x] [=1] [bold]x \x1b[31mred\x1b]8;;http://evil\x07 \u202eabc\u200b 漢字 🙂 "


def plain(blocks: list[Block], width: int = 40) -> list[str]:
    return [line.content.plain for block in blocks for line in block.lines(width)]


class StreamApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Transcript(clock=lambda: 1_790_000_000.0)


@pytest.mark.parametrize("name", ANSWERS)
def test_streaming_draws_the_same_as_the_whole_when_it_comes_in_pieces(name: str) -> None:
    text = ANSWERS[name]
    chance = random.Random(name)
    whole = plain(markdown_blocks(text))
    for _ in range(12):
        live = LiveText()
        rest = text
        while rest:
            size = chance.randint(1, 6)
            live.write(rest[:size])
            rest = rest[size:]
            live.blocks()
        assert live.text == text
        assert plain(live.blocks(is_finished=True)) == whole


def test_streaming_parses_only_the_end_when_the_answer_is_long() -> None:
    live = LiveText()
    for number in range(50):
        live.write(f"Paragraph {number}.\n\n")
        live.blocks()
    first = live.blocks()[0]
    live.write("One more.\n\nAnd another.\n\n")
    assert live.blocks()[0] is first
    assert len(live._tail) < 60


def test_streaming_shows_all_of_a_link_when_the_model_writes_one() -> None:
    lines = plain(markdown_blocks("[safe](file:///etc/passwd) <b>raw</b> ![p](http://x) <https://y.z> &amp;"), 200)
    assert lines == ["[safe](file:///etc/passwd) <b>raw</b> ![p](http://x) <https://y.z> &amp;"]


def test_streaming_has_no_link_style_when_the_model_writes_links() -> None:
    for block in markdown_blocks("[safe](file:///etc/passwd) and https://example.org"):
        for line in block.lines(80):
            assert not [span for span in line.content.spans if "link" in str(span.style) or "click" in str(span.style)]


def test_markdown_stays_within_the_width_when_the_width_is_small() -> None:
    text = (
        ANSWERS["mixed"]
        + "\n\n> > > > > > > > deep\n\n"
        + ANSWERS["table"]
        + "\n\n```\n"
        + "x" * 90
        + "\n```\n漢字漢字"
    )
    for width in (6, 12, 20, 80):
        for block in markdown_blocks(text):
            assert all(line.content.cell_length <= width for line in block.lines(width)), width


def test_markdown_leaves_marks_alone_when_a_paragraph_is_endless() -> None:
    assert plain(markdown_blocks("**a** " * 3)) == ["a a a"]
    assert plain(markdown_blocks("**a** " * 3000))[0].startswith("**a** **a**")


def test_markdown_table_becomes_named_lines_when_columns_do_not_fit() -> None:
    table = "| model | score | note |\n|---|---|---|\n| the base model | 0.71 | a long remark about it |\n"
    assert plain(markdown_blocks(table), 20) == [
        "model: the base",
        "  model",
        "  score: 0.71",
        "  note: a long",
        "  remark about it",
    ]


def test_settle_keeps_the_widget_and_its_lines_when_the_text_is_the_same(drive: Callable[..., None]) -> None:
    app = StreamApp()

    async def script(pilot: Pilot[Any]) -> None:
        transcript = app.query_one(Transcript)
        transcript.stream(ANSWERS["mixed"])
        await pilot.pause(0.1)
        live = app.query_one(LiveAnswer)
        before = live.plain
        transcript.settle(Said("a1", 1_790_000_000.0, "agent", ANSWERS["mixed"]))
        await pilot.pause()
        assert app.query_one(LiveAnswer) is live
        assert live.plain == before
        assert transcript.last_answer() == ANSWERS["mixed"]
        transcript.stream("A new one")
        await pilot.pause(0.1)
        assert len(app.query(LiveAnswer)) == 2

    drive(app, script)


def test_settle_shows_the_final_text_when_it_differs(drive: Callable[..., None]) -> None:
    app = StreamApp()

    async def script(pilot: Pilot[Any]) -> None:
        transcript = app.query_one(Transcript)
        transcript.stream("Draft")
        await pilot.pause(0.1)
        transcript.settle(Said("a1", 1_790_000_000.0, "agent", "Final *words*"))
        await pilot.pause(0.1)
        assert "Final words" in app.query_one(LiveAnswer).plain
        assert "Draft" not in app.query_one(LiveAnswer).plain

    drive(app, script)


def test_settle_adds_the_answer_when_nothing_was_streamed(drive: Callable[..., None]) -> None:
    app = StreamApp()

    async def script(pilot: Pilot[Any]) -> None:
        transcript = app.query_one(Transcript)
        transcript.settle(Said("a1", 1_790_000_000.0, "agent", "Whole"))
        assert transcript.last_answer() == "Whole"

    drive(app, script)


def test_drop_stream_takes_the_live_answer_away_when_the_turn_failed(drive: Callable[..., None]) -> None:
    app = StreamApp()

    async def script(pilot: Pilot[Any]) -> None:
        transcript = app.query_one(Transcript)
        transcript.stream("Half an")
        await pilot.pause(0.1)
        transcript.drop_stream()
        await pilot.pause()
        assert not app.query(LiveAnswer)
        assert transcript.last_answer() == ""

    drive(app, script)


def test_stream_is_shown_when_it_began_before_the_screen(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    class EarlyApp(App[None]):
        def compose(self) -> ComposeResult:
            transcript = Transcript(clock=lambda: 1_790_000_000.0)
            transcript.show([Note("n", 1_790_000_000.0, "info", "Resumed.")])
            transcript.stream("Early words")
            yield transcript

    app = EarlyApp()

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.pause(0.1)
        assert "Resumed." in screen_text(app)
        assert "Early words" in screen_text(app)

    drive(app, script)


def test_stream_shows_no_control_character_when_the_model_writes_some(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = StreamApp()

    async def script(pilot: Pilot[Any]) -> None:
        transcript = app.query_one(Transcript)
        for character in HOSTILE * 3:
            transcript.stream(character)
        await pilot.pause(0.1)
        assert screen_text(app).replace("\n", "").isprintable()
        assert "\\x1b[31mred" in screen_text(app)
        transcript.settle(Said("a", 1_790_000_000.0, "agent", HOSTILE * 3))
        await pilot.pause()
        assert screen_text(app).replace("\n", "").isprintable()

    drive(app, script)


def test_stream_never_fails_when_clicked_and_dragged_meanwhile(drive: Callable[..., None]) -> None:
    textual_fixes.apply_fixes()
    app = StreamApp()
    chance = random.Random(4)

    async def script(pilot: Pilot[Any]) -> None:
        transcript = app.query_one(Transcript)
        for turn in range(3):
            for number in range(4):
                transcript.stream(ANSWERS["mixed"] + "\n\n" + ANSWERS["table"] + "\n\n")
                await pilot.mouse_down(Transcript, offset=(chance.randrange(70), chance.randrange(20)))
                await pilot.hover(Transcript, offset=(chance.randrange(70), chance.randrange(20)))
                transcript.put(Note(f"n{turn}-{number}", 1.0, "info", "meanwhile"))
                await pilot.mouse_up(Transcript, offset=(chance.randrange(70), chance.randrange(20)))
            transcript.settle(Said(f"a{turn}", 1.0, "agent", "short"))
            transcript.remove({f"a{turn}", f"n{turn}-0"})
            await pilot.click(Transcript, offset=(3, 3))

    drive(app, script)


class GoneApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Markdown("- a\n- b")
        yield Static("below")


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delattr(Screen, textual_fixes._GUARDED, raising=False)
    monkeypatch.setattr(Screen, "get_widget_and_offset_at", lambda screen, x, y: (Static("gone"), Offset(x, y)))
    yield


@pytest.mark.usefixtures("unguarded")
def test_guard_finds_nothing_when_the_widget_under_the_mouse_is_gone() -> None:
    assert textual_fixes.apply_fixes() == textual_fixes.needs_guard(version("textual"))
    assert Screen.get_widget_and_offset_at(Screen(), 1, 1) == (None, None)
    once = Screen.get_widget_and_offset_at
    textual_fixes.apply_fixes()
    assert Screen.get_widget_and_offset_at is once


def test_guard_lets_a_press_pass_when_the_widget_was_just_removed(drive: Callable[..., None]) -> None:
    textual_fixes.apply_fixes()
    app = GoneApp()

    async def script(pilot: Pilot[Any]) -> None:
        place = app.query_one(Markdown).children[0].region.offset + Offset(1, 0)
        press = {"delta_x": 0, "delta_y": 0, "button": 1, "shift": False, "meta": False, "ctrl": False}
        press |= {"screen_x": place.x, "screen_y": place.y}
        await app.query_one(Markdown).children[0].remove()
        app.screen._forward_event(events.MouseDown(None, place.x, place.y, **press))
        app.screen._forward_event(events.MouseMove(None, place.x + 1, place.y, **press))
        app.screen._forward_event(events.MouseUp(None, place.x, place.y, **press))

    drive(app, script)


def test_guard_is_left_out_when_the_version_is_steady() -> None:
    assert not textual_fixes.needs_guard("8.2.7")
    assert textual_fixes.needs_guard("8.2.8")
    assert textual_fixes.needs_guard("9.0.0rc1")


def test_settle_memory_makes_the_collector_calm_when_called(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(textual_fixes.gc, "collect", lambda: calls.append("collect"))
    monkeypatch.setattr(textual_fixes.gc, "freeze", lambda: calls.append("freeze"))
    monkeypatch.setattr(textual_fixes.gc, "set_threshold", lambda *values: calls.append(values))
    textual_fixes.settle_memory()
    assert calls == ["collect", "freeze", (5000, 20, 1000)]
