import os
import pty
import stat
import sys
import termios
import tty
from pathlib import Path

import pytest

from agent.tui.launch import farewell, is_without_project, resume_command
from agent.tui.terminal import RESET, SavedTerminal, open_log, tell_terminal, write_all


@pytest.fixture
def terminal():
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)
    os.close(slave)


def test_saved_terminal_knows_and_undoes_what_a_full_screen_program_did(terminal: tuple[int, int]):
    master, slave = terminal
    before = termios.tcgetattr(slave)
    saved = SavedTerminal.of(slave)
    assert not saved.is_changed()
    tty.setraw(slave)
    assert saved.is_changed()
    saved.restore()
    assert termios.tcgetattr(slave) == before
    assert os.read(master, 1_000).decode() == RESET


def test_saved_terminal_does_nothing_wrong_when_there_is_no_terminal(tmp_path: Path):
    with (tmp_path / "file").open("w") as stream:
        saved = SavedTerminal.of(stream.fileno())
        assert saved.attributes is None
        assert not saved.is_changed()
        saved.restore()
    saved.restore()


def test_reset_leaves_every_mode_that_textual_enters():
    for mode in (1000, 1003, 1004, 1006, 1015, 1016, 1049, 2004, 2026, 2048):
        assert f"\x1b[?{mode}l" in RESET
    assert RESET.index("\x1b[<u") < RESET.index("\x1b[?1049l")
    assert RESET.endswith("\x1b[?25h")


def read_back(log: int) -> str:
    write_all(log, b"words")
    os.close(log)
    return "words"


def test_open_log_is_private_and_grows_when_it_is_short(tmp_path: Path):
    path = tmp_path / "interface.log"
    path.write_text("before ")
    path.chmod(0o644)
    read_back(open_log(path))
    assert path.read_text() == "before words"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_open_log_begins_anew_when_it_has_grown_long(tmp_path: Path):
    path = tmp_path / "interface.log"
    path.write_bytes(b"x" * 1_000_001)
    read_back(open_log(path))
    assert path.read_text() == "words"


def test_open_log_follows_no_link(tmp_path: Path):
    target = tmp_path / "target"
    target.write_text("mine")
    path = tmp_path / "interface.log"
    path.symlink_to(target)
    read_back(open_log(path))
    assert target.read_text() == "mine"


@pytest.mark.parametrize("kind", ["pipe", "folder", "missing", "none"])
def test_open_log_writes_nowhere_when_there_can_be_no_log(kind: str, tmp_path: Path):
    path: Path | None = tmp_path / "interface.log"
    assert path is not None
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    path = path / "x" if kind == "missing" else None if kind == "none" else path
    log = open_log(path)
    assert os.fstat(log).st_rdev == os.stat(os.devnull).st_rdev
    read_back(log)


def test_tell_terminal_is_silent_when_the_terminal_has_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    stream = (tmp_path / "screen").open("w")
    monkeypatch.setattr(sys, "__stderr__", stream)
    tell_terminal("words\n\n")
    stream.close()
    assert (tmp_path / "screen").read_text() == "words\n"
    tell_terminal("more")


def test_resume_command_names_what_the_shell_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert resume_command(tmp_path) == resume_command(Path()) == "tailor"
    assert resume_command(Path("a b"), "second one") == "tailor -C 'a b' --thread 'second one'"


def test_folder_is_without_project_until_a_spec_or_state_is_there(tmp_path: Path):
    assert is_without_project(tmp_path)
    assert is_without_project(tmp_path / "missing")
    (tmp_path / "spec.yaml").touch()
    assert not is_without_project(tmp_path)
    (tmp_path / "b" / ".tailor").mkdir(parents=True)
    assert not is_without_project(tmp_path / "b")


def test_farewell_names_the_jobs_that_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert farewell(tmp_path, "main") == "`tailor` takes the conversation up again."
    for number, state in enumerate(("running", "succeeded", "running"), 1):
        folder = tmp_path / ".tailor" / "runs" / f"r{number}"
        folder.mkdir(parents=True)
        if state != "running":
            (folder / "exit.json").write_text("{}")

    class Run:
        def __init__(self, run_id: str, state: str) -> None:
            self.run_id, self.state = run_id, state

    runs = [Run("r1", "running"), Run("r2", "succeeded"), Run("r3", "running")]
    monkeypatch.setattr("tools.runs.list_runs", lambda _: tuple(runs))
    assert "r1, r3 go on; `tailor runs` shows" in farewell(tmp_path, "main")
    runs[0].state = "succeeded"
    assert "r3 goes on" in farewell(tmp_path, "main")
