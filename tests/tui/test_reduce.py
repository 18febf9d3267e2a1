from dataclasses import replace

import pytest

from agent.cards import plan_cards
from agent.events import (
    ApprovalAnswered,
    ApprovalRequested,
    Notice,
    Question,
    RunProgress,
    SessionRefused,
    SessionStarted,
    Shown,
    SpecChanged,
    Text,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    TurnFailed,
    TurnFinished,
)
from agent.tui.reduce import reduce, restore
from agent.tui.state import AppState, spoke
from agent.tui.viewmodels.chat import Asked, Measured, Note, RunTold, Said, SpecEdit, ToolUse
from specs.events import StepDone, Warned
from tests.fakes.granted_project import a_plan
from tools.events import PlanFinished, StepFinished, StepProgress, StepStarted

STARTED = SessionStarted(project="/p", thread="main", brain="guide (no model)", resumed=False, time=1.0)


def after(*events, state: AppState | None = None) -> AppState:
    state = state or AppState()
    for event in events:
        state = reduce(state, event)
    return state


def test_answer_is_one_item_when_it_was_streamed_in_pieces():
    state = after(STARTED, TextDelta(text="Hel"), TextDelta(text="lo"))
    assert state.live == "Hello"
    assert state.items == ()
    state = after(Text(role="assistant", text="Hello", node="n1", time=2.0), state=state)
    assert state.live == ""
    assert state.items == (Said("text:n1", 2.0, "agent", "Hello"),)


@pytest.mark.parametrize(
    ("ending", "when"),
    [(TurnFailed(message="no", time=7.0), 7.0), (SessionRefused(message="no", exit_code=1), 3.0)],
    ids=["failed", "refused"],
)
def test_answer_that_was_cut_off_stays_with_its_time(ending, when):
    said = Text(role="user", text="hello", id="m1", time=3.0)
    state = after(STARTED, said, TextDelta(text="I was about to"), ending)
    cut = next(item for item in state.items if isinstance(item, Said) and item.by == "agent")
    assert (cut.text, cut.time) == ("I was about to", when)


@pytest.mark.parametrize("ending", [TurnFailed(message="no"), SessionRefused(message="no", exit_code=1)])
def test_nothing_can_be_approved_any_more_when_nobody_would_take_the_answer(ending):
    plan = a_plan()
    asked = ApprovalRequested(request_id="r1", plan=plan, steps=plan_cards(plan, None))
    assert after(STARTED, asked, TurnFinished(waiting="approval")).request is asked
    assert after(STARTED, asked, ending).request is None


def test_answer_replaces_the_one_before_when_a_killed_piece_of_work_is_repeated():
    first = Text(role="assistant", text="Hello", node="n1", time=2.0)
    again = Text(role="assistant", text="Hello there", node="n1", time=9.0)
    state = after(STARTED, first, STARTED, again)
    assert [item.text for item in state.items] == ["Hello there"]


@pytest.mark.parametrize(
    "event",
    [
        Question(text="Which file?", node="n1", time=1.0),
        SpecChanged(by="agent", diff="+a: 1", node="n1", time=1.0),
        Notice(message="Watch out.", node="n1", time=1.0),
        Shown(what="results", text="88 %", data={}, node="n1", time=1.0),
        ApprovalAnswered(request_id="r", decision="approve", steps=("train",), node="n1", time=1.0),
        ToolStarted(call="c", tool="explain", arguments={"topic": "LoRA"}, node="n1", time=1.0),
        RunProgress(event=StepStarted(step="train", run="r1", resumed=False), node="n1", time=1.0),
    ],
    ids=lambda event: event.type,
)
def test_nothing_is_shown_twice_when_an_event_is_told_again(event):
    once = after(STARTED, event)
    twice = after(STARTED, event, STARTED, event.model_copy(update={"time": 5.0}))
    assert len(once.items) == len(twice.items) == 1


