import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from specs.edit import Change
from tools.client import Tailor
from tools.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
HEADER = b"text,intent\n"
ROWS = b"".join(b"message number %d,label%d\n" % (number, number % 2) for number in range(40))
LATIN_1 = "sch\xf6n,label1\n".encode("latin-1")
COLUMNS = {"prompt": "text", "completion": "intent"}
WAIT_S = 60.0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return small_project(tmp_path / "project")


def small_project(folder: Path) -> Path:
    """Write a project whose every step takes no longer than it takes to start."""
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train.csv").write_bytes(HEADER + ROWS)
    (folder / "data" / "test.csv").write_bytes(HEADER + ROWS.replace(b"number", b"no."))
    tailor = Tailor(folder)
    tailor.create_spec(
        {
            "name": "small",
            "goal": {"task": "Name the label of a message."},
            "data": {
                "sources": [{"path": "data/train.csv", "columns": COLUMNS, "rights": "own"}],
                "test": {"path": "data/test.csv", "columns": COLUMNS},
            },
            "train": [{"method": "sft", "epochs": 2}],
            "compute": {"threads": 1},
            "evaluation": {"checks": [{"name": "accuracy", "scorer": "exact_match", "threshold": 0.05}]},
        }
    )
    tailor.patch_spec([Change(path="model.license_accepted", op="set", value=True)], by_person=True)
    return folder


def refused(done: subprocess.CompletedProcess[str], code: int, *sentences: str) -> str:
    """Check that a call ended with a code and sentences, and without what is not for people."""
    said = " ".join(done.stderr.split())
    assert done.returncode == code, done.stdout + done.stderr
    for sentence in sentences:
        assert sentence in said
    assert "Traceback" not in done.stdout + done.stderr
    assert "Something went wrong inside" not in said
    assert "died" not in said
    return said


@contextmanager
def talking(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start `tailor` with an open stdin, as the leader of a session of its own; end it in any case."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TAILOR_TRACKING": "off"}
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "-C", str(folder), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], is_it: Callable[[dict], bool]) -> dict:
    """Read JSON lines up to the one that is looked for."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if is_it(event):
            return event
    raise AssertionError(f"ended with {process.wait()}: {process.stderr.read() if process.stderr else ''}")


def say(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdin is not None
    process.stdin.write(words + "\n")
    process.stdin.flush()


def sent(process: subprocess.Popen[str], number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Send a signal as the terminal does, to all of its foreground processes, and return how the command ended."""
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=WAIT_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def is_question(event: dict) -> bool:
    return event["type"] == "turn_finished"


@pytest.mark.parametrize(
    ("content", "sentences"),
    [
        (b"", ("data/train.csv: the file is empty.", "Put rows into it, or name another file.")),
        (HEADER + ROWS + LATIN_1, ("data/train.csv: line 42, byte 4 is 0xf6, which is not UTF-8.", "iconv -f")),
        (
            b"txt,intent\n" + ROWS,
            ("data/train.csv: there is no column 'text'; the columns are txt, intent.", "Did you mean 'txt'?"),
        ),
        (HEADER + b"hello there,other\n", ("2 of the 2 labels of the test never stand in the training rows",)),
    ],
    ids=["empty", "latin-1", "missing column", "one row"],
)
def test_plan_refuses_a_file_nobody_can_use(project: Path, tailor_command, content: bytes, sentences: tuple[str, ...]):
    (project / "data" / "train.csv").write_bytes(content)
    before = (project / "spec.yaml").read_bytes()
    refused(tailor_command("-C", project, "plan"), 2, *sentences)
    assert (project / "spec.yaml").read_bytes() == before
    assert (project / "data" / "train.csv").read_bytes() == content


def test_check_reads_one_row(project: Path, tailor_command):
    (project / "data" / "one.csv").write_bytes(HEADER + b"hello there,other\n")
    done = tailor_command("-C", project, "data", "check", "data/one.csv")
    assert (done.returncode, "1 row" in done.stdout) == (0, True), done.stderr


