import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.fakes.screen_terminal import ScreenTerminal

SECRET = "hunter2-in-a-local"
BASH = ["bash", "--norc", "--noprofile", "--noediting", "-i"]


def command(folder: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "tests.fakes.small_interface", str(folder), *flags]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".tailor").mkdir()
    return tmp_path


@pytest.fixture
def start(project: Path) -> Iterator[Callable[..., ScreenTerminal]]:
    """Return a function that starts the small interface in a terminal and waits for its first frame."""
    opened: list[ScreenTerminal] = []

    def run(*flags: str, until: str = "ready") -> ScreenTerminal:
        terminal = ScreenTerminal(command(project, *flags), cwd=project)
        opened.append(terminal)
        if until:
            terminal.wait_for(until)
        return terminal

    yield run
    for terminal in opened:
        terminal.close()


def interface(terminal: ScreenTerminal) -> psutil.Process:
    """Return the process that draws; the one that was started watches over it."""
    return terminal.descendants()[0]


def assert_gave_the_terminal_back(terminal: ScreenTerminal) -> None:
    terminal.wait_for(lambda _: terminal.is_usable, timeout_s=5)
    assert terminal.was_on(1049)
    assert terminal.was_on(1000)


def wait_until_entered(terminal: ScreenTerminal, times: int) -> None:
    """Wait until the screen was entered that often and takes keys; what is typed while it is left is dropped."""
    terminal.wait_for(lambda _: terminal.raw.count(b"\x1b[?2004h") >= times and "ready" in terminal.text)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_terminal_is_usable_and_told_why_when_the_interface_is_killed(number: signal.Signals, start):
    terminal = start()
    interface(terminal).send_signal(number)
    assert terminal.wait_exit() == 128 + number
    assert_gave_the_terminal_back(terminal)
    assert f"The interface was stopped by {number.name}. Nothing is lost: jobs go on." in terminal.text
    assert "`tailor` takes the conversation up again." in terminal.text


def test_leaving_does_not_wait_for_a_thread_that_waits_for_something(start):
    terminal = start()
    terminal.press("f12")
    terminal.wait_for("waiting long")
    terminal.press("ctrl+q")
    assert terminal.wait_exit() == 0
    assert_gave_the_terminal_back(terminal)
    assert "`tailor` takes the conversation up again." in terminal.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_interface_ends_with_its_watcher_when_that_is_asked_to_end(number: signal.Signals, start):
    terminal = start()
    drawing = interface(terminal)
    terminal.kill(number)
    assert terminal.wait_exit() == 128 + number
    assert_gave_the_terminal_back(terminal)
    assert not drawing.is_running()


def test_interface_restores_the_terminal_when_its_watcher_is_killed(start):
    terminal = start()
    drawing = interface(terminal)
    terminal.kill(signal.SIGKILL)
    assert terminal.wait_exit() == -signal.SIGKILL
    assert_gave_the_terminal_back(terminal)
    drawing.wait(5)


def test_hanging_interface_is_ended_when_it_does_not_answer_a_signal(start):
    terminal = start()
    terminal.press("f10")
    terminal.wait_for(lambda _: interface(terminal).status() == psutil.STATUS_SLEEPING)
    terminal.kill(signal.SIGTERM)
    assert terminal.wait_exit() == 128 + signal.SIGTERM
    assert_gave_the_terminal_back(terminal)


def test_native_crash_leaves_a_usable_terminal_and_places_without_values(start, project: Path):
    terminal = start()
    terminal.press("f8")
    assert terminal.wait_exit() == 128 + signal.SIGABRT
    assert_gave_the_terminal_back(terminal)
    assert "stopped by SIGABRT" in terminal.text
    log = (project / ".tailor" / "interface.log").read_text()
    assert "Fatal Python error: Aborted" in log
    assert "in key_f8" in log
    assert SECRET not in log


def test_foreign_writes_go_to_the_log_and_never_to_the_screen(start, project: Path):
    terminal = start()
    terminal.press("f4")
    terminal.wait_for("written")
    terminal.press("ctrl+q")
    assert terminal.wait_exit() == 0
    words = ["NATIVE-ONE", "NATIVE-TWO", "FROM-CHILD", "AND-ERRORS"]
    assert [word for word in [*words, "PRINTED", "ZeroDivisionError"] if word.encode() in terminal.raw] == []
    log = project / ".tailor" / "interface.log"
    assert [word for word in words if word not in log.read_text()] == []
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_leaving_says_how_to_come_back_when_nothing_failed(start):
    terminal = start()
    terminal.press("ctrl+q")
    assert terminal.wait_exit() == 0
    assert_gave_the_terminal_back(terminal)
    assert terminal.text == "`tailor` takes the conversation up again.\n"


