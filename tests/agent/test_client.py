import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.client import EngineClient
from agent.conversation_log import read_conversation
from agent.conversations import conversation_path, waiting_path
from agent.events import (
    ApprovalRequested,
    Notice,
    Question,
    RunProgress,
    SessionRefused,
    Shown,
    Text,
    TurnFinished,
)
from tests.fakes.conversation import TO_THE_PLAN
from tests.fakes.quick_engine import MODULE
from tools.approvals import GrantKey
from tools.client import Tailor

KEY = GrantKey.new()


def client(project: Path, **options) -> EngineClient:
    return EngineClient(project, KEY.secret, module=MODULE, **options)


def last(events, kind):
    return next((event for event in reversed(events) if isinstance(event, kind)), None)


def to_the_approval(engine: EngineClient) -> ApprovalRequested:
    events = list(engine.turn())
    for text in TO_THE_PLAN:
        engine.say(text)
        events = list(engine.turn())
    request = last(events, ApprovalRequested)
    assert request is not None
    return request


def test_engine_is_started_again_and_finishes_when_it_is_killed_while_training(project):
    (project / "quick.json").write_text('{"train_s": 60}')
    tailor = Tailor(project, grant_key=KEY)
    with client(project) as engine:
        request = to_the_approval(engine)
        engine.answer(request.request_id, "approve", tailor.approve(request.plan, "all"))
        events, killed = [], set()
        for event in engine.turn():
            events.append(event)
            is_training = isinstance(event, RunProgress) and event.event.type == "step_progress"
            if is_training and event.event.step == "train" and len(killed) < 2 and engine.pid not in killed:
                killed.add(engine.pid)
                os.kill(engine.pid, signal.SIGKILL)
            if len(killed) == 2:
                (project / "enough").touch()
    assert len(killed) == 2
    assert sum(isinstance(event, Notice) and "died" in event.message for event in events) == 2
    assert not any(isinstance(event, Notice) and "not open any more" in event.message for event in events)
    assert last(events, TurnFinished).plan_state == "succeeded"
    assert (tailor.layout.run("r2").run_dir / "effects").read_text() == "1\n"


def test_message_is_not_lost_when_the_engine_is_killed_before_it_answers(project):
    with client(project) as engine:
        list(engine.turn())
        os.kill(engine.pid, signal.SIGKILL)
        engine.say(TO_THE_PLAN[0])
        events = list(engine.turn())
    assert "wrong answer" in last(events, Question).text


def test_engine_ends_and_thread_stays_when_the_client_is_gone(project):
    with client(project) as engine:
        list(engine.turn())
        process = engine._process
        engine._closing = True
        engine._drop()
        assert process.wait(10) == 0
    with client(project) as again:
        events = list(again.turn())
    assert last(events, Question) is not None


def test_engine_gives_up_with_a_sentence_when_it_dies_again_and_again(project):
    (project / ".tailor").mkdir(mode=0o700)
    (project / ".tailor" / "threads.db").mkdir()
    with client(project, max_restarts=1) as engine:
        refused = last(list(engine.turn()), SessionRefused)
    assert refused is not None
    assert "threads.db" in refused.message or "died" in refused.message


def test_nothing_is_readable_for_others_and_the_key_is_nowhere_when_the_engine_has_worked(project):
    tailor = Tailor(project, grant_key=KEY)
    with client(project) as engine:
        request = to_the_approval(engine)
        tailor.approve(request.plan, "all")
        environment = Path(f"/proc/{engine.pid}/environ").read_bytes()
        arguments = Path(f"/proc/{engine.pid}/cmdline").read_bytes()
    needles = (KEY.secret.hex().encode(), KEY.secret)
    assert not any(needle in environment + arguments for needle in needles)
    state = project / ".tailor"
    assert state.stat().st_mode & 0o077 == 0
    for path in state.rglob("*"):
        if path.is_file():
            assert not any(needle in path.read_bytes() for needle in needles), path
            assert path.stat().st_mode & 0o077 == 0 or path.name == ".gitignore", path


def test_client_imports_nothing_heavy_when_loaded():
    code = "import sys, agent.client, agent.headless; print(sorted(m for m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("langgraph", "langchain_core", "boto3", "mlflow", "torch", "numpy", "textual"):
        assert f"'{name}'" not in loaded