def test_line_of_a_gigabyte_is_refused(project: Path, tailor_command):
    with (project / "data" / "train.csv").open("wb") as stream:
        stream.truncate(2**30)
    for words in (["plan"], ["data", "check", "data/train.csv"]):
        done = tailor_command("-C", project, *words)
        refused(done, 2, "data/train.csv: line 1 is longer than 8 MiB.", "line breaks between its rows")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("bom.csv", b"\xef\xbb\xbf" + HEADER + ROWS, "a byte order mark at the start was left out"),
        ("nul.csv", HEADER + ROWS + b"a\x00b,label1\n", "1 row refused"),
        ("keys.jsonl", b'{"prompt": "a", "completion": "b"}\n' * 9 + b'{"prompt": "a", "prompt": "b"}\n', "twice"),
        ("nan.jsonl", b'{"prompt": "a", "completion": "b"}\n' * 9 + b'{"prompt": "a", "completion": NaN}\n', "NaN"),
    ],
)
def test_check_names_what_is_wrong_in_a_file_that_can_be_used(
    project: Path, tailor_command, name: str, content: bytes, told: str
):
    (project / "data" / name).write_bytes(content)
    done = tailor_command("-C", project, "data", "check", f"data/{name}")
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
    assert "\x00" not in done.stdout


@pytest.mark.parametrize(
    ("name", "row", "told"),
    [
        ("test.csv", b"where am i,lost_in_space\n", "1 label stands only in the test set"),
        ("train.csv", b"word " * 4000 + b",label1\n", "1 row left out, first data/train.csv:42: the prompt has"),
    ],
    ids=["label only in the test", "prompt longer than the context"],
)
def test_plan_tells_what_it_leaves_out(project: Path, tailor_command, name: str, row: bytes, told: str):
    with (project / "data" / name).open("ab") as stream:
        stream.write(row)
    done = tailor_command("-C", project, "plan")
    assert done.returncode == 0, done.stderr
    assert told in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        ("base: seedling", "base: seedlng", ("There is no base model 'seedlng'", "Did you mean 'seedling'?")),
        ("base: seedling", "base: nobody/nothing-1B", ("needs a pinned revision", "Set model.revision")),
        ("epochs: 2", "epochs: 2\n    epochs: 3", ("train.0.epochs: stands twice", "Remove one.")),
        ("threads: 1", "threads: .nan", ("compute.threads: must be a finite number; found .nan",)),
    ],
    ids=["unknown model", "hub model", "duplicate key", "not a number"],
)
def test_plan_refuses_a_spec_with_place_and_next_step(
    project: Path, tailor_command, old: str, new: str, sentences: tuple[str, ...]
):
    path = project / "spec.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    refused(tailor_command("-C", project, "plan"), 2, *sentences)


def test_ctrl_c_at_a_question_leaves_and_the_question_is_asked_again(project: Path, tailor_command):
    with talking(project, "chat", "--json") as chat:
        read_until(chat, is_question)
        refused(sent(chat, signal.SIGINT), 130, "Nothing is lost", "`tailor chat` takes the conversation up again")
    again = tailor_command("-C", project, "chat")
    assert again.returncode == 0
    assert again.stdout.strip()


def test_closed_terminal_at_a_question_leaves_the_conversation_to_the_next(project: Path, tailor_command):
    with talking(project, "chat", "--json") as chat:
        read_until(chat, is_question)
        assert sent(chat, signal.SIGHUP).returncode in (-signal.SIGHUP, 0, 4)
    again = tailor_command("-C", project, "chat")
    refused(again, 0)
    assert again.stdout.strip()


def test_end_of_input_at_a_question_says_how_to_go_on(tmp_path: Path, tailor_command):
    done = tailor_command("-C", tmp_path / "fresh", "chat")
    refused(done, 0, "`tailor chat` asks this again")


