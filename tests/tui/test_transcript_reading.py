from collections.abc import Callable
from typing import Any

from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen

from agent.tui.viewmodels.chat import ChatItem, Note, Said
from agent.tui.widgets.streaming import LiveAnswer
from agent.tui.widgets.transcript import Transcript

T = 1_790_000_000.0


class ChatScreen(Screen[None]):
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        yield Transcript(clock=lambda: T + 100)


class ChatApp(App[None]):
    def get_default_screen(self) -> Screen[None]:
        return ChatScreen()

    @property
    def transcript(self) -> Transcript:
        return self.screen.query_one(Transcript)


def messages(count: int, start: int = 0) -> list[ChatItem]:
    return [
        Said(f"k{n}", T + n, "agent" if n % 2 else "user", f"message number {n}") for n in range(start, start + count)
    ]


def wheel(kind: type[events.MouseEvent]) -> events.MouseEvent:
    return kind(None, 1, 1, 0, 0, 0, False, False, False)


def rows(text: str) -> list[str]:
    """Return the lines without the scrollbar and without the last, where the marker stands."""
    return [line[:79].rstrip() for line in text.splitlines()[:-1]]


def test_reading_is_not_moved_when_scrolled_up_and_text_comes(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        transcript = app.transcript
        transcript.show(messages(40))
        await pilot.pause()
        transcript.stream("The answer begins.\n\n")
        await pilot.pause(0.1)
        for _ in range(4):
            transcript.line_up()
        await pilot.pause()
        before = rows(screen_text(app))
        drawn = app.screen.query_one(LiveAnswer).plain
        for number in range(30):
            transcript.stream(f"Line {number}.\n\n")
        await pilot.pause(0.2)
        assert rows(screen_text(app)) == before
        assert "↓ new below, End follows" in screen_text(app).splitlines()[-1]
        assert app.screen.query_one(LiveAnswer).plain == drawn
        transcript.settle(Said("done", T + 100, "agent", transcript._live.text if transcript._live else ""))
        transcript.put(Note("later", T + 101, "info", "Later."))
        await pilot.pause()
        assert rows(screen_text(app)) == before
        assert not transcript.is_following
        transcript.to_end()
        await pilot.pause()
        await pilot.pause()
        assert transcript.is_following
        assert "Line 29." in screen_text(app)
        assert "Later." in screen_text(app)
        assert "↓ new below" not in screen_text(app)

    drive(app, script)


def test_reading_catches_up_when_the_person_returns_to_the_end(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        transcript = app.transcript
        transcript.show(messages(40))
        await pilot.pause()
        transcript.page_up()
        await pilot.pause()
        transcript.stream("Word " * 200 + "last words")
        await pilot.pause(0.1)
        assert "last words" not in screen_text(app)
        transcript.follow()
        await pilot.pause(0.2)
        assert "last words" in screen_text(app)

    drive(app, script)


def test_reading_follows_when_text_comes_at_the_end(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()

    async def script(pilot: Pilot[Any]) -> None:
        transcript = app.transcript
        transcript.page_up()
        transcript.show(messages(2))
        await pilot.pause()
        transcript.line_up()
        for item in messages(40, start=2):
            transcript.put(item)
        await pilot.pause()
        assert "message number 41" in screen_text(app)
        transcript.line_down()
        transcript.post_message(wheel(events.MouseScrollDown))
        await pilot.pause()
        transcript.put(Note("n", T, "info", "newest"))
        await pilot.pause()
        assert "newest" in screen_text(app)
        transcript.post_message(wheel(events.MouseScrollUp))
        await pilot.pause()
        assert not transcript.is_following

    drive(app, script)


def test_reading_holds_what_is_read_when_the_width_changes(
    drive: Callable[..., None], screen_text: Callable[..., str]
) -> None:
    app = ChatApp()
    items = [Said(f"k{n}", T + n * 3600, "agent", f"{n} begins. " + "word " * 60) for n in range(30)]

    async def script(pilot: Pilot[Any]) -> None:
        app.transcript.show(items)
        await pilot.pause()
        app.transcript.scroll_to(y=app.transcript._spots[15][0], animate=False, immediate=True)
        await pilot.pause()
        assert "15 begins." in "".join(screen_text(app).splitlines()[:5])
        await pilot.resize_terminal(50, 20)
        await pilot.pause()
        assert "15 begins." in "".join(screen_text(app).splitlines()[:5])

    drive(app, script, (120, 20))
