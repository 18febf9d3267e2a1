import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen

from agent.tui.messages import UndoWanted
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
from agent.tui.widgets.chat_items import ItemView
from agent.tui.widgets.transcript import Transcript
from tests.fakes.screen_scenes import FIGURES

T = 1_790_000_000.0
DIFF = """--- spec.yaml
+++ spec.yaml
@@ -3,4 +3,5 @@
 train:
   method: lora
-  epochs: 3
+  epochs: 2
+  max_cost_usd: 12
"""
ANSWER = """Thank you. **Two things** are still open:

1. What must never happen? For example: a refund promised by the model.
2. What score makes this worth shipping? The best rule-based line today is macro-F1 `0.71`.

| column | kind | rows | example |
|---|---|---|---|
| subject | text | 2,000 | Charged twice for one invoice |
| label | one of 4 | 1,990 | billing |

```python
def route(ticket: str) -> str:
    return "billing" if "invoice" in ticket else "other"
```

I set `must_beat: 0.80`. Change it in the spec (F2); I will see your edit."""
CONVERSATION: tuple[ChatItem, ...] = (
    Said("u1", T, "user", "Tickets come from a CSV export. Four labels.\nReplies should be short."),
    ToolUse("t1", T + 1, "Read data/train.csv", "done", 0.4, "2,000 rows, 4 columns"),
    ToolUse("t2", T + 2, "Profile the labels", "done", 75.0),
    ToolUse("t3", T + 3, "Delete data/", "refused", None, "nothing outside the project is written"),
    Said("a1", T + 5, "agent", ANSWER),
    SpecEdit("s1", T + 6, "agent", DIFF, ("epochs: 2 is little for 800 rows",), True),
    SpecEdit("s2", T + 7, "user", DIFF),
    Asked(
        "q1",
        T + 8,
        "What must never happen?",
        "It becomes a check that each answer is held against.",
        "a refund is promised",
        ("a refund is promised", "a customer is insulted", "none of these"),
        "2 of 6",
    ),
    Said("u2", T + 60, "user", "Never promise a refund."),
    PlanShown(
        "p1",
        T + 62,
        "Plan r7 in 3 steps",
        (
            ("Prepare data", "about 3 s · $0"),
            ("Train LoRA on the local H200, 2 epochs over 2,000 rows", "about 0.4 GPU-h (0.3–0.6) · $0"),
            ("Evaluate against the held-out 300", "about 2 min · $0"),
        ),
        "about 0.5 h and $0, at most 0.8 h",
        ("Nothing leaves this machine.",),
    ),
    Note("n1", T + 63, "done", "You approved step 1 of 3."),
    RunTold("r1", T + 64, tuple(f"14:31:{n:02} step {300 + n} loss 0.4{n:02}" for n in range(20)), True),
    Measured("m1", T + 70, "results", FIGURES),
    Measured("m2", T + 71, "answers", "base:  Please contact the billing department about this.\ntuned: billing"),
    Note("n2", T + 72, "warning", "80 % of the budget is spent.", "Raise it in the spec, or stop here."),
    Note("n3", T + 73, "error", "The model did not answer.", "Check the network, then send your message again."),
    ToolUse("t9", T + 74, "Train", "running", 3.0, "step 312 of 500"),
    Said("u3", T + 80, "user", "And this waits.", False),
)


class ChatScreen(Screen[None]):
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        yield Transcript(clock=lambda: T + 100)


class ChatApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.undos = 0

    def get_default_screen(self) -> Screen[None]:
        return ChatScreen()

    def on_undo_wanted(self, message: UndoWanted) -> None:
        self.undos += 1

    @property
    def transcript(self) -> Transcript:
        return self.screen.query_one(Transcript)

    @property
    def keys_mounted(self) -> list[str]:
        return [view.item.key for view in self.screen.query(ItemView)]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def messages(count: int, start: int = 0) -> list[ChatItem]:
    return [
        Said(f"k{n}", T + n, "agent" if n % 2 else "user", f"message number {n}") for n in range(start, start + count)
    ]


def colours_of(app: App[Any]) -> set[str]:
    return {str(segment.style) for strip in app.screen._compositor.render_strips() for segment in strip}