def test_ctrl_c_while_planning_loses_nothing(project: Path, tailor_command):
    (project / "data" / "train.csv").write_bytes(HEADER + ROWS * 3000)
    with talking(project, "chat", "--json") as chat:
        read_until(chat, is_question)
        say(chat, "make the plan")
        read_until(chat, lambda event: event["type"] == "tool_started" and event["tool"] == "make_plan")
        refused(sent(chat, signal.SIGINT), 130, "Nothing is lost")
    (project / "data" / "train.csv").write_bytes(HEADER + ROWS)
    refused(tailor_command("-C", project, "plan"), 0)


def test_ctrl_c_at_an_approval_approves_nothing_and_it_is_asked_again(project: Path, tailor_command):
    with talking(project, "chat", "--json") as chat:
        read_until(chat, is_question)
        say(chat, "make the plan")
        read_until(chat, lambda event: event["type"] == "approval_requested")
        refused(sent(chat, signal.SIGINT), 130, "Nothing is lost")
    again = tailor_command("-C", project, "chat")
    refused(again, 5, "Waiting for your approval")
    assert "approve all" in again.stdout
    assert Tailor(project).runs() == ()


def test_second_conversation_is_refused_while_one_is_open(project: Path, tailor_command):
    with talking(project, "chat", "--json") as chat:
        read_until(chat, is_question)
        second = tailor_command("-C", project, "chat")
        assert second.returncode != 0
        refused(second, second.returncode, "Another Tailor conversation is open", "Close it, or go on there.")


@pytest.mark.slow
@pytest.mark.xdist_group("interruptions")
def test_interrupted_run_is_taken_up_from_every_step(project: Path, tailor_command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        Tailor(project).patch_spec([Change(path="deployment.port", op="set", value=port)], by_person=True)
        with talking(project, "run", "--approve", "all", "--json") as run:
            read_until(run, lambda event: event.get("step") == "baseline")
            assert sent(run, signal.SIGHUP).returncode == -signal.SIGHUP
        with talking(project, "run", "--approve", "all", "--json") as run:
            read_until(run, lambda event: event["type"] == "step_progress" and event["step"] == "train")
            busy = tailor_command("-C", project, "run", "--approve", "all")
            refused(busy, busy.returncode, "Another Tailor process", "runs a plan in", "taken up again")
            assert busy.returncode != 0
            refused(sent(run, signal.SIGINT), 130, "Jobs that were running go on", "`tailor runs` shows them")
        with talking(project, "run", "--approve", "all", "--json") as run:
            read_until(run, lambda event: event["type"] == "step_started" and event["step"] == "evaluate")
            refused(sent(run, signal.SIGINT), 130, "Jobs that were running go on")
        failed = tailor_command("-C", project, "run", "--approve", "all", "--json")
        refused(failed, 1, f"Port {port}")
        assert json.loads(failed.stdout.splitlines()[-1])["state"] == "failed"
    with talking(project, "run", "--approve", "all", "--json") as run:
        read_until(run, lambda event: event["type"] == "step_started" and event["step"] == "deploy")
        refused(sent(run, signal.SIGINT), 130, "Jobs that were running go on")
    done = tailor_command("-C", project, "run", "--approve", "all", "--json")
    tailor_command("-C", project, "teardown", "--all")
    refused(done, 0)
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["state"], last["endpoint"]) == ("succeeded", f"http://127.0.0.1:{port}/v1")
    with Ledger(Tailor(project).layout.ledger_path) as ledger:
        assert [row["step"] for row in ledger.rows("SELECT step FROM jobs ORDER BY number")] == [
            "baseline",
            "train",
            "evaluate",
            "deploy",
        ]
        assert len(ledger.models()) == 1
    deadline = time.monotonic() + WAIT_S
    while any(run.state == "running" for run in Tailor(project).runs()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [run.run_id for run in Tailor(project).runs() if run.state == "running"]
