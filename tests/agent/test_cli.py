import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import commands
from agent.cli import main
from tests.fakes.granted_project import a_manifest
from tools.client import Tailor
from tools.errors import BackendError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Let `tailor runs` end with an error."""

    def fail_with(error: BaseException) -> None:
        def runs(_arguments: object) -> int:
            secret_value = "hunter2" + "-local"
            if secret_value:
                raise error
            return 0

        monkeypatch.setitem(commands.COMMANDS, "runs", runs)

    return fail_with


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "agent.cli", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["--help"], 0), (["dance"], 2), (["spec"], 2), (["show"], 2), (["run", "--max-usd", "x"], 2)],
)
def test_arguments_are_refused_or_explained_by_the_parser(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == code
    said = capsys.readouterr()
    assert ("usage: tailor" in said.err) if code else said.out


def test_every_command_of_the_parser_is_done_by_something(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert {name.split()[0] for name in commands.COMMANDS} == {
        line.split()[0] for line in shown.splitlines() if line.startswith("    ") and line[4] != " "
    } - {"COMMAND"}
    assert "130 interrupted" in " ".join(shown.split())


def test_no_command_means_plain_chat_when_there_is_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    called = []
    monkeypatch.setitem(commands.COMMANDS, "chat", lambda arguments: called.append(vars(arguments)) or 7)
    assert main([]) == 7
    assert main(["-C", str(tmp_path), "--continue", "--thread", "two", "--brain", "guide", "-p", "Hello"]) == 7
    wanted = {"answers": None, "json": False}
    assert called == [
        {**wanted, "project": ".", "prompt": None, "brain": None, "thread": "main"},
        {**wanted, "project": str(tmp_path), "prompt": "Hello", "brain": "guide", "thread": "two"},
    ]


@pytest.mark.parametrize(
    ("flags", "term", "is_terminal", "opened"),
    [
        ([], "xterm-256color", True, True),
        ([], "xterm-256color", False, False),
        ([], "dumb", True, False),
        ([], "", True, False),
        (["--plain"], "xterm-256color", True, False),
        (["chat"], "xterm-256color", True, False),
    ],
)
def test_no_command_opens_the_screen_when_there_is_a_terminal(
    flags: list[str], term: str, is_terminal: bool, opened: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls = []
    monkeypatch.setattr("agent.tui.launch.run_interface", lambda *given, **flags: calls.append((given, flags)) or 0)
    monkeypatch.setitem(commands.COMMANDS, "chat", lambda _: 0)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: is_terminal, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    monkeypatch.setenv("TERM", term)
    assert main(["-C", str(tmp_path), *flags]) == 0
    wanted = ((tmp_path,), {"thread": "main", "brain": None, "first_words": None})
    assert calls == ([wanted] if opened else [])


@pytest.mark.parametrize("flags", [["--brain", "guide"], ["-p", "x"], ["--thread", "x"], ["--plain"], ["--continue"]])
def test_flags_of_the_conversation_are_refused_before_a_command(flags: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main([*flags, "runs"])
    assert caught.value.code == 2
    assert "before a command has no meaning" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_version_and_help_load_nothing_heavy(flag: str):
    code = """
import sys, time
from agent.cli import main
try:
    main([sys.argv[1]])
except SystemExit:
    pass
heavy = {"textual", "rich", "langgraph", "langchain_core", "boto3", "mlflow", "torch", "numpy", "pydantic", "asyncio"}
print("LOADED", sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, flag], capture_output=True, text=True, env=environment(), timeout=60
    )
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stderr


def test_error_becomes_sentences_on_stderr_and_its_exit_code(
    tmp_path: Path, failing, capsys: pytest.CaptureFixture[str]
):
    failing(BackendError("The server \x1b[2J is gone.", "Start it."))
    assert main(["-C", str(tmp_path), "runs"]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "The server \\x1b[2J is gone.\nStart it.\n"


def test_interrupt_exits_130_and_says_that_jobs_go_on(tmp_path: Path, failing, capsys: pytest.CaptureFixture[str]):
    failing(KeyboardInterrupt())
    assert main(["-C", str(tmp_path), "runs"]) == 130
    assert "Jobs that were running go on" in capsys.readouterr().err


def test_unexpected_error_is_a_sentence_and_its_traceback_stands_in_the_projects_log(
    tmp_path: Path, failing, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    layout = Tailor(tmp_path / "project", create=True).layout
    failing(RuntimeError("refused key sk-abcdefghijklmnop1234"))
    assert main(["-C", "project", "runs"]) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert "inside Tailor (RuntimeError)" in said.err
    assert "The details are in project/.tailor/tailor.log" in said.err
    log = layout.log_path.read_text()
    assert "Traceback (most recent call last)" in log
    assert "RuntimeError: refused key [secret removed]" in log
    assert "hunter2-local" not in log
    assert stat.S_IMODE(layout.log_path.stat().st_mode) == 0o600


def test_unexpected_error_of_a_named_spec_is_logged_beside_that_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    layout = Tailor(tmp_path / "project", create=True).layout

    def broken(_arguments: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setitem(commands.COMMANDS, "plan", broken)
    assert main(["plan", str(layout.spec_path)]) == 1
    assert "ZeroDivisionError" in layout.log_path.read_text()


def test_unexpected_error_is_told_when_no_log_can_be_kept(tmp_path: Path, failing, capsys: pytest.CaptureFixture[str]):
    failing(RuntimeError("x"))
    assert main(["-C", str(tmp_path / "nowhere"), "runs"]) == 1
    assert "could not be kept" in capsys.readouterr().err


def test_reader_that_has_gone_ends_the_command_quietly():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command("spec", "schema"), stdout=writing, stderr=subprocess.PIPE, text=True, env=environment(), timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_terminal_without_utf8_gets_escapes_instead_of_an_error(tmp_path: Path):
    done = subprocess.run(
        command("-C", tmp_path, "doctor"),
        capture_output=True,
        env={**environment(), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u2713 python" in done.stdout


def following(tmp_path: Path) -> subprocess.Popen[str]:
    """Start `tailor logs r1 -f` on a run that has not begun, and wait for its first line."""
    run = Tailor(tmp_path).layout.run("r1")
    run.run_dir.mkdir(parents=True)
    run.manifest_path.write_text(a_manifest("r1").model_dump_json())
    run.log_path.write_text("first line\n")
    process = subprocess.Popen(
        [sys.executable, "-c", "from agent.cli import entry; entry()", "-C", str(tmp_path), "logs", "r1", "-f"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "first line\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 4)])
def test_signal_ends_a_watching_command_with_its_code(tmp_path: Path, number: signal.Signals, code: int):
    process = following(tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said


def test_json_errors_stay_off_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["-C", str(tmp_path), "show", "r9", "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "There is no run r9." in said.err


def test_doctor_prints_a_json_object_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["-C", str(tmp_path), "doctor", "--json"]) == 0
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"python", "seedling", "jobs"} <= {finding["name"] for finding in findings}