def test_crash_prints_places_but_no_values_and_fails(start, project: Path):
    terminal = start()
    terminal.press("f5")
    assert terminal.wait_exit() == 1
    assert_gave_the_terminal_back(terminal)
    assert "RuntimeError: fatal thing 18" in terminal.text
    assert "tests/fakes/small_interface.py:" in terminal.text
    assert "in key_f5" in terminal.text
    assert f"The details are in {project}/.tailor/tailor.log." in terminal.scrolled_text.replace("\n", "")
    assert SECRET.encode() not in terminal.raw
    log = (project / ".tailor" / "tailor.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert SECRET not in log


@pytest.mark.parametrize(("flag", "words"), [("early", "LookupError: no app today"), ("unborn", "no compose")])
def test_crash_before_the_first_frame_is_told_and_fails(flag: str, words: str, start):
    terminal = start(flag, until="")
    assert terminal.wait_exit() == 1
    terminal.wait_for(lambda _: terminal.is_usable, timeout_s=5)
    assert words in terminal.text
    assert SECRET.encode() not in terminal.raw


def test_worker_and_handler_errors_are_told_in_a_panel_and_the_app_lives(start, project: Path):
    terminal = start()
    terminal.press("f2")
    terminal.wait_for("Something failed inside Tailor")
    assert "KeyError: 'worker broke 18'" in terminal.text
    terminal.press("enter")
    terminal.wait_for("ready")
    terminal.press("f3")
    terminal.wait_for("ValueError: handler broke [x] [secret removed] 18")
    terminal.type("q")
    terminal.press("escape")
    terminal.wait_for("ready")
    terminal.type("still here")
    terminal.wait_for("typed still here")
    assert SECRET.encode() not in terminal.raw
    assert SECRET not in (project / ".tailor" / "tailor.log").read_text()
    terminal.press("ctrl+q")
    assert terminal.wait_exit() == 0


def test_errors_that_do_not_end_become_fatal(start):
    terminal = start()
    for _ in range(6):
        terminal.press("f3")
        if terminal.process.poll() is None:
            terminal.wait_for(lambda text: "handler broke" in text)
            terminal.press("escape")
            terminal.wait_for(lambda text: "handler broke" not in text or terminal.process.poll() is not None)
    assert terminal.wait_exit() == 1
    assert "ValueError: handler broke" in terminal.text


def test_ctrl_c_before_the_first_frame_leaves_quietly(start, project: Path):
    terminal = start("slow", until="")
    terminal.wait_for(lambda _: (project / "begun").exists())
    terminal.press("ctrl+c")
    assert terminal.wait_exit() == 130
    assert "Traceback" not in terminal.text
    assert terminal.is_usable


def test_suspended_interface_comes_back_when_the_shell_continues_it(project: Path):
    with ScreenTerminal(BASH, cwd=project, env={"PS1": "SHELL> "}) as terminal:
        terminal.wait_for("SHELL>")
        terminal.type(" ".join(command(project)) + "\r")
        terminal.wait_for("ready")
        terminal.type("abc")
        terminal.wait_for("typed abc")
        for _ in range(2):
            terminal.press("f9")
            terminal.wait_for("Stopped")
            assert_gave_the_terminal_back(terminal)
            terminal.type("fg\r")
            terminal.wait_for("typed abc")
            terminal.wait_for(lambda _: not terminal.is_echoing)
        terminal.type("def")
        terminal.wait_for("typed abcdef")
        terminal.press("ctrl+q")
        terminal.wait_for("takes the conversation up again")
        terminal.type("echo code=$?\r")
        terminal.wait_for("code=0")
        assert_gave_the_terminal_back(terminal)


def test_interface_stopped_from_outside_comes_back_whole(project: Path):
    with ScreenTerminal(BASH, cwd=project, env={"PS1": "SHELL> "}) as terminal:
        terminal.wait_for("SHELL>")
        terminal.type(" ".join(command(project)) + "\r")
        terminal.wait_for("ready")
        drawing = terminal.descendants()[1]
        num_threads = drawing.num_threads()
        drawing.send_signal(signal.SIGSTOP)
        terminal.wait_for("Stopped")
        assert_gave_the_terminal_back(terminal)
        terminal.type("fg\r")
        wait_until_entered(terminal, 2)
        drawing.send_signal(signal.SIGCONT)
        wait_until_entered(terminal, 3)
        terminal.type("abcdef")
        terminal.wait_for("typed abcdef")
        assert drawing.num_threads() == num_threads
        terminal.press("ctrl+q")
        terminal.wait_for("takes the conversation up again")
        terminal.type("echo code=$?\r")
        terminal.wait_for("code=0")
        assert_gave_the_terminal_back(terminal)


def test_interrupt_does_not_end_the_interface(start):
    terminal = start()
    interface(terminal).send_signal(signal.SIGINT)
    terminal.kill(signal.SIGINT)
    terminal.type("still here")
    terminal.wait_for("typed still here")
    terminal.press("ctrl+q")
    assert terminal.wait_exit() == 0


def test_suspending_goes_on_at_once_when_no_shell_could_continue(start):
    terminal = start()
    terminal.press("f9")
    wait_until_entered(terminal, 2)
    terminal.type("still here")
    terminal.wait_for("typed still here")
    terminal.press("ctrl+q")
    assert terminal.wait_exit() == 0


def test_folder_without_a_project_gets_the_first_screen_and_nothing_is_made_when_leaving(tmp_path: Path):
    with ScreenTerminal([sys.executable, "-m", "agent.cli"], cwd=tmp_path, size=(100, 30)) as terminal:
        terminal.wait_for("Make a project here")
        terminal.press("escape")
        assert terminal.wait_exit() == 0
        assert terminal.is_usable
    assert list(tmp_path.iterdir()) == []


def test_chosen_project_is_opened_after_the_first_screen(tmp_path: Path):
    with ScreenTerminal(command(tmp_path), cwd=tmp_path, size=(100, 30)) as terminal:
        terminal.wait_for("Make a project here")
        terminal.press("enter")
        terminal.wait_for("ready")
        terminal.type("abc")
        terminal.wait_for("typed abc")
        terminal.press("ctrl+q")
        assert terminal.wait_exit() == 0
    assert (tmp_path / ".tailor" / "interface.log").is_file()