def test_last_exchange_is_not_repeated_when_a_session_shows_it_again():
    said = Text(role="user", text="hi", id="m1", time=1.0)
    state = after(said, Text(role="assistant", text="hello", node="n1", time=2.0))
    state = after(
        STARTED,
        said.model_copy(update={"again": True}),
        Text(role="assistant", text="hello", id="m2", again=True, time=8.0),
        state=state,
    )
    assert [item.text for item in state.items] == ["hi", "hello"]


def test_last_exchange_is_shown_when_nothing_was_kept():
    state = after(STARTED, Text(role="user", text="hi", id="m1", again=True))
    assert [item.text for item in state.items] == ["hi"]


def test_question_is_open_until_the_person_answers():
    question = Question(text="Which file?", default="a.csv", options=("a.csv",), number="2 of 6", node="n", time=1.0)
    state = after(STARTED, question, TurnFinished(waiting="user"))
    assert isinstance(state.question, Asked)
    assert state.question.default == "a.csv"
    state = spoke(state, "m1", "b.csv", 3.0)
    assert state.question is None
    assert state.items[-1] == Said("said:m1", 3.0, "user", "b.csv")


def test_question_is_opened_again_without_a_second_item_when_a_session_takes_it_up():
    question = Question(text="Which file?", node="n", time=1.0)
    kept = restore(AppState(), (question,))
    state = after(STARTED, Question(text="Which file?", again=True, time=9.0), state=replace(kept, question=None))
    assert state.question is not None
    assert len(state.items) == 1


def test_question_stays_closed_when_an_engine_asks_again_before_it_has_read_the_answer():
    question = Question(text="Which file?", node="n", time=1.0)
    again = question.model_copy(update={"again": True, "time": 9.0})
    asked = after(STARTED, question, TurnFinished(waiting="user"))
    answered = spoke(asked, "m1", "b.csv", 3.0)
    died = Notice(message="The engine died and is started again.", time=4.0)
    assert after(died, STARTED, again, state=answered).question is None
    failed = TurnFailed(message="No network.", time=4.0)
    assert after(failed, STARTED, again, state=answered).question is not None
    assert after(died, STARTED, again, state=asked).question is not None


def test_message_waits_when_the_agent_is_at_work():
    state = spoke(after(STARTED), "m1", "wait", 1.0)
    assert not state.items[-1].is_sent
    state = after(TurnFinished(waiting="user"), state=state)
    assert state.items[-1].is_sent


def test_tool_goes_from_running_to_done_in_one_line():
    state = after(STARTED, ToolStarted(call="c", tool="inspect_data", arguments={"path": "a.csv"}, time=1.0))
    assert state.items[-1] == ToolUse("tool:c", 1.0, "Read a.csv", "running")
    assert state.activity == "Read a.csv"
    state = after(ToolProgress(call="c", message="100 rows"), state=state)
    assert state.items[-1].detail == "100 rows"
    state = after(ToolFinished(call="c", tool="inspect_data", ok=False, message="no file", seconds=0.4), state=state)
    assert state.items[-1] == ToolUse("tool:c", 1.0, "Read a.csv", "refused", 0.4, "no file")
    assert state.activity == ""


def test_only_the_latest_edit_of_the_agent_can_be_undone():
    state = after(
        SpecChanged(by="agent", diff="-x\n+a", node="1", time=1.0),
        SpecChanged(by="agent", diff="-a\n+b", node="2", time=2.0),
        SpecChanged(by="user", diff="-b\n+c", problems=("line 3: no",), node="3", time=3.0),
    )
    edits = [item for item in state.items if isinstance(item, SpecEdit)]
    assert [edit.can_undo for edit in edits] == [False, False, False]
    state = after(SpecChanged(by="agent", diff="-c\n+d", node="4", time=4.0), state=state)
    assert [item.can_undo for item in state.items] == [False, False, False, True]


