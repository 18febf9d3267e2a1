import socket
import threading

import pytest

from specs.plan import Plan, Step
from specs.run import Message
from tests.fakes.chat_script import Failure, Recorded, Reply, say
from tests.fakes.measured_project import NOTHING
from tests.fakes.openai_server import rate_limited
from tests.fakes.serve_process import launched, write_manifest
from tests.fakes.tiny_chat_model import make_model, ref
from tools.deployment.chat import Sampling
from tools.deployment.playground import Completed, Delta, Summary, play, stream
from tools.errors import BackendError, UsageError
from tools.ledger import Ledger


def _by_model(request: Recorded) -> Reply:
    return say(f"this is {request.body['model']}", output_tokens=len(request.body["model"]))


def test_play_asks_base_and_custom_when_no_model_is_named(project) -> None:
    server = project.serve("r1", _by_model)
    result = play(project.layout, "hello", backend=project.backend)
    assert [(answer["model"], answer["text"], answer["num_tokens"]) for answer in result["answers"]] == [
        ("seedling", "this is seedling", 8),
        ("bank@1", "this is bank@1", 6),
    ]
    assert all(answer["seconds"] >= answer["first_token_s"] > 0 for answer in result["answers"])
    assert {request.body["temperature"] for request in server.requests} == {0}
    assert server.refused == []


def test_play_asks_the_named_models_of_any_server(project) -> None:
    project.serve("r1", _by_model, ("seedling", "bank@1"))
    project.serve("r2", _by_model, ("seedling", "bank@2"))
    result = play(project.layout, "hello", ["bank@1", "bank@2"], project.backend)
    assert [answer["text"] for answer in result["answers"]] == ["this is bank@1", "this is bank@2"]


def test_stream_yields_both_sides_and_then_a_summary(project) -> None:
    project.serve("r1", _by_model)
    events = list(stream(project.layout, "hello", backend=project.backend))
    for name in ("seedling", "bank@1"):
        pieces = [event.text for event in events if isinstance(event, Delta) and event.model == name]
        assert "".join(pieces) == f"this is {name}"
        assert len(pieces) > 1
    assert isinstance(events[-1], Summary)
    assert sum(isinstance(event, Summary) for event in events) == 1


def test_stream_tells_each_side_that_is_complete_before_the_summary(project) -> None:
    project.serve("r1", _by_model)
    events = list(stream(project.layout, "hello", backend=project.backend))
    completed = {event.answer.model: event.answer for event in events if isinstance(event, Completed)}
    assert isinstance(events[-1], Summary)
    assert tuple(completed[answer.model] for answer in events[-1].answers) == events[-1].answers


def test_stream_asks_each_model_with_its_own_temperature_and_seed(project) -> None:
    server = project.serve("r1", _by_model)
    settings = {"bank@1": Sampling(temperature=0.7, seed=11)}
    assert list(stream(project.layout, "hello", backend=project.backend, sampling=settings))
    sent = {request.body["model"]: request.body for request in server.requests}
    assert (sent["bank@1"]["temperature"], sent["bank@1"]["seed"]) == (0.7, 11)
    assert sent["seedling"]["temperature"] == 0
    assert "seed" not in sent["seedling"]
    assert server.refused == []


def test_stream_ends_without_a_summary_when_it_is_stopped_from_another_thread(project) -> None:
    project.serve("r1", lambda _: say("word " * 4000, pause_s=0.02))
    stop = threading.Event()
    events = []
    for event in stream(project.layout, "hello", backend=project.backend, stop=stop):
        events.append(event)
        threading.Thread(target=stop.set).start()
    assert events
    assert not any(isinstance(event, Summary | Completed) for event in events)


def test_stream_leaves_no_request_behind_when_it_is_closed(project) -> None:
    project.serve("r1", lambda _: say("word " * 400, pause_s=0.01))
    events = stream(project.layout, "hello", backend=project.backend)
    next(iter(events))
    events.close()  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        next(iter(events))


