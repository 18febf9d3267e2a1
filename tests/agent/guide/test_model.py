import json
from collections.abc import Callable
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from ruamel.yaml import YAML

from agent.events import ApprovalRequested, PlanReady, Question, RunProgress, SpecChanged, TurnFailed, TurnFinished
from agent.guide.model import GuideModel
from tests.fakes.conversation import TASK, TO_THE_PLAN, TO_THE_SPEC, Conversation
from tests.fakes.quick_engine import write_data


def spec_of(conversation: Conversation) -> dict:
    return YAML(typ="safe").load(conversation.tailor.layout.spec_path)


def test_guide_introduces_itself_and_asks_one_question_when_the_project_is_new(guided):
    assert "without a model" in guided.said
    assert guided.count(Question) == 1
    assert guided.question.number == "1 of 6"
    assert guided.question.why
    assert guided.question.default == "Answer like the examples in data/train.csv."


def test_guide_writes_the_spec_from_defaults_when_only_enter_is_pressed(guided):
    guided.say("", "", "", "", "")
    spec = spec_of(guided)
    assert spec["goal"]["task"] == "Answer like the examples in data/train.csv."
    assert (
        spec["data"]["sources"] == [{"path": "data/train.csv", "columns": {"prompt": "text", "completion": "intent"}}]
        or spec["data"]["sources"][0]["path"] == "data/train.csv"
    )
    assert spec["data"]["test"]["path"] == "data/test.csv"
    assert spec["evaluation"]["checks"] == [{"name": "accuracy", "scorer": "exact_match", "threshold": 0.8}]
    assert spec["model"] == {"base": "seedling", "license_accepted": True}
    assert guided.count(Question) <= 6


def test_guide_skips_what_was_volunteered_when_files_and_changes_are_named(guided):
    guided.say(TASK)
    assert "wrong answer" in guided.question.text
    guided.say("it is about a card", "0.9", "seedling, 30 minutes")
    spec = spec_of(guided)
    assert spec["goal"]["task"] == "Label bank messages by intent"
    assert spec["name"] == "bank-intent"
    assert spec["deployment"]["target"] == "none"
    assert spec["evaluation"]["checks"][0]["threshold"] == 0.9
    assert spec["budget"]["hours"] == 0.5
    assert spec["goal"]["bad_examples"][0]["answer"] == "it is about a card"
    assert len(spec["goal"]["good_examples"]) == 3


def test_guide_explains_and_asks_the_same_again_when_asked_why(guided):
    asked = guided.question
    guided.say("why?")
    assert guided.said == asked.why
    assert guided.question == asked
    guided.say("what is an epoch?")
    assert "one pass over all training rows" in guided.said
    assert guided.question == asked


def test_guide_names_the_plans_own_reason_when_a_value_is_asked_about(guided):
    guided.say(*TO_THE_PLAN, "why epochs?")
    assert guided.said.startswith("In this plan epochs is")


def test_guide_takes_the_last_answer_back_when_told_undo_in_the_interview(guided):
    guided.say(TASK, "", "0.95")
    guided.say("undo")
    assert "score" in guided.question.text
    guided.say("undo")
    assert "wrong answer" in guided.question.text


def test_guide_takes_the_last_edit_back_when_told_undo_after_the_spec(guided):
    guided.say(*TO_THE_SPEC, "make it 3 epochs")
    assert spec_of(guided)["train"][0]["epochs"] == 3
    assert "+    epochs: 3" in guided.diff
    guided.say("undo")
    assert "epochs" not in spec_of(guided)["train"][0]


@pytest.mark.parametrize("text", ["the weather is fine", "is 3 epochs too many?", "\x1b[2J\u202e"])
def test_guide_says_so_when_it_does_not_understand(guided, text):
    guided.say(*TO_THE_SPEC, text)
    assert "I did not understand" in guided.said
    assert "go on" in guided.said


@pytest.mark.parametrize(
    ("answers", "says", "stays"),
    [
        ((), "too short", "What should the model do"),
        ((TASK, ""), "did not understand", "What score"),
        ((TASK, "", ""), "did not understand", "Which base model"),
    ],
)
def test_guide_asks_again_when_an_answer_makes_no_sense(guided, answers, says, stays):
    guided.say(*answers, "hm")
    assert says in guided.said
    assert stays in guided.question.text