def rows(text: str) -> list[str]:
    """Return the lines without the scrollbar and without the last, where the marker stands."""
    return [line[:79].rstrip() for line in text.splitlines()[:-1]]


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["narrow", "wide"])
def test_transcript_draws_every_kind_when_at_both_sizes(
    size: tuple[int, int], drive: Callable[..., None], screen_text: Callable[..., str], screen_snapshot: Any
) -> None:
    app = ChatApp()
    pages: list[str] = []

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(CONVERSATION)
        await pilot.pause()
        await pilot.pause()
        pages.append(screen_text(app))
        while app.transcript.scroll_y > 0:
            app.transcript.page_up()
            await pilot.pause()
            pages.append(screen_text(app))

    drive(app, script, size)
    assert "~~~~ a page up ~~~~\n".join(pages) == screen_snapshot(name=f"conversation-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["narrow", "wide"])
def test_transcript_says_what_is_not_shown_when_scrolled_up(
    size: tuple[int, int], drive: Callable[..., None], screen_text: Callable[..., str], screen_snapshot: Any
) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(messages(200))
        await pilot.pause()
        app.transcript.page_up()
        app.transcript.put(Note("n", T, "info", "Saved."))
        await pilot.pause()
        assert screen_text(app) == screen_snapshot(name=f"scrolled-up-{size[0]}x{size[1]}")

    drive(app, script, size)


def test_transcript_mounts_the_last_sixty_when_a_thousand_are_shown(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(messages(1000))
        await pilot.pause()
        assert app.keys_mounted == [f"k{n}" for n in range(940, 1000)]
        assert "message number 999" in screen_text(app)
        assert app.transcript.is_following

    drive(app, script)


def test_transcript_reaches_all_messages_when_paged_up_and_never_mounts_more_than_sixty(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()
    seen: set[str] = set()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(messages(150))
        await pilot.pause()
        for step in [app.transcript.page_up] * 15 + [app.transcript.page_down] * 17:
            step()
            await pilot.pause()
            await pilot.pause()
            assert len(app.keys_mounted) <= 60
            seen.update(line.strip() for line in rows(screen_text(app) + " ") if "message number" in line)
        assert app.transcript.is_following
        assert "message number 149" in screen_text(app)

    drive(app, script, (80, 60))
    assert len(seen) == 150


def test_transcript_keeps_the_view_when_earlier_messages_are_loaded(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(messages(100))
        await pilot.pause()
        app.transcript.scroll_to(y=2, animate=False, immediate=True)
        await pilot.pause()
        before = rows(screen_text(app))
        app.transcript._load_earlier()
        await pilot.pause()
        assert "k10" in app.keys_mounted
        assert rows(screen_text(app))[1:] == before[1:]

    drive(app, script)


def test_transcript_loads_earlier_messages_when_the_line_is_clicked(drive: Callable[..., None]) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show([Note(f"n{n}", T, "info", "x") for n in range(100)])
        app.transcript.styles.height = 130
        await pilot.pause()
        assert "n39" not in app.keys_mounted
        await pilot.click(".chat--earlier")
        await pilot.pause()
        assert "n10" in app.keys_mounted

    drive(app, script, (80, 140))


def test_transcript_replaces_in_place_when_the_key_is_known(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show([ToolUse("t", T, "Train", "running", None), Note("n", T, "info", "after")])
        await pilot.pause()
        view = app.screen.query(ItemView).first()
        app.transcript.put(ToolUse("t", T, "Train", "done", 12.0))
        await pilot.pause()
        assert app.screen.query(ItemView).first() is view
        assert [line.strip() for line in screen_text(app).splitlines()[:3]] == ["✓ Train · 12 s", "", "· after"]

    drive(app, script)


def test_transcript_keeps_a_change_when_the_item_is_not_mounted(drive: Callable[..., None]) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(messages(100))
        app.transcript.put(Said("k3", T, "agent", "changed"))
        await pilot.pause()
        assert len(app.keys_mounted) == 60
        assert app.transcript._window.items[3] == Said("k3", T, "agent", "changed")

    drive(app, script)


def test_transcript_drops_items_when_they_are_removed(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(messages(100))
        await pilot.pause()
        await app.transcript.remove({"k99", "k98", "k5", "unknown"})
        await pilot.pause()
        assert "message number 97" in screen_text(app)
        assert "message number 98" not in screen_text(app)
        assert app.keys_mounted[0] == "k40"

    drive(app, script)


def test_transcript_asks_to_undo_when_the_word_is_clicked_or_enter_pressed(drive: Callable[..., None]) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show([SpecEdit("s", T, "agent", DIFF, (), True)])
        await pilot.pause()
        await pilot.click(ItemView, offset=(2, 2))
        assert app.undos == 0
        line = 7
        await pilot.click(ItemView, offset=(5, line))
        await pilot.pause()
        assert app.undos == 1
        app.screen.query_one(ItemView).focus()
        await pilot.press("enter")
        assert app.undos == 2
        app.transcript.put(SpecEdit("s", T, "agent", DIFF, (), False))
        await pilot.pause()
        await pilot.click(ItemView, offset=(5, line))
        await pilot.press("enter", "u")
        assert app.undos == 2

    drive(app, script)


def test_transcript_folds_and_unfolds_when_details_are_toggled(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()
    diff = "\n".join(f"+line {n}" for n in range(30))
    items = [ToolUse("t", T, "Read", "done", 1.0, "2,000 rows"), SpecEdit("s", T, "agent", diff)]

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(items)
        await pilot.pause()
        folded = screen_text(app)
        assert "2,000 rows" not in folded
        assert "line 20" not in folded
        assert "… 10 more lines, Ctrl+O shows them" in folded
        app.transcript.toggle_details()
        await pilot.pause()
        assert "2,000 rows" in screen_text(app)
        assert "line 29" in screen_text(app)
        app.transcript.toggle_details()
        await pilot.pause()
        assert screen_text(app) == folded

    drive(app, script, (80, 50))


def test_transcript_copies_without_wrapping_when_text_is_selected(drive: Callable[..., None]) -> None:
    app = ChatApp()
    text = "One sentence that is long enough to wrap at the edge of a narrow screen. " * 2 + "\n\n- a\n- b"

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show([Said("a", T, "agent", text)])
        await pilot.pause()
        await pilot.mouse_down(ItemView, offset=(1, 2))
        await pilot.hover(ItemView, offset=(20, 8))
        await pilot.mouse_up(ItemView, offset=(20, 8))
        await pilot.pause()
        selected = app.screen.get_selected_text()
        assert selected is not None
        assert selected.startswith(text.splitlines()[0].strip())
        assert "\n• a" in selected

    drive(app, script, (60, 24))


@pytest.mark.parametrize("theme", ["textual-light", "ansi-dark", "ansi-light"])
def test_transcript_draws_the_same_when_the_theme_changes(
    theme: str, drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(CONVERSATION[:5])
        await pilot.pause()
        before, colours = screen_text(app), colours_of(app)
        app.theme = theme
        await pilot.pause()
        await pilot.pause()
        assert screen_text(app) == before
        assert colours_of(app) != colours

    drive(app, script)


def test_transcript_gives_the_last_answer_when_it_is_copied(drive: Callable[..., None]) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        assert app.transcript.last_answer() == ""
        app.transcript.show(CONVERSATION)
        assert app.transcript.last_answer() == ANSWER

    drive(app, script)


def test_transcript_takes_no_focus_when_clicked(drive: Callable[..., None]) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(CONVERSATION)
        await pilot.pause()
        await pilot.click(Transcript, offset=(5, 5))
        assert app.focused is None

    drive(app, script)


def test_items_name_the_speaker_once_when_one_goes_on(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()
    items = [
        Said("1", T, "agent", "First."),
        ToolUse("2", T + 1, "Read", "done", 0.1),
        Said("3", T + 2, "agent", "Second."),
        Said("4", T + 3, "user", "Mine."),
        Said("5", T + 4, "agent", "Third."),
        Said("6", T + 4000, "agent", "Much later."),
    ]

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(items)
        await pilot.pause()
        headings = [line.strip() for line in screen_text(app).splitlines() if "·" in line and "Read" not in line]
        assert headings == ["Agent · 14:13", "You · 14:13", "Agent · 14:13", "Agent · 15:20"]

    drive(app, script)


def test_question_leaves_its_answers_to_the_prompt_while_they_stand_there(drive, screen_text):
    app = ChatApp()

    async def script(pilot):
        app.transcript.show(CONVERSATION[:8])
        app.transcript.answer_below("q1")
        await pilot.pause()
        shown = screen_text(app)
        assert "What must never happen?" in shown
        assert "Why: It becomes a check" in shown
        assert "a customer is insulted" not in shown
        assert "Default:" not in shown
        app.transcript.put(CONVERSATION[8])
        app.transcript.answer_below(None)
        await pilot.pause()
        shown = screen_text(app)
        assert "2  a customer is insulted" in shown
        assert "Default: a refund is promised" in shown

    drive(app, script, (80, 40))


def test_question_with_many_answers_lists_them_in_one_paragraph_while_they_stand_at_the_prompt(drive, screen_text):
    app = ChatApp()
    files = tuple(f"file{number}.csv" for number in range(9))
    asked = Asked("q", T, "Which file?", "It is learned from.", files[0], files)

    async def script(pilot):
        app.transcript.show((asked,))
        app.transcript.answer_below("q")
        await pilot.pause()
        shown = screen_text(app)
        assert "Answers: 1 file0.csv · 2 file1.csv" in shown
        assert "9 file8.csv" in " ".join(shown.split())
        assert sum("file" in line for line in shown.splitlines()) == 3

    drive(app, script, (80, 40))
