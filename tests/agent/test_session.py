import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, ToolMessage

from agent.context import EngineLeaves
from agent.events import (
    ApprovalAnswered,
    ApprovalRequested,
    Notice,
    Question,
    RunProgress,
    SpecChanged,
    Text,
    ToolFinished,
    TurnFailed,
    TurnFinished,
)
from agent.graph import MAX_SUPERSTEPS
from specs.edit import Change
from tests.fakes.conversation import TASK, TO_THE_PLAN, TO_THE_SPEC
from tests.fakes.quick_engine import write_data
from tests.fakes.scripted_model import ScriptedModel, says
from tools.client import Tailor
from tools.errors import BackendError

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {
    "name": "bank",
    "goal": {"task": "Label messages."},
    "data": {
        "sources": [{"path": "data/train.csv", "columns": {"prompt": "text", "completion": "intent"}}],
        "test": {"path": "data/test.csv", "columns": {"prompt": "text", "completion": "intent"}},
    },
    "deployment": {"target": "none"},
}


def plan_hash(messages) -> str:
    import json

    plans = [m for m in messages if isinstance(m, ToolMessage) and m.name == "make_plan"]
    return json.loads(plans[-1].text)["plan"] if plans else ""


def licensed(messages):
    """Asks for the licence, writes the spec, plans, runs all, and reports."""
    told = [message.name for message in messages if isinstance(message, ToolMessage)]
    if "ask_user" not in told:
        return says("", ("ask_user", {"text": "Seedling?", "default": "yes", "licence_of": "seedling"}))
    if "create_spec" not in told:
        return says("I write it.", ("create_spec", {"fields": FIELDS}))
    if "make_plan" not in told:
        return says("", ("make_plan", {}))
    if "run_steps" not in told:
        return says("", ("run_steps", {"plan": plan_hash(messages)}))
    return says("That is all.")


def test_session_runs_the_same_road_when_a_model_drives(converse):
    conversation = converse(ScriptedModel(script=licensed))
    conversation.open()
    conversation.say("label my messages", "")
    assert [card.id for card in conversation.request.steps] == ["prepare_data", "baseline", "train", "evaluate"]
    conversation.answer("approve")
    assert conversation.last(TurnFinished).plan_state == "succeeded"
    assert conversation.said == "That is all."


def test_licence_is_refused_when_a_tool_call_claims_it(converse):
    fields = {**FIELDS, "model": {"base": "seedling", "license_accepted": True}}
    change = {"changes": [{"path": "model.license_accepted", "value": True}]}
    model = ScriptedModel(
        script=[
            says("", ("create_spec", {"fields": fields})),
            says("", ("create_spec", {"fields": FIELDS})),
            says("", ("update_spec", change)),
            says("", ("update_spec", {"changes": [{"path": "model", "value": fields["model"]}]})),
            says("done"),
        ]
    )
    conversation = converse(model)
    conversation.say("accept everything for me")
    finished = [event.ok for event in conversation.events if isinstance(event, ToolFinished)]
    assert finished == [False, True, False, False]
    assert conversation.tailor.load_spec().spec.model.license_accepted is False


@pytest.mark.parametrize("words", ["no", "I do not accept the licence", "what is that?", "maybe"])
def test_licence_stays_open_when_the_person_does_not_say_yes(converse, words):
    conversation = converse(ScriptedModel(script=licensed))
    conversation.say("label my messages", words)
    assert conversation.tailor.load_spec().spec.model.license_accepted is False


def test_questions_end_at_six_when_a_model_asks_on(converse):
    questions = [says("", ("ask_user", {"text": f"Question {n}?", "default": "yes"})) for n in range(8)]
    conversation = converse(ScriptedModel(script=[*questions, says("I go on.")]))
    conversation.say(*["answer"] * 7)
    assert conversation.count(Question) == 6
    assert conversation.question.number == "6 of 6"


def test_session_denies_with_the_reason_when_the_person_declines(guided):
    guided.say(*TO_THE_PLAN)
    guided.answer("deny", reason="too slow")
    assert guided.last(ApprovalAnswered).reason == "too slow"
    assert "too slow" in guided.said
    assert guided.launches() == 0
    assert guided.last(TurnFinished).waiting == "user"


def test_session_runs_only_what_was_approved_when_some_steps_were(guided):
    guided.say(*TO_THE_PLAN)
    guided.answer("approve", "prepare_data", "baseline")
    assert guided.launches() == 1
    assert guided.last(TurnFinished).plan_state == "waiting"
    assert guided.last(TurnFinished).waiting == "approval"
    assert [card.id for card in guided.request.steps] == ["train", "evaluate"]
    assert guided.count(RunProgress) > 0


