import pytest

from specs.data import Columns
from tools.data.records import Record
from tools.data.rows import BadRow, default_columns, to_row

MESSAGES = Columns(messages="messages")
PAIR = Columns(prompt="prompt", completion="completion", system="system")


def turn(role, content="x", **more):
    return {"role": role, "content": content, **more}


def test_prompt_and_completion_become_turns_when_they_are_texts():
    row = to_row(Record(3, {"prompt": "q", "completion": "a", "system": "s"}), PAIR)
    assert row == (3, (("system", "s"), ("user", "q")), "a")


def test_prompt_and_completion_become_turns_when_they_are_message_lists():
    fields = {"prompt": [turn("system", "s"), turn("user", "q")], "completion": [turn("assistant", "a")]}
    assert to_row(Record(1, fields), PAIR) == (1, (("system", "s"), ("user", "q")), "a")


def test_earlier_answers_stay_in_the_prompt_when_messages_hold_several():
    messages = [turn("user", "1"), turn("assistant", "2"), turn("user", "3"), turn("assistant", "4")]
    row = to_row(Record(1, {"messages": messages}), MESSAGES)
    assert row.prompt == (("user", "1"), ("assistant", "2"), ("user", "3"))
    assert row.completion == "4"


def test_content_parts_are_joined_when_all_are_text():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [turn("user", parts), turn("assistant", "c", tool_calls=None)]
    assert to_row(Record(1, {"messages": messages}), MESSAGES).prompt == (("user", "ab"),)


def test_system_cell_is_left_out_when_it_is_empty():
    assert to_row(Record(1, {"prompt": "q", "completion": "a", "system": ""}), PAIR).prompt == (("user", "q"),)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ("text", "must be a list of messages, this is a text"),
        ([], "does not end with the assistant"),
        ([turn("assistant")], "does not end with the assistant"),
        ([turn("user"), turn("assistant"), turn("user")], "does not end with the assistant"),
        ([turn("system"), turn("assistant")], "the prompt is empty"),
        ([turn("user"), turn("system"), turn("assistant")], "a system message stands after the first message"),
        ([turn("developer"), turn("assistant")], "message 1 of column 'messages' has the role 'developer'"),
        ([turn("user"), turn("assistant", None)], "message 2 of column 'messages' must be text, this is null"),
        ([turn("user"), turn("assistant", tool_calls=[{}])], "holds 'tool_calls', which this training does not use"),
        ([turn("user"), turn("assistant", weight=0)], "weight 0"),
        ([turn("user", [{"type": "image_url"}]), turn("assistant")], "holds a part that is not text"),
        (["text", turn("assistant")], "must be an object with role and content"),
    ],
)
def test_messages_are_refused_when_they_are_not_a_question_and_an_answer(messages, reason):
    with pytest.raises(BadRow, match=".*" + reason):
        to_row(Record(1, {"messages": messages}), MESSAGES)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prompt": [turn("user"), turn("assistant")], "completion": "a"}, "ends with the assistant"),
        ({"prompt": "q", "completion": [turn("user")]}, "must be one message of the assistant"),
        ({"prompt": "q", "completion": [turn("assistant")] * 2}, "must be one message of the assistant"),
        ({"prompt": [turn("system"), turn("user")], "completion": "a", "system": "s"}, "two system prompts"),
    ],
)
def test_pair_is_refused_when_its_message_lists_do_not_fit(fields, reason):
    with pytest.raises(BadRow, match=reason):
        to_row(Record(1, fields), PAIR)


def test_default_columns_are_found_by_name():
    assert default_columns(["completion", "prompt", "x"]) == Columns(prompt="prompt", completion="completion")
    assert default_columns(["messages", "system"]) == Columns(messages="messages", system="system")
    assert default_columns(["text", "label"]) is None