def test_guide_lists_files_and_asks_when_several_could_be_meant(converse, tmp_path):
    root = write_data(tmp_path / "several")
    for name in ("other.csv", "train_old.csv"):
        (root / "data" / name).write_text((root / "data" / "train.csv").read_text())
    conversation = converse(root=root)
    conversation.open()
    conversation.say("label messages by intent")
    assert "data/other.csv" in conversation.question.text
    assert conversation.question.default in {"data/train.csv", "data/train_old.csv"}
    conversation.say("data/nothing.csv")
    assert "nothing.csv" in conversation.said
    conversation.say("train.csv")
    assert "Which rows shall test the model" in conversation.question.text
    conversation.say("hold out 25 %", "", "", "")
    assert spec_of(conversation)["data"]["test"] == {"fraction": 0.25}


def test_guide_asks_about_columns_when_they_are_ambiguous(converse, tmp_path):
    root = tmp_path / "columns"
    (root / "data").mkdir(parents=True)
    rows = "\n".join(f"left side number {i},right side number {i},middle {i}" for i in range(30))
    (root / "data" / "pairs.csv").write_text(f"first,second,third\n{rows}\n")
    conversation = converse(root=root)
    conversation.open()
    conversation.say("translate one side into the other, data/pairs.csv")
    assert "first, second, third" in conversation.question.text
    conversation.say("first → second")
    assert "test the model" in conversation.question.text
    conversation.say("", "", "")
    source = spec_of(conversation)["data"]["sources"][0]
    assert source["columns"] == {"prompt": "first", "completion": "second"}
    numbers = [event.number for event in conversation.events if isinstance(event, Question)]
    assert len(set(numbers)) <= 6


def test_guide_asks_for_another_licence_when_another_base_is_chosen(guided):
    guided.say(TASK, "", "", "Qwen/Qwen3-0.6B")
    assert "licence of Qwen/Qwen3-0.6B" in guided.question.text
    assert spec_of(guided)["model"] == {"base": "Qwen/Qwen3-0.6B", "license_accepted": False}
    guided.say("no")
    assert spec_of(guided)["model"]["license_accepted"] is False
    guided.say("base model Qwen/Qwen3-1.7B", "yes")
    assert spec_of(guided)["model"] == {"base": "Qwen/Qwen3-1.7B", "license_accepted": True}


def test_guide_plans_with_reasons_and_asks_approval_when_told_to_go_on(guided):
    guided.say(*TO_THE_PLAN)
    ready = guided.last(PlanReady)
    assert [step.id for step in ready.steps] == ["prepare_data", "baseline", "train", "evaluate"]
    assert all(value.reason for step in ready.steps for value in step.values)
    assert guided.last(TurnFinished).waiting == "approval"
    assert guided.launches() == 0


def test_guide_runs_and_shows_results_when_approved(guided):
    guided.say(*TO_THE_PLAN)
    guided.answer("approve")
    assert guided.last(TurnFinished).plan_state == "succeeded"
    assert guided.count(RunProgress) > 5
    assert "accuracy" in guided.shown
    assert guided.launches() == 3


def test_guide_changes_and_asks_anew_when_talked_to_instead_of_approved(guided):
    guided.say(*TO_THE_PLAN)
    first = guided.request
    guided.say("make it 2 epochs")
    assert spec_of(guided)["train"][0]["epochs"] == 2
    guided.say("go on")
    assert guided.count(ApprovalRequested) == 2
    assert guided.request.plan.hash != first.plan.hash
    guided.answer("approve")
    assert guided.last(TurnFinished).plan_state == "succeeded"


def test_guide_stops_before_training_when_the_base_is_good_enough(guided):
    (guided.root / "quick.json").write_text(json.dumps({"base_is_good": True}))
    guided.say(*TO_THE_PLAN)
    guided.answer("approve")
    assert "stopped before training" in guided.said
    assert guided.launches() == 1
    guided.say("go on")
    assert [card.id for card in guided.request.steps] == ["train", "evaluate"]
    guided.answer("approve")
    assert guided.last(TurnFinished).plan_state == "succeeded"