def test_run_is_one_growing_item_without_lines_for_each_step():
    done = StepDone(time=1.0, step=1, total_steps=9, epoch=0.1, loss=1.0, learning_rate=0.1, elapsed_s=1.0)
    warned = Warned(time=1.0, code="x", message="Loss rises.")
    state = after(
        STARTED,
        RunProgress(event=StepStarted(step="train", run="r1", resumed=False), node="n", time=1.0),
        RunProgress(event=StepProgress(step="train", run="r1", event=done), node="n", time=2.0),
        RunProgress(event=StepProgress(step="train", run="r1", event=warned), node="n", time=3.0),
    )
    assert state.is_running
    assert state.run == "r1"
    assert state.mode == "RUN"
    item = state.items[-1]
    assert isinstance(item, RunTold)
    assert item.is_running
    assert len(item.lines) == 2
    finished = StepFinished(step="train", state="succeeded", run="r1", seconds=4.0)
    ended = PlanFinished(state="succeeded", plan="p", spent_usd=0, seconds=4, steps=())
    state = after(
        RunProgress(event=finished, node="n", time=4.0), RunProgress(event=ended, node="n", time=5.0), state=state
    )
    assert not state.is_running
    assert not state.items[-1].is_running
    assert len(state.items) == 1


@pytest.mark.parametrize(
    ("events", "mode"),
    [
        ((), "OFF"),
        ((STARTED,), "AGENT"),
        ((STARTED, TurnFinished(waiting="user")), "YOU"),
        ((STARTED, SessionRefused(message="no", exit_code=2)), "OFF"),
    ],
)
def test_mode_says_whose_move_it_is(events, mode):
    assert after(*events).mode == mode


def test_failure_is_kept_with_its_hint_and_the_words_so_far_when_a_turn_fails():
    state = after(STARTED, TextDelta(text="I was say"), TurnFailed(message="No network.", hint="Try again.", time=3.0))
    assert [type(item) for item in state.items] == [Said, Note]
    assert state.items[1].level == "error"
    assert not state.is_working


def test_nothing_runs_any_more_when_a_conversation_is_restored():
    state = restore(
        AppState(),
        (
            ToolStarted(call="c", tool="plan", arguments={}, time=1.0),
            RunProgress(event=StepStarted(step="train", run="r1", resumed=False), node="n", time=1.0),
        ),
        num_skipped=2,
    )
    assert state.num_skipped == 2
    assert state.engine == "starting"
    assert [getattr(item, "state", None) or item.is_running for item in state.items] == ["done", False]


@pytest.mark.parametrize("hostile", ["\x1b[31mred", "a\u202eb", "zero\u200bwidth", "\x07bell", "\x9b31m"])
def test_outside_text_is_escaped_in_every_kind_of_item(hostile):
    state = after(
        SessionStarted(project="p", thread="main", brain=hostile, resumed=False),
        Text(role="user", text=hostile, id="1"),
        Text(role="assistant", text=hostile, node="2"),
        Question(text=hostile, why=hostile, default=hostile, options=(hostile,), node="3"),
        ToolStarted(call="c", tool=hostile, arguments={}),
        ToolFinished(call="c", tool=hostile, ok=False, message=hostile, seconds=1.0),
        SpecChanged(by="user", diff=hostile, problems=(hostile,), node="5"),
        Shown(what="answers", text=hostile, data={}, node="6"),
        Notice(message=hostile, hint=hostile, node="7"),
        ApprovalAnswered(request_id="r", decision="deny", reason=hostile, node="8"),
        TextDelta(text=hostile),
    )
    assert not any(character in repr(state).encode().decode("unicode_escape") for character in "\x1b\u202e\u200b\x07")
    assert isinstance(state.items[5], Measured)


def test_first_text_of_the_spec_cannot_be_undone():
    created = SpecChanged(
        by="agent", diff="--- spec.yaml (before)\n+++ spec.yaml (now)\n@@ -0,0 +1 @@\n+version: 1", node="1"
    )
    assert not after(created).items[0].can_undo


def test_refusal_says_that_waiting_words_were_not_answered():
    said = spoke(AppState(), "1", "hello", 1.0)
    refused = SessionRefused(message="No key.", hint="Set it.", exit_code=2, time=2.0)
    assert after(refused, state=said).items[-1].hint == "Set it. What you said last was not answered; ↑ gives it back."
    assert after(refused).items[-1].hint == "Set it."