def test_session_asks_only_for_what_is_left_when_tailor_run_did_the_rest(guided):
    guided.say(*TO_THE_PLAN)
    plan = guided.request.plan
    some = ["prepare_data", "baseline"]
    list(guided.tailor.run(plan, guided.tailor.approve(plan, some), only=some))
    guided.open()
    assert [card.id for card in guided.request.steps] == ["train", "evaluate"]
    assert "prepare_data, baseline" in guided.last(Notice).message
    num_asked = guided.count(ApprovalRequested)
    list(guided.tailor.run(plan, guided.tailor.approve(plan, "all")))
    launches = guided.launches()
    guided.open()
    assert guided.count(ApprovalRequested) == num_asked
    assert guided.last(TurnFinished).waiting == "user"
    assert guided.last(TurnFinished).plan_state == "succeeded"
    assert guided.shown
    assert guided.launches() == launches


def test_session_changes_nothing_when_an_approval_is_answered_twice(guided):
    guided.say(*TO_THE_PLAN)
    request = guided.request
    guided.answer("approve")
    launches = guided.launches()
    told = guided.answer("approve", grants=guided.tailor.approve(request.plan, "all"))
    assert isinstance(told[0], Notice)
    assert guided.launches() == launches


def test_session_asks_again_when_grants_came_from_another_sitting(guided, converse):
    guided.say(*TO_THE_PLAN)
    other = converse(key=None)
    stale = other.tailor.approve(guided.request.plan, "all")
    guided.answer("approve", grants=stale)
    assert guided.count(ApprovalRequested) == 2
    assert guided.request.reasons
    assert guided.launches() == 0
    guided.answer("approve")
    assert guided.last(TurnFinished).plan_state == "succeeded"


def test_session_refuses_approval_when_the_spec_is_broken_by_hand(guided):
    guided.say(*TO_THE_PLAN)
    path = guided.tailor.layout.spec_path
    path.write_text(path.read_text().replace("threshold: 0.8", "treshold: 0.8"))
    guided.answer("approve")
    assert guided.launches() == 0
    assert "not valid" in guided.said
    guided.say("go on")
    assert "treshold" in " ".join(guided.last(SpecChanged).problems)
    assert guided.count(ApprovalRequested) == 1


def test_session_refuses_approval_when_the_spec_changed_after_the_plan(guided):
    guided.say(*TO_THE_PLAN)
    path = guided.tailor.layout.spec_path
    path.write_text(path.read_text().replace("threshold: 0.8", "threshold: 0.7"))
    guided.answer("approve")
    assert guided.launches() == 0
    assert "changed after this plan" in guided.said


def test_session_tells_a_model_about_hand_edits_when_it_speaks_next(converse):
    model = ScriptedModel(script=[says("", ("create_spec", {"fields": FIELDS})), says("ok"), says("ok")])
    conversation = converse(model)
    conversation.say("write it")
    path = conversation.tailor.layout.spec_path
    path.write_text(path.read_text().replace("Label messages.", "Label all messages."))
    conversation.say("and now?")
    last = [message for message in model.shown[-1] if isinstance(message, HumanMessage)][-1]
    assert "Note by Tailor" in last.text and "Label all messages." in last.text
    conversation.say("again")
    assert "Note by Tailor" not in model.shown[-1][-1].text


def test_approval_shows_what_changed_when_a_plan_was_approved_before(guided):
    guided.say(*TO_THE_PLAN)
    assert guided.request.diff == ""
    guided.answer("approve", "prepare_data")
    guided.say("make it 2 epochs", "go on")
    assert "+    epochs: 2" in guided.request.diff
    assert not guided.request.is_first


def test_approval_shows_what_changed_since_a_person_approved_elsewhere(guided):
    guided.say(*TO_THE_PLAN)
    assert guided.request.is_first
    elsewhere = Tailor(guided.root)
    elsewhere.patch_spec([Change(path="train.0.epochs", value=7)], by_person=True)
    elsewhere.approve(elsewhere.plan(), ["train"])
    guided.say("make it 2 epochs", "go on")
    assert not guided.request.is_first
    assert "-    epochs: 7" in guided.request.diff
    assert "+    epochs: 2" in guided.request.diff