@pytest.mark.slow
def test_road_ends_the_same_when_the_engine_is_killed_at_random_moments(project):
    (project / "quick.json").write_text('{"train_s": 1}')
    tailor = Tailor(project, grant_key=KEY)
    moments = iter([0.05, 0.3, 0.7, 1.2])
    with client(project) as engine:
        events = list(engine.turn())
        texts = iter(TO_THE_PLAN)
        for _ in range(40):
            request = last(events, ApprovalRequested)
            if request is not None:
                engine.answer(request.request_id, "approve", tailor.approve(request.plan, "all"))
            else:
                text = next(texts, None)
                if text is None:
                    break
                engine.say(text)
            moment = next(moments, None)
            if moment is not None:
                subprocess.Popen(["sh", "-c", f"sleep {moment}; kill -9 {engine.pid}"])
            events = list(engine.turn())
            time.sleep(0.01)
    finished = last(events, TurnFinished)
    assert finished is not None and finished.plan_state == "succeeded", [e.model_dump_json()[:300] for e in events[-4:]]
    assert (tailor.layout.run("r2").run_dir / "effects").read_text() == "1\n"
    assert json.loads(json.dumps(tailor.status()["plan"]["steps"]))["evaluate"] == "succeeded"


def test_every_message_that_waits_is_answered_when_the_engine_is_killed(project):
    with client(project) as engine:
        list(engine.turn())
        os.kill(engine.pid, signal.SIGSTOP)
        said = [TO_THE_PLAN[0], "status", "What is a spec?"]
        for text in said:
            engine.say(text)
        os.kill(engine.pid, signal.SIGKILL)
        for _ in said:
            assert isinstance(list(engine.turn())[-1], TurnFinished)
    kept = read_conversation(conversation_path(Tailor(project).layout, "main")).events
    assert [event.text for event in kept if isinstance(event, Text) and event.role == "user"] == said


def test_words_said_during_a_turn_are_answered_by_the_next_engine_when_client_and_engine_are_gone(project):
    (project / "quick.json").write_text('{"train_s": 1.0}')
    tailor = Tailor(project, grant_key=KEY)
    waiting = waiting_path(tailor.layout, "main")
    with client(project) as engine:
        request = to_the_approval(engine)
        engine.answer(request.request_id, "approve", tailor.approve(request.plan, "all"))
        next(event for event in engine.events() if isinstance(event, RunProgress))
        engine.say("status", "said-1")
        deadline = time.monotonic() + 10
        while not waiting.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert waiting.stat().st_mode & 0o777 == 0o600
        os.kill(engine.pid, signal.SIGKILL)
    with client(project) as engine:
        first = list(engine.turn())
        told = [event for event in first if isinstance(event, Text) and event.role == "user" and not event.again]
        assert [(event.id, event.text) for event in told] == [("said-1", "status")]
        second = list(engine.turn())
        assert any(isinstance(event, Text | Notice | Shown) for event in second)
    assert not waiting.exists()
    kept = read_conversation(conversation_path(tailor.layout, "main")).events
    assert [event.id for event in kept if isinstance(event, Text) and event.text == "status"] == ["said-1"]
    with client(project) as engine:
        assert not any(isinstance(event, Text) and not event.again for event in engine.turn())


def test_engine_that_dies_at_rest_again_and_again_is_given_up(project):
    refused = None
    with client(project, max_restarts=2) as engine:
        for event in engine.events():
            if isinstance(event, TurnFinished):
                os.kill(engine.pid, signal.SIGKILL)
            refused = event
    assert isinstance(refused, SessionRefused)
    assert "again and again" in refused.message


def test_engine_is_not_started_once_the_client_was_closed(project):
    engine = client(project)
    engine.close()
    engine.start()
    assert engine.pid is None
    assert list(engine.events()) == []


def test_engine_ends_itself_when_the_client_is_closed_while_it_is_started(project, monkeypatch):
    engine = client(project)
    begin = subprocess.Popen

    def begin_and_close(*args, **options):
        process = begin(*args, **options)
        engine._closing = True
        return process

    monkeypatch.setattr(subprocess, "Popen", begin_and_close)
    engine.start()
    assert engine._process.wait(10) != 0
