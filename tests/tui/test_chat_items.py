from collections.abc import Callable
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from agent.tui.viewmodels.chat import (
    Asked,
    ChatItem,
    Measured,
    Note,
    PlanShown,
    RunTold,
    Said,
    SpecEdit,
    ToolUse,
)
from agent.tui.widgets.chat_items import Place, item_blocks
from agent.tui.widgets.transcript import Transcript
from tests.fakes.screen_scenes import FIGURES

T = 1_790_000_000.0
HOSTILE = (
    "[",
    "[/x]",
    "[=1]",
    "[bold]x[/]",
    "\x1b[31mred\x1b]8;;http://evil\x07x\x1b]8;;\x07",
    "\u202eabc\u2066",
    "a\u200bb\u00adc",
    "漢字" * 60,
    "🙂👨‍👩‍👧" * 20,
    "tab\there\r\nnext\x00",
    "",
    "x" * 100_000,
)


class ItemsApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Transcript()

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)


def words(item: ChatItem, width: int = 80, is_open: bool = False, place: Place | None = None) -> str:
    blocks = item_blocks(item, place or Place(False, False), is_open)
    return "\n".join(line.content.plain.rstrip() for block in blocks for line in block.lines(width))


@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text[:12]) for text in HOSTILE])
def test_items_show_plain_text_when_others_wrote_it(
    text: str, drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ItemsApp()
    items: list[ChatItem] = [
        Said("a", T, "user", text),
        Said("b", T, "agent", text),
        Asked("c", T, text, text, text, (text, text), text),
        ToolUse("d", T, text, "running", 1.0, text),
        ToolUse("e", T, text, "refused", 1.0, text),
        SpecEdit("f", T, "agent", f"+{text}\n-{text}\n {text}", (text,), True),
        PlanShown("g", T, text, ((text, text), (text, text)), text, (text,)),
        Measured("h", T, "results", text),
        Measured("i", T, "answers", text),
        RunTold("j", T, (text, text), True),
        Note("k", T, "error", text, text),
    ]

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.toggle_details()
        app.transcript.show(items)
        await pilot.pause()
        await pilot.pause()
        for _ in range(4):
            assert screen_text(app).replace("\n", "").isprintable()
            app.transcript.page_up()
            await pilot.pause()
        if text.isprintable():
            assert text[:30] in words(Note("k", T, "info", text[:30]))

    drive(app, script)


def test_item_says_that_a_message_waits_when_it_is_not_sent() -> None:
    assert words(Said("u", T, "user", "Hello", False)).endswith("(not read yet)")


def test_item_keeps_figures_whole_when_the_screen_is_narrow() -> None:
    wide, narrow = words(Measured("m", T, "results", FIGURES), 120), words(Measured("m", T, "results", FIGURES), 60)
    table = FIGURES.splitlines()[2:6]
    assert all(line in wide for line in table)
    assert "results pane" not in wide
    assert "results pane" in narrow.replace("\n", " ")
    shown = narrow.splitlines()
    assert all(line.endswith("…") for line in shown[3:7])
    assert FIGURES.splitlines()[-1] in " ".join(shown)
    assert not any(line.endswith("…") for line in shown[8:])


def test_item_shows_the_reason_when_a_tool_is_refused() -> None:
    refused = ToolUse("t", T, "Delete data/", "refused", None, "nothing outside is written")
    assert words(refused) == "✗ Delete data/ · refused: nothing outside is written"


def test_item_shows_the_latest_lines_when_a_log_is_long() -> None:
    log = RunTold("r", T, tuple(f"step {300 + n}" for n in range(20)), True)
    folded, whole = words(log), words(log, is_open=True)
    assert "step 319" in folded
    assert "step 300" not in folded
    assert "step 300" in whole


def test_item_words_the_time_when_a_tool_is_done() -> None:
    took = {value: words(ToolUse("t", T, "Read", "done", value)) for value in (0.04, 9.94, 12.4, 60.0, 75.0)}
    assert list(took.values()) == [
        "✓ Read · 0.0 s",
        "✓ Read · 9.9 s",
        "✓ Read · 12 s",
        "✓ Read · 1 min",
        "✓ Read · 1 min 15 s",
    ]


def test_item_keeps_one_line_when_a_tool_is_long() -> None:
    assert words(ToolUse("t", T, "Read\nmany " * 40, "done", 1.0)).count("\n") == 0


def test_item_offers_undo_when_the_edit_can_be_taken_back() -> None:
    assert "undo" in words(SpecEdit("s", T, "agent", "+a", (), True))
    assert "undo" not in words(SpecEdit("s", T, "agent", "+a"))


def test_item_says_who_changed_the_spec_when_it_is_drawn() -> None:
    assert words(SpecEdit("s", T, "agent", "+a\n-b\n+c")).startswith("✎ agent changed spec.yaml · +2 -1")
    assert words(SpecEdit("s", T, "user", "")).startswith("✎ you changed spec.yaml · +0 -0")


def test_item_stacks_the_plan_when_the_screen_is_very_narrow() -> None:
    plan = PlanShown("p", T, "Plan", (("Train LoRA on the local machine", "about 0.4 GPU-h (0.3–0.6)"),), "0.5 h")
    for width in (14, 20, 30):
        drawn = [line.content for block in item_blocks(plan, Place(False, False), False) for line in block.lines(width)]
        assert all(line.cell_length <= width for line in drawn)
        assert "GPU-h" in "".join(line.plain for line in drawn)


def test_item_leaves_nothing_out_when_an_answer_is_wrapped() -> None:
    text = "\n".join(f"model {n}:   " + "word " * 30 for n in range(3))
    shown = words(Measured("m", T, "answers", text), 40)
    assert shown.split() == ["Answers", "of", "the", "models", *text.split()]