def test_approval_can_be_asked_for_when_the_plan_approved_last_cannot_be_read(guided):
    guided.say(*TO_THE_PLAN)
    guided.answer("approve", "prepare_data")
    with closing(sqlite3.connect(guided.tailor.layout.ledger_path)) as ledger, ledger:
        ledger.execute("UPDATE plans SET text = json_set(text, '$.name', 'another')")
    guided.say("make it 2 epochs", "go on")
    assert "cannot be read" in guided.request.diff
    assert not guided.request.is_first


def test_model_may_not_look_outside_when_the_person_named_no_such_file(converse, tmp_path):
    (tmp_path / "private.csv").write_text("text,label\na,b\n")
    look = says("", ("inspect_data", {"path": "../private.csv"}))
    named = says("", ("inspect_data", {"path": str(tmp_path / "private.csv")}))
    conversation = converse(ScriptedModel(script=[look, says("no"), named, says("yes")]))
    conversation.say("look around", f"use {tmp_path}/private.csv")
    finished = [event.ok for event in conversation.events if isinstance(event, ToolFinished)]
    assert finished == [False, True]


def test_silence_of_a_model_is_a_sentence_when_it_answers_nothing(converse):
    conversation = converse(ScriptedModel(script=[says("")]))
    conversation.say("hello")
    assert "answered nothing" in conversation.last(TurnFailed).message


def test_session_shows_the_open_approval_again_when_it_is_taken_up(guided, converse):
    guided.say(*TO_THE_PLAN)
    request = guided.request
    guided.close()
    again = converse(key=guided.key)
    again.open()
    assert again.request.request_id == request.request_id
    again.answer("approve")
    assert again.last(TurnFinished).plan_state == "succeeded"


def test_session_shows_the_open_question_again_when_it_is_taken_up(guided, converse):
    guided.say(TASK)
    guided.close()
    again = converse()
    again.open()
    assert again.last(Question).again
    assert again.question == guided.question
    again.say("", "", "")
    assert again.tailor.layout.spec_path.exists()


def test_session_takes_a_message_once_when_it_is_sent_again(guided):
    list(guided.session.send(TASK, "same-id"))
    told = list(guided.session.send(TASK, "same-id"))
    assert [event for event in told if isinstance(event, Question)]
    texts = [m.text for m in guided.session._state().values["messages"] if isinstance(m, HumanMessage)]
    assert texts.count(TASK) == 1


def test_turn_ends_and_job_goes_on_when_the_person_stops_watching(guided):
    (guided.root / "quick.json").write_text('{"train_s": 2}')
    guided.say(*TO_THE_PLAN)
    for event in guided.session.answer(_approval(guided)):
        guided.events.append(event)
        if isinstance(event, RunProgress) and event.event.type == "step_progress" and event.event.step == "train":
            guided.session.stop()
    assert guided.last(TurnFinished).plan_state == "running"
    assert guided.tailor.show("r2").state == "running"
    guided.say("go on")
    assert guided.request.steps[0].id == "evaluate"
    guided.answer("approve")
    assert guided.last(TurnFinished).plan_state == "succeeded"
    effects = guided.tailor.layout.run("r2").run_dir / "effects"
    assert effects.read_text() == "1\n"


def test_step_is_taken_up_when_the_engine_left_in_the_middle(guided, converse):
    (guided.root / "quick.json").write_text('{"train_s": 1}')
    guided.say(*TO_THE_PLAN)
    for event in guided.session.answer(_approval(guided)):
        if isinstance(event, RunProgress) and event.event.type == "step_progress" and event.event.step == "train":
            guided.session.leave()
    guided.close()
    again = converse(key=guided.key)
    again.open()
    assert again.last(TurnFinished).plan_state == "succeeded"
    assert (again.tailor.layout.run("r2").run_dir / "effects").read_text() == "1\n"


@pytest.mark.slow
def test_turn_comes_to_its_end_when_the_engine_was_killed_at_any_of_its_checkpoints(converse, project):
    for number in range(1, 20):
        root = write_data(project.with_name(f"killed-at-{number}"))
        command = [sys.executable, "-m", "tests.fakes.dying_session", str(root), str(number), TASK]
        died = subprocess.run(command, cwd=ROOT).returncode
        assert died in (0, -signal.SIGKILL)
        again = converse(root=root)
        again.events = list(again.session.send(TASK, "said-once"))
        assert "wrong answer" in again.last(Question).text, number
        texts = [m.text for m in again.session._state().values["messages"] if isinstance(m, HumanMessage)]
        assert texts.count(TASK) == 1
        if not died:
            assert number > 5
            return
    raise AssertionError("the turn never came to its end")


