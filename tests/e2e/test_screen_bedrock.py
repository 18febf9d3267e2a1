"""The whole program in a terminal with a chat model behind Bedrock's protocol: a person types, reads and decides."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.bedrock import ACCESS_KEY, MODEL, REGION, SECRET_KEY, BedrockServer
from tests.fakes.chat_script import Recorded, Reply, ToolUse, say
from tests.fakes.conversation import TASK
from tests.fakes.quick_engine import write_data
from tests.fakes.screen_terminal import ScreenTerminal

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("screen_bedrock")]

BRAIN = f"bedrock:{MODEL}@{REGION}"
REASON = "Only the plan was wanted, [/x] nothing else."
HOSTILE = (
    "Seen: \x1b[31mred\x1b[?5h \x1b]8;;http://evil.example\x07click\x1b]8;;\x07 \x1b]0;owned\x07 "
    "\x1b]52;c;b3duZWQ=\x07 [/x] [bold] [=1] \u202edesrever\u2066 \x9b?5h end\u200bing."
)
OPENING = """I look at your rows first.

| label | rows | example |
|---|---|---|
| card_arrival | 20 | train message 0 |
| lost_card | 20 | train message 1 |

```python
def route(message: str) -> str:
    return "lost_card" if "lost" in message else "other"
```