def test_guide_goes_on_from_the_spec_when_the_project_has_one(converse: Callable[..., Conversation], tmp_path: Path):
    first = converse()
    first.open()
    first.say(*TO_THE_SPEC)
    first.tailor.layout.threads_path.unlink()
    first.close()
    second = converse()
    second.open()
    assert "has a spec for bank-intent" in second.said
    second.say("status")
    assert "Spec: valid (bank-intent)." in second.said
    second.say("go on")
    assert second.count(ApprovalRequested) == 1


def test_guide_reports_a_hand_edit_when_the_user_changes_the_file(guided):
    guided.say(*TO_THE_SPEC)
    path = guided.tailor.layout.spec_path
    path.write_text(path.read_text().replace("threshold: 0.8", "threshold: 0.7"))
    guided.say("go on")
    change = [event for event in guided.events if isinstance(event, SpecChanged) and event.by == "user"]
    assert "0.7" in change[-1].diff
    assert any("I see you changed spec.yaml" in event.text for event in guided.events if event.type == "text")
    assert guided.count(ApprovalRequested) == 1


def mails(root: Path, name: str = "mails.csv") -> Path:
    """A project with one export whose columns need a question."""
    (root / "data").mkdir(parents=True)
    labels = ("billing", "login", "delivery")
    rows = "\n".join(
        f'{n},"Customer {n} writes about {labels[n % 3]} and waits",{labels[n % 3]},agent{n % 2}' for n in range(60)
    )
    header = "Ticket ID, Customer Message (EN) ,Category / Kategorie,agent?"
    (root / "data" / name).write_text(f"{header}\n{rows}\n", encoding="utf-8")
    return root


COLUMNS = "Customer Message (EN) -> Category / Kategorie"


@pytest.fixture
def mailing(converse: Callable[..., Conversation], tmp_path: Path) -> Conversation:
    """A conversation in such a project."""
    conversation = converse(root=mails(tmp_path / "mails"))
    conversation.open()
    return conversation


def test_guide_keeps_the_file_when_the_columns_are_taken_back(mailing):
    mailing.say("classify mails", "")
    asked = mailing.question
    mailing.say(COLUMNS, "undo")
    assert mailing.question.text == asked.text
    mailing.say("", "", "", "", "")
    spec = spec_of(mailing)
    assert spec["data"]["sources"][0]["path"] == "data/mails.csv"
    assert spec["evaluation"]["checks"][0]["threshold"] == 0.8


def test_guide_takes_back_the_change_and_not_the_answer_when_the_change_came_last(guided):
    guided.say(TASK, "", "make it 2 epochs")
    asked = guided.question
    guided.say("undo")
    assert "change" in guided.said
    assert guided.question.text == asked.text
    guided.say("", "")
    assert "epochs" not in spec_of(guided)["train"][0]


def test_guide_never_runs_in_circles_when_much_was_taken_back(mailing):
    mailing.say("sort mails", "", COLUMNS, "undo", "", "0.5", *["undo"] * 5)
    assert "nothing to take back" in mailing.said
    mailing.say(
        "sort support mails by category, examples in 'Support Export (2026) FINAL.csv'", "", "", "hold out 20 %"
    )
    for _ in range(6):
        mailing.say("")
        if mailing.tailor.layout.spec_path.exists():
            break
    assert spec_of(mailing)["data"]["sources"][0]["path"] == "data/mails.csv"
    assert mailing.count(TurnFailed) == 0


def test_guide_has_nothing_to_take_back_when_nothing_was_said(guided):
    guided.say("undo")
    assert "nothing to take back" in guided.said
    assert "What should the model do" in guided.question.text


def test_guide_begins_again_when_told_to_start_over(guided):
    guided.say(TASK, "", "start over")
    assert "begin again" in guided.said
    assert "What should the model do" in guided.question.text
    guided.say(*TO_THE_SPEC, "start over")
    assert "spec.yaml stays" in guided.said
    assert guided.tailor.layout.spec_path.exists()


@pytest.mark.parametrize("words", ["aprove all", "ok do it", "the weather is fine", "why epochs?", "status", "help"])
def test_guide_asks_the_approval_again_when_other_words_came(guided, words):
    guided.say(*TO_THE_PLAN, words)
    assert guided.last(TurnFinished).waiting == "approval"
    said = "\n".join(event.text for event in guided.events if event.type == "text")
    assert "The approval is open: answer it, or say what to change." in said
    before = len(guided.events)
    guided.answer("approve")
    assert guided.last(TurnFinished).plan_state == "succeeded"
    after = "\n".join(event.text for event in guided.events[before:] if event.type == "text")
    assert "approval" not in after
    assert "know nothing new" not in after


