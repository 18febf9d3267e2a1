import io
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from agent import headless
from agent.client import EngineClient
from agent.events import Text, TurnFinished
from specs.errors import ExitCode
from tests.fakes.conversation import TASK
from tests.fakes.quick_engine import MODULE
from tools.client import Tailor


@pytest.fixture
def chat(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Talk with answers from a file; return exit code, stdout and stderr."""

    class QuickClient(EngineClient):
        def __init__(self, *args, **options) -> None:
            super().__init__(*args, **{**options, "module": MODULE})

    monkeypatch.setattr(headless, "EngineClient", QuickClient)

    def talk(*answers: str, stdin: str | io.StringIO | None = None, **options) -> tuple[int, str, str]:
        path = project / "answers.txt"
        path.write_text("\n".join(answers) + "\n", encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stdin if isinstance(stdin, io.StringIO) else io.StringIO(stdin or ""))
        code = headless.chat(project, answers=None if stdin is not None else path, **options)
        out, err = capsys.readouterr()
        return code, out, err

    return talk


WHOLE = (TASK, "# a comment", "", "0.85", "", "approve all")


def test_chat_goes_the_whole_road_when_answers_come_from_a_file(chat):
    code, out, err = chat(*WHOLE)
    assert code == ExitCode.DONE
    assert "Approval needed" in out and "digest sha256:" in out
    assert "accuracy" in out and "> approve all" in out
    assert "train succeeded" in err
    assert max(len(line) for line in out.splitlines() if "─" not in line and "/.tailor/" not in line) <= 120


def test_chat_takes_the_approval_up_when_started_again(chat, project):
    code, out, _ = chat(TASK, "", "", "", "go on", "deny too expensive", "go on")
    assert code == ExitCode.WAITING
    assert "too expensive" in out and out.count("Approval needed") == 2
    assert not Tailor(project).runs()
    code, out, _ = chat("approve baseline,train")
    assert code == ExitCode.WAITING
    assert "Approval needed" in out
    states = Tailor(project).status()["plan"]["steps"]
    assert states == {"prepare_data": "succeeded", "baseline": "succeeded", "train": "succeeded", "evaluate": "not_run"}


def test_chat_writes_typed_lines_when_json_is_asked_for(chat):
    code, out, _ = chat(*WHOLE, json_mode=True)
    assert code == ExitCode.DONE
    lines = [json.loads(line) for line in out.splitlines()]
    kinds = {line["type"] for line in lines}
    assert {"session_started", "question", "spec_changed", "plan_ready", "approval_requested", "run_progress"} <= kinds
    finished = [line["event"] for line in lines if line["type"] == "run_progress"][-1]
    assert finished["type"] == "plan_finished" and finished["state"] == "succeeded"
    assert finished["checks"][0]["custom"]["value"] == 1.0


def test_json_lines_stay_lines_when_a_row_holds_what_ends_a_line_or_moves_the_cursor(chat, monkeypatch):
    row = "one\u2028two\x85three\x9b31m \x1b[2J \u202e"
    told = [Text(role="assistant", text=row), TurnFinished(waiting="user")]
    monkeypatch.setattr(EngineClient, "turn", lambda _client: iter(told))
    code, out, _ = chat(stdin="", json_mode=True)
    assert code == ExitCode.DONE
    assert out.isascii() and out.count("\n") == len(out.splitlines()) == 2
    assert json.loads(out.splitlines()[0])["text"] == row


def test_chat_goes_on_where_the_file_was_interrupted_when_run_again(chat, project):
    chat(TASK, "", "")
    answers = (project / "answers.txt").read_text()
    code, out, _ = chat(*answers.splitlines())
    assert TASK not in out
    assert "Which base model" in out
    assert code == ExitCode.DONE


def test_chat_tells_when_the_approval_was_never_asked_for(chat, project):
    (project / "data" / "train.csv").write_text("text,intent\n")
    code, _, err = chat("label messages, data/train.csv", "approve all")
    assert code == ExitCode.FAILED
    assert "never asked for" in err


def test_chat_answers_once_when_a_prompt_is_given_without_a_terminal(chat):
    code, out, _ = chat(stdin="", prompt="why epochs?")
    assert code == ExitCode.DONE
    assert "one pass over all training rows" in " ".join(out.split())


def test_chat_reads_stdin_when_there_is_no_file(chat):
    code, out, _ = chat(stdin="\n".join([TASK, "", "", "", "go on", "", "quit"]) + "\n")
    assert code == ExitCode.WAITING
    assert "Approval needed" in out


def test_chat_refuses_with_a_sentence_when_the_brain_is_unknown(chat):
    code, _, err = chat("hello", brain="oracle:9")
    assert code == ExitCode.USAGE
    assert "no brain 'oracle:9'" in err


def test_chat_is_interrupted_when_ctrl_c_comes(chat, project, monkeypatch):
    (project / "quick.json").write_text('{"train_s": 20}')
    shown = headless.Transcript.show

    def press(self, event) -> None:
        shown(self, event)
        if event.type == "run_progress" and event.event.type == "step_progress" and event.event.step == "train":
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(headless.Transcript, "show", press)
    code, _, err = chat(*WHOLE)
    assert code == ExitCode.INTERRUPTED
    assert "Nothing is lost" in err
    (project / "quick.json").write_text("{}")
    tailor = Tailor(project)
    assert tailor.show("r2").state == "running"
    tailor.stop("r2")


class Terminal(io.StringIO):
    """Standard input that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_ctrl_c_ends_the_turn_and_not_the_job_when_at_a_terminal(chat, project, monkeypatch):
    (project / "quick.json").write_text('{"train_s": 2}')
    presses = []
    shown = headless.Transcript.show

    def press(self, event) -> None:
        shown(self, event)
        is_training = event.type == "run_progress" and event.event.type == "step_progress"
        if is_training and event.event.step == "train" and not presses:
            presses.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(headless.Transcript, "show", press)
    lines = [TASK, "", "", "", "go on", "", "approve all", "go on", "approve all", "quit"]
    terminal = Terminal("\n".join(lines) + "\n")
    code, out, err = chat(stdin=terminal)
    assert code == ExitCode.DONE
    assert "Nothing was approved" in err and "jobs go on" in err
    assert out.count("Approval needed") == 2
    assert (Tailor(project).layout.run("r2").run_dir / "effects").read_text() == "1\n"


def test_transcript_draws_nothing_when_text_is_hostile(chat, project):
    hostile = "\x1b[2J\x1b]0;owned\x07\u202eevil\u200b"
    (project / "data" / "train.csv").write_text(
        "text,intent\n" + "\n".join(f"{hostile} {n},label{n % 2}" for n in range(40)) + "\n", encoding="utf-8"
    )
    _, out, err = chat(f"label messages {hostile}, data/train.csv and test on data/test.csv", "", f"wrong {hostile}")
    for character in "\x1b\x07\u202e\u200b":
        assert character not in out + err


@pytest.mark.parametrize("approval", ["approve all", "approve baseline,train"])
def test_chat_still_takes_the_approval_when_a_word_was_misspelt_before(chat, approval):
    lines = [TASK, "", "", "", "go on", "aprove all", "ok do it", approval, "quit"]
    code, out, _ = chat(stdin="\n".join(lines) + "\n")
    assert code == (ExitCode.DONE if approval == "approve all" else ExitCode.WAITING)
    assert "The approval is open: answer it" in " ".join(out.split())
