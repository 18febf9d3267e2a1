from pathlib import Path

import pytest
from textual.app import ComposeResult
from textual.widgets import Button, Label

from agent.tui.crash import CrashSafe, crash_sentence, crash_text, log_crash
from agent.tui.screens.error import ErrorScreen

SIZES = ((80, 24), (140, 40))
NASTY = ["[", "[/x]", "[=1]", "[bold]x", "\x1b[31mred\x1b[0m", "a\u202eb\u200bc", "漢字 🙂", "x" * 100_000]


class Failing(CrashSafe[None]):
    is_strict = False

    def __init__(self, log_path: Path | None, words: str = "broken") -> None:
        super().__init__()
        self.log_path = log_path
        self.words = words
        self.presses = 0

    def compose(self) -> ComposeResult:
        yield Label("below", markup=False)
        yield Button("Fail", id="fail")
        yield Button("Work", id="work")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        password = "hunter2" + "-local"
        self.presses += 1
        if event.button.id == "fail":
            raise ValueError(self.words, len(password))
        self.run_worker(self._work())

    async def _work(self) -> None:
        raise LookupError(self.words)


async def fail(app: Failing, pilot, name: str = "fail") -> None:
    app.screen_stack[0].query_one(f"#{name}", Button).press()
    await pilot.pause()
    await pilot.pause()


@pytest.mark.parametrize("name", ["fail", "work"])
def test_error_is_told_and_the_app_takes_the_next_message(name: str, tmp_path: Path, drive, screen_text):
    app = Failing(tmp_path / "tailor.log")

    async def script(pilot) -> None:
        await fail(app, pilot, name)
        assert isinstance(app.screen, ErrorScreen)
        assert "Error: " in screen_text(app)
        await pilot.press("enter")
        assert "below" in screen_text(app)
        await fail(app, pilot, name)
        assert app.presses == 2

    drive(app, script)
    assert app.return_code in (None, 0)
    log = (tmp_path / "tailor.log").read_text()
    assert log.count("Traceback (most recent call last)") == 2
    assert "hunter2-local" not in log
    assert (tmp_path / "tailor.log").stat().st_mode & 0o777 == 0o600


def test_further_errors_are_counted_when_the_panel_is_open(drive, screen_text):
    app = Failing(None)

    async def script(pilot) -> None:
        for _ in range(3):
            await fail(app, pilot)
        assert len(app.screen_stack) == 2
        assert "and 2 more, the last: ValueError" in screen_text(app)

    drive(app, script)


def test_sixth_error_within_ten_seconds_ends_the_app(tmp_path: Path, drive, capfd: pytest.CaptureFixture[str]):
    app = Failing(tmp_path / "tailor.log")

    async def script(pilot) -> None:
        for _ in range(6):
            await fail(app, pilot)

    with pytest.raises(ValueError, match="broken"):
        drive(app, script)
    assert app.return_code == 1
    said = capfd.readouterr().err
    assert "Tailor's interface failed inside." in said
    assert "hunter2-local" not in said


def test_app_without_a_terminal_fails_at_the_first_error_unless_told_otherwise(drive):
    app = Failing(None)
    app.is_strict = None

    async def script(pilot) -> None:
        await fail(app, pilot)

    with pytest.raises(ValueError, match="broken"):
        drive(app, script)
    assert app.return_code == 1


def test_q_meant_for_the_screen_below_does_not_quit(drive):
    app = Failing(None)
    clock = [100.0]

    async def script(pilot) -> None:
        await app.push_screen(ErrorScreen("x", "y", clock=lambda: clock[0]))
        clock[0] += 0.9
        await pilot.press("q")
        assert isinstance(app.screen, ErrorScreen)
        assert not app._exit
        clock[0] += 1.1
        await pilot.press("q")
        assert app._exit

    drive(app, script)
    assert app.return_code == 0


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_error_panel_shows_what_failed(size, drive, screen_text, screen_snapshot):
    class Bare(CrashSafe[None]):
        def on_mount(self) -> None:
            words = "ValueError: the row has 3 columns, the header 4, in a file with quite a long name.csv"
            self.push_screen(ErrorScreen(words, "The details are in /home/ada/support/.tailor/tailor.log."))

    app = Bare()

    async def script(_pilot) -> None:
        assert screen_text(app) == screen_snapshot(name=f"error-{size[0]}")

    drive(app, script, size)


@pytest.mark.parametrize("words", NASTY, ids=range(len(NASTY)))
def test_hostile_words_of_an_error_are_shown_harmlessly(words: str, drive, screen_text):
    app = Failing(None, words)

    async def script(pilot) -> None:
        await fail(app, pilot)
        shown = screen_text(app)
        assert "ValueError" in shown
        assert "Enter go on" in shown
        assert not {"\x1b", "\u202e", "\u200b"} & set(shown)

    drive(app, script)


def test_crash_texts_hold_no_secrets_and_one_line(tmp_path: Path):
    error = RuntimeError("key sk-abcdefghijklmnop1234\nand \x1b[2J")
    assert crash_sentence(error) == "RuntimeError: key [secret removed]\\nand \\x1b[2J"
    assert crash_sentence(KeyError()) == "KeyError"
    text = crash_text(error, "Where.", "tailor -C x")
    assert "Where.\n" in text
    assert text.endswith("`tailor -C x` takes the conversation up again.")


def test_log_crash_says_so_when_nothing_could_be_kept(tmp_path: Path):
    error = RuntimeError("x")
    assert "cannot be written (No such file or directory)" in log_crash(error, tmp_path / "no" / "tailor.log")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert "could not be kept" in log_crash(error, tmp_path / "link")
    assert log_crash(error, None) == "The details were not kept."


def test_panic_tells_text_without_values_and_fails(drive, capfd: pytest.CaptureFixture[str]):
    app = Failing(None)

    async def script(pilot) -> None:
        app.panic("[b]it broke[/b] sk-abcdefghijklmnop1234")
        await pilot.pause()

    with pytest.raises(RuntimeError):
        drive(app, script)
    assert app.return_code == 1
    assert "RuntimeError: [b]it broke[/b] [secret removed]" in capfd.readouterr().err


def test_words_on_leaving_are_printed_as_they_are_without_secrets(drive, capfd: pytest.CaptureFixture[str]):
    app = Failing(None)

    async def script(_pilot) -> None:
        app.exit(message="[b]bye[/b] sk-abcdefghijklmnop1234 \x1b[2J")

    drive(app, script)
    assert capfd.readouterr().err == "[b]bye[/b] [secret removed] \\x1b[2J\n"
    app._print_error_renderables()
    assert capfd.readouterr().err == ""


def test_fatal_error_without_an_error_is_told_as_such(drive, capfd: pytest.CaptureFixture[str]):
    app = Failing(None)

    async def script(_pilot) -> None:
        app._fatal_error()

    drive(app, script)
    assert app.return_code == 1
    assert "RuntimeError: the interface ended itself" in capfd.readouterr().err