def test_question_keeps_its_number_when_an_answer_was_taken_back_and_given_in_other_words(guided):
    guided.say(TASK)
    assert guided.question.number == "2 of 6"
    guided.say("", "undo")
    assert guided.question.number == "2 of 6"
    first = guided.question.text
    path = guided.root / "data" / "train.csv"
    path.write_text(path.read_text().replace("train message", "another message"))
    guided.say("undo", TASK)
    assert guided.question.number == "2 of 6"
    assert guided.question.text != first
    guided.say("")
    assert guided.question.number == "3 of 6"


def test_skip_takes_the_default_of_the_first_question_or_says_that_there_is_none(guided):
    guided.say("skip")
    assert "no sensible default" in guided.said or guided.question.number == "2 of 6"
    assert "too short" not in guided.said


def test_guide_repeats_what_it_took_when_an_answer_is_loosely_worded(guided):
    guided.say(TASK, "", "15 percent plz")
    assert "Noted: score 0.15." in guided.said
    guided.say("make it -3 epochs")
    assert "-3 is below zero" in guided.said
    guided.say("make it 2 epochs and paint it blue")
    assert "Noted: epochs 2." in guided.said and "did not understand: paint it blue" in guided.said
    guided.say("seedling but max 5 mins")
    said = "\n".join(event.text for event in guided.events if event.type == "text")
    assert "Noted: base model seedling, at most 5 minutes." in said
    assert round(spec_of(guided)["budget"]["hours"], 3) == 0.083


def test_guide_reads_the_file_when_its_name_is_no_single_word(converse, tmp_path):
    conversation = converse(root=mails(tmp_path / "named", "Support Export (2026), 'FINAL'.csv"))
    conversation.open()
    conversation.say("Sort support mails by category, examples in Support Export (2026), 'FINAL'.csv")
    assert "Which column" in conversation.question.text
    conversation.say(COLUMNS, "", "", "", "")
    spec = spec_of(conversation)
    assert spec["goal"]["task"] == "Sort support mails by category"
    assert spec["data"]["sources"][0]["path"] == "data/Support Export (2026), 'FINAL'.csv"


def test_guide_explains_the_setting_when_asked_about_its_number(guided):
    guided.say(*TO_THE_SPEC, "make it 40 epochs", "learning rate 0.003", "why 40?")
    assert "one pass over all training rows" in guided.said
    guided.say("why 0.003?")
    assert "learning" in guided.said.lower() and "no entry" not in guided.said.lower()
    for words in ("runs", "what happened?"):
        guided.say(words)
        assert "Spec: valid" in guided.said


def test_guide_measures_numbers_as_numbers_when_every_answer_is_one(converse, tmp_path):
    root = tmp_path / "numbers"
    (root / "data").mkdir(parents=True)
    rows = "\n".join(f"how many apples are in basket {n} of the market,{n % 4}" for n in range(60))
    (root / "data" / "apples.csv").write_text(f"question,count\n{rows}\n")
    conversation = converse(root=root)
    conversation.open()
    conversation.say("count the apples, data/apples.csv")
    while not conversation.tailor.layout.spec_path.exists():
        assert conversation.count(Question) < 9
        conversation.say("question -> count" if "Which column" in conversation.question.text else "")
    assert spec_of(conversation)["evaluation"]["checks"][0]["scorer"] == "numeric"


def test_guide_puts_the_question_in_words_when_it_may_ask_no_more():
    messages: list[BaseMessage] = [HumanMessage("help")]
    model = GuideModel()
    first = model.invoke(messages)
    assert isinstance(first, AIMessage) and first.tool_calls[0]["name"] == "ask_user"
    refused = ToolMessage(json.dumps({"error": "6 questions were asked already."}), tool_call_id="1", name="ask_user")
    second = model.invoke([*messages, first, refused])
    assert isinstance(second, AIMessage) and not second.tool_calls
    assert "What should the model do?" in second.text
    third = model.invoke([*messages, first, refused, second, HumanMessage("label messages by topic")])
    assert isinstance(third, AIMessage) and "Which file" in third.tool_calls[0]["args"]["text"]
