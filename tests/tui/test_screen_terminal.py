import sys
from pathlib import Path

import pytest

from tests.fakes.screen_terminal import ScreenTerminal, key_bytes

BASH = ["bash", "--norc", "--noprofile", "-i"]

APP = """
from textual.app import App
from textual.widgets import Label, TextArea

class Demo(App):
    def compose(self):
        yield Label("ready [x]", markup=False)
        yield TextArea()
    def on_text_area_changed(self, event):
        self.query_one(Label).update(f"{len(event.text_area.text)} chars {event.text_area.document.line_count} lines")
    def key_f2(self):
        self.notify("f2 pressed", timeout=60)
    def key_ctrl_g(self):
        self.bell()

Demo().run()
"""


@pytest.fixture
def app(tmp_path: Path):
    (tmp_path / "demo.py").write_text(APP)
    with ScreenTerminal([sys.executable, tmp_path / "demo.py"], size=(100, 30)) as terminal:
        terminal.wait_for("ready [x]")
        yield terminal


def test_screen_terminal_takes_keys_paste_and_size_when_a_full_screen_program_runs(app: ScreenTerminal):
    assert app.is_alternate
    assert app.is_mouse_on
    assert not app.is_echoing
    assert not app.is_usable
    app.type("ab")
    app.wait_for("2 chars 1 lines")
    app.press("enter")
    app.wait_for("3 chars 2 lines")
    app.paste("one\ntwo\nthree")
    app.wait_for("16 chars 4 lines")
    app.press("f2")
    app.wait_for("f2 pressed")
    app.resize(60, 20)
    app.wait_for(lambda text: max(map(len, text.splitlines())) <= 60)
    app.press("ctrl+g")
    app.wait_for(lambda _: app.bells)
    app.press("ctrl+q")
    assert app.wait_exit() == 0
    assert app.is_usable
    assert app.was_on(1049)


def test_screen_terminal_shows_the_screen_when_a_text_does_not_come(app: ScreenTerminal):
    with pytest.raises(AssertionError, match=r"(?s)'never' did not come.*still runs.*│.*ready \[x\]"):
        app.wait_for("never", timeout_s=0.2)


def test_screen_terminal_is_left_unusable_when_the_program_is_killed_without_a_watcher(app: ScreenTerminal):
    app.kill()
    assert app.wait_exit() == -9
    assert app.is_alternate
    assert not app.is_usable


def test_screen_terminal_keeps_both_screens_and_ends_what_was_started_when_a_shell_runs(tmp_path: Path):
    (tmp_path / "script").write_text(
        "sleep 600 & printf 'main\\e[?1049hside\\e[31m'; read -s; printf '\\e[?1049l\\e[<u\\e]9;done\\a'\n"
    )
    with ScreenTerminal(BASH, cwd=tmp_path, env={"PS1": "$ "}) as terminal:
        terminal.wait_for("$")
        terminal.type(". ./script\r")
        terminal.wait_for("side")
        assert "main" not in terminal.text
        terminal.wait_for(lambda _: "sleep" in [child.name() for child in terminal.descendants()])
        (sleeping,) = [child for child in terminal.descendants() if child.name() == "sleep"]
        terminal.press("enter")
        terminal.wait_for("main")
        terminal.wait_for(lambda _: "9;done" in terminal.commands)
        assert "side" not in terminal.text
    assert not sleeping.is_running()


def test_key_bytes_are_those_of_xterm_when_named():
    assert key_bytes("ctrl+j") == b"\n"
    assert key_bytes("alt+up") == b"\x1b\x1b[A"
    assert key_bytes("f5") == b"\x1b[15~"
    with pytest.raises(ValueError, match="no key 'hyper'"):
        key_bytes("hyper")