"""
LAST_WORDS = "One thing is open."
LONG = " ".join(f"word{number}" for number in range(400))
FIELDS = {
    "name": "bank",
    "goal": {"task": "Label messages."},
    "data": {
        "sources": [{"path": "data/train.csv", "columns": {"prompt": "text", "completion": "intent"}}],
        "test": {"path": "data/test.csv", "columns": {"prompt": "text", "completion": "intent"}},
    },
    "deployment": {"target": "none"},
}
QUESTION = {
    "text": "Which base [bold]model\x1b[31m shall it be?",
    "why": "It decides how good it \u202egets.",
    "default": "no",
    "options": ["no", "yes", "another [/x]\x1b]0;owned\x07"],
    "licence_of": "seedling",
}


def tool_results(request: Recorded) -> list[str]:
    return [
        "".join(part.get("text", "") for part in block["toolResult"]["content"])
        for message in request.body["messages"]
        for block in message["content"]
        if "toolResult" in block
    ]


def said_last(request: Recorded) -> str:
    """Return what the person said last."""
    texts = [block["text"] for message in request.body["messages"] for block in message["content"] if "text" in block]
    return texts[-1] if texts else ""


def model(request: Recorded) -> Reply:
    """Interview, write the spec, plan, ask for the run; tell a long story when one is wanted."""
    if "story" in said_last(request):
        return say(LONG, pause_s=0.02)
    results = tool_results(request)
    match len(results):
        case 0:
            return say(f"{OPENING}{HOSTILE}\n\n{LAST_WORDS}", ToolUse("ask_user", QUESTION), pause_s=0.025)
        case 1:
            return say("I write the spec.", ToolUse("create_spec", {"fields": FIELDS}))
        case 2:
            return say(ToolUse("make_plan", {}))
        case 3:
            return say("Shall I run it?", ToolUse("run_steps", {"plan": json.loads(results[2])["plan"]}))
        case _ if REASON in json.dumps(request.body, ensure_ascii=False):
            return say("Then nothing runs.")
        case 4:
            return say(ToolUse("show_results", {}))
        case _:
            return say("It reached the threshold.")


Start = Callable[..., tuple[ScreenTerminal, BedrockServer]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = write_data(tmp_path / "project")
    (folder / ".tailor").mkdir()
    return folder


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    """Return a function that starts a program against the fake service."""
    with ExitStack() as stack:

        def run(command: Sequence[str], script: Callable[[Recorded], Reply] = model):
            server = stack.enter_context(BedrockServer(script))
            env = {
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.url,
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "TAILOR_TRACKING": "off",
                "OMP_NUM_THREADS": "1",
            }
            terminal = stack.enter_context(ScreenTerminal([*command, "--brain", BRAIN], cwd=project, env=env))
            terminal.wait_for(" YOU ", 40)
            return terminal, server

        yield run


def tailor(project: Path) -> list[str]:
    return [sys.executable, "-m", "agent.cli", "-C", str(project)]


def say_words(terminal: ScreenTerminal, words: str) -> None:
    terminal.wait_for(" YOU ", 30)
    terminal.type(words)
    terminal.wait_for(words[-20:])
    terminal.press("enter")


def decide(terminal: ScreenTerminal, key: str, is_taken: Callable[[str], object]) -> None:
    """Read to the end and press the key until it is taken: what comes too early is ignored."""
    terminal.wait_for("Approval needed", 30)
    for _ in range(10):
        time.sleep(0.7)
        terminal.press("end")
        time.sleep(0.3)
        terminal.press(key)
        try:
            terminal.wait_for(is_taken, 2)
        except AssertionError:
            continue
        return
    raise AssertionError(f"{key} was not taken:\n{terminal.text}")


def assert_drew_nothing_of_its_own(terminal: ScreenTerminal) -> None:
    """Nothing the model said was obeyed by the terminal."""
    raw = terminal.raw
    for sequence in (b"\x1b]8;", b"\x1b]52;", b"\x1b[?5h", b"owned\x07", b"\xc2\x9b", "\u202e".encode()):
        assert sequence not in raw
    assert "\u200bing" not in raw.decode("utf-8", "replace")
    assert terminal.is_alternate
    assert not terminal.was_on(5)


def assert_kept_no_secret(terminal: ScreenTerminal, server: BedrockServer, project: Path) -> None:
    assert SECRET_KEY.encode() not in terminal.raw
    for path in project.rglob("*"):
        if path.is_file():
            assert SECRET_KEY.encode() not in path.read_bytes(), path
    assert not any(request.mentions(SECRET_KEY) for request in server.requests)


def to_the_approval(terminal: ScreenTerminal) -> None:
    say_words(terminal, TASK)
    terminal.wait_for(re.compile(r"^╭─.* Which base", re.MULTILINE).search, 30)
    time.sleep(0.5)
    terminal.press("2")
    terminal.wait_for("Approval needed", 40)


def test_answer_is_seen_while_it_is_written_and_draws_nothing_of_its_own_when_it_is_hostile(start, project):
    terminal, server = start(tailor(project))
    say_words(terminal, TASK)
    shown = terminal.wait_for("I look at your rows first.", 30)
    assert LAST_WORDS not in shown
    table = terminal.wait_for(re.compile(r"card_arrival +20 +train message 0").search)
    assert LAST_WORDS not in table
    assert "|---|" not in table
    option = r"3 another [/x]\x1b]0;owned\x07"
    shown = terminal.wait_for(lambda text: LAST_WORDS in text and "Which base" in text and option in text, 30)
    assert "Enter default · why · skip · undo" in shown
    terminal.press("pageup")
    shown = terminal.wait_for("Seen: ")
    assert "```" not in shown
    for escaped in (r"\x1b[31mred", r"\x1b]8;;http://evil.example", r"[/x] [bold] [=1]", r"\u202edesrever"):
        assert escaped in " ".join(shown.split()), escaped
    assert_drew_nothing_of_its_own(terminal)
    assert_kept_no_secret(terminal, server, project)
    assert not server.refused


def test_reason_reaches_the_model_when_a_person_denies_with_keys(start, project):
    terminal, server = start(tailor(project))
    to_the_approval(terminal)
    decide(terminal, "n", lambda text: "Why not?" in text)
    terminal.type(REASON)
    terminal.wait_for(REASON)
    time.sleep(0.7)
    terminal.press("enter")
    shown = terminal.wait_for("Then nothing runs.", 30)
    assert "You declined" in shown
    assert any(REASON in result for result in tool_results(server.requests[-1]))
    assert said_last(server.requests[1]) == "yes"
    assert (project / "spec.yaml").exists()
    assert not list((project / ".tailor" / "runs").glob("*"))
    assert not server.refused
    assert_drew_nothing_of_its_own(terminal)
    assert_kept_no_secret(terminal, server, project)


def test_steps_run_and_their_figures_are_shown_when_a_person_approves_with_keys(start, project):
    terminal, server = start([sys.executable, "-m", "tests.fakes.quick_interface", str(project)])
    to_the_approval(terminal)
    decide(terminal, "a", lambda text: "Approval needed" not in text)
    shown = terminal.wait_for("It reached the threshold.", 60)
    assert "Measured" in terminal.scrolled_text or "Measured" in shown
    assert len(list((project / ".tailor" / "runs").glob("r*"))) == 3
    assert not server.refused
    assert_kept_no_secret(terminal, server, project)


def test_turn_ends_and_the_words_come_back_when_esc_is_pressed_twice_in_the_middle_of_a_stream(start, project):
    terminal, server = start(tailor(project))
    say_words(terminal, "Tell me a long story")
    terminal.wait_for("word20", 30)
    terminal.press("escape")
    terminal.wait_for("Esc again ends the agent's turn.")
    assert " AGENT " in terminal.text
    terminal.press("escape")
    shown = terminal.wait_for(" YOU ", 5)
    assert "word399" not in shown
    box = shown[shown.rindex("╭") :]
    assert "Tell me a long story" in box
    terminal.press("ctrl+c")
    say_words(terminal, "Another story")
    terminal.wait_for(lambda text: len(server.requests) == 2 and " AGENT " in text, 30)