@pytest.mark.parametrize(("in_plan", "sent"), [("Be brief.", ["system", "user"]), (None, ["user"])])
def test_prompt_gets_the_system_prompt_of_the_training_rows(project, in_plan, sent) -> None:
    step = Step(
        id="prepare_data", kind="prepare_data", title="", effect="write", arguments={"system_prompt": in_plan},
        inputs={}, reads=(), writes=(), undo="", values=(), estimate=NOTHING, depends_on=(),
    )  # fmt: skip
    plan = Plan(name="bank", spec_hash="h", spec_text="", steps=(step,), max_usd=0, max_seconds=1)
    with Ledger(project.layout.ledger_path) as ledger:
        ledger.record_plan(plan)
    server = project.serve("r1", _by_model, plan=plan.hash)
    play(project.layout, "hello", ["bank@1"], project.backend)
    assert [message["role"] for message in server.requests[0].body["messages"]] == sent
    conversation = (Message(role="user", content="as it is"),)
    play(project.layout, conversation, ["bank@1"], project.backend)
    assert [message["content"] for message in server.requests[1].body["messages"]] == ["as it is"]


def test_play_says_what_to_do_when_nothing_is_served(project) -> None:
    with pytest.raises(UsageError) as caught:
        play(project.layout, "hello", backend=project.backend)
    assert "tailor run" in caught.value.hint


def test_play_names_the_served_models_when_one_is_unknown(project) -> None:
    project.serve("r1", [])
    with pytest.raises(UsageError) as caught:
        play(project.layout, "hello", ["\x1b[31mnope"], project.backend)
    assert "\x1b" not in caught.value.message
    assert "bank@1, seedling" in caught.value.hint


def test_play_says_what_to_do_when_the_server_is_gone(project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    project.serving_run("r1", f"http://127.0.0.1:{port}/v1")
    with pytest.raises(BackendError, match="does not answer") as caught:
        play(project.layout, "hello", backend=project.backend)
    assert "tailor runs" in caught.value.hint
    assert "deploy" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Failure(400, "context_length_exceeded", "The prompt has 900 tokens."), UsageError, "900 tokens"),
        (Failure(401, "invalid_api_key", "wrong key"), BackendError, "wrong key"),
        (Failure(500, "model_failure", "boom \x1b[2J"), BackendError, "boom"),
        (rate_limited(), BackendError, "Rate limit"),
        (say("some longer text to cut", break_after=2), BackendError, "scripted failure"),
        (say("some longer text to cut", hang_up_after=2), BackendError, "127.0.0.1"),
    ],
)
def test_play_tells_failures_of_the_server_in_sentences(project, answer, kind, words: str) -> None:
    project.serve("r1", lambda _: answer)
    with pytest.raises(kind) as caught:
        play(project.layout, "hello", backend=project.backend)
    assert words in caught.value.message
    assert caught.value.hint
    assert "\x1b" not in str(caught.value)


def test_play_keeps_away_from_proxies(project, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    project.serve("r1", _by_model)
    assert play(project.layout, "hello", ["bank@1"], project.backend)["answers"][0]["text"] == "this is bank@1"


@pytest.mark.slow
def test_temperature_and_seed_choose_the_answers_of_a_real_server(project) -> None:
    base = make_model(project.layout.root / "model")
    run = write_manifest(project.layout.run("r1").run_dir, [ref("base", base)])
    project.backend.states["r1"] = "running"
    with launched(run) as process:
        process.serving()

        def said(sampling: Sampling) -> str:
            settings = {"base": sampling}
            events = stream(project.layout, "hello", backend=project.backend, sampling=settings, max_tokens=24)
            return next(event for event in events if isinstance(event, Summary)).answers[0].text

        assert said(Sampling(0, 1)) == said(Sampling(0, 2))
        assert said(Sampling(1, 1)) == said(Sampling(1, 1))
        assert len({said(Sampling(1, seed)) for seed in range(4)}) > 1
        process.stop()
        process.finished()