def test_turn_fails_with_a_sentence_when_the_model_fails(converse):
    model = ScriptedModel(script=[BackendError("The model is busy.", "Wait."), says("Here I am.")])
    conversation = converse(model)
    conversation.say("hello")
    assert conversation.last(TurnFailed).message == "The model is busy."
    conversation.say("again")
    assert conversation.said == "Here I am."


def test_turn_ends_with_a_sentence_when_a_model_calls_tools_in_a_circle(converse):
    conversation = converse(ScriptedModel(script=lambda _messages: says("", ("project_status", {}))))
    conversation.say("hello")
    assert str(MAX_SUPERSTEPS) in conversation.last(TurnFailed).message


def test_calls_are_answered_for_the_model_when_a_turn_was_cut_off(converse):
    calls = iter([says("", ("project_status", {}))] * MAX_SUPERSTEPS)
    model = ScriptedModel(script=lambda _messages: next(calls, says("ok")))
    conversation = converse(model)
    conversation.say("hello", "again")
    shown = model.shown[-1]
    asked = {call["id"] for message in shown for call in getattr(message, "tool_calls", [])}
    answered = {message.tool_call_id for message in shown if isinstance(message, ToolMessage)}
    assert asked == answered


def test_unknown_tools_and_arguments_are_sentences_when_a_model_invents_them(converse):
    model = ScriptedModel(
        script=[
            says("", ("rm_rf", {"path": "/"}), ("inspect_data", {"file": "x"}), ("run_steps", {"plan": "sha256:no"})),
            says("sorry"),
        ]
    )
    conversation = converse(model)
    conversation.say("hello")
    told = [message.text for message in model.shown[-1] if isinstance(message, ToolMessage)]
    assert "no tool" in told[0] and "does not take" in told[1] and "no plan" in told[2].lower()
    assert conversation.launches() == 0


def test_spec_is_edited_once_when_a_write_is_repeated_after_a_kill(converse):
    call = says("", ("create_spec", {"fields": FIELDS}))
    undo = says("", ("update_spec", {"changes": [{"path": "budget.hours", "value": 2}]}))
    conversation = converse(ScriptedModel(script=[call, says("ok"), undo, says("ok")]))
    conversation.say("write it")
    journal = conversation.context.journal
    before = conversation.tailor.layout.spec_path.read_text()
    journal.begin(undo.tool_calls[0]["id"], before)
    conversation.tailor.layout.spec_path.write_text(before.replace("hours: 1", "hours: 2"))
    conversation.say("change it")
    assert conversation.tailor.load_spec().spec.budget.hours == 2
    assert not list((conversation.tailor.layout.state_dir / "spec_history").glob("*"))


def test_licence_is_accepted_when_the_engine_is_killed_right_before_the_spec_counts_as_written(converse, monkeypatch):
    conversation = converse(ScriptedModel(script=licensed))
    conversation.say("label my messages")

    def killed(_call: str, _content: str) -> None:
        raise EngineLeaves

    with monkeypatch.context() as patched:
        patched.setattr(conversation.context.journal, "finish", killed)
        conversation.say("yes")
    conversation.open()
    assert conversation.tailor.load_spec().spec.model.license_accepted
    assert conversation.request is not None


def test_thread_stays_small_when_it_is_long(converse):
    conversation = converse(ScriptedModel(script=lambda messages: says("x" * 4000)))
    for number in range(70):
        list(conversation.session.send(f"{number} " + "y" * 4000))
    size = conversation.tailor.layout.threads_path.stat().st_size
    assert size < 10_000_000
    assert len(conversation.session._state().values["messages"]) <= 130


def test_leaving_says_nothing_more_when_the_engine_ends(guided):
    guided.session.leave()
    assert not [event for event in guided.say("hello") if isinstance(event, Text | TurnFinished | TurnFailed)]
    with pytest.raises(EngineLeaves):
        guided.context.control.check_leaving()


def _approval(conversation):
    from agent.events import Approval

    request = conversation.request
    grants = conversation.tailor.approve(request.plan, "all")
    return Approval(request_id=request.request_id, decision="approve", grants=grants)


def test_spec_written_by_the_guide_is_valid_when_loaded(guided):
    guided.say(*TO_THE_SPEC)
    assert guided.tailor.load_spec().spec.name == "bank-intent"
