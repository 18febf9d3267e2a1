import pytest

from specs.data import Columns
from tools.data.inspect import inspect_file
from tools.errors import DataError


def test_banking_like_file_needs_no_question(tmp_path):
    rows = [f'"My question, number {number}",intent_{number % 7}' for number in range(70)]
    (tmp_path / "a.csv").write_text("text,category\n" + "\n".join(rows) + "\nbroken\n")
    found = inspect_file("a.csv", tmp_path)
    assert found.suggestion is not None
    assert found.suggestion.columns == Columns(prompt="text", completion="category")
    assert found.suggestion.confidence == "high"
    assert found.suggestion.reason == "category repeats 7 short labels, text is a usual name of a prompt"
    assert found.alternatives == ()
    assert (found.task_hint, found.num_labels, found.num_rows, found.num_refused) == ("classification", 7, 70, 1)
    assert found.labels[0].num_rows == 10
    assert [(column.name, column.kind, column.num_distinct, column.is_label) for column in found.columns] == [
        ("text", "text", 70, False),
        ("category", "text", 7, True),
    ]
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_column_numbers_are_right_when_cells_are_empty(tmp_path, write_jsonl):
    path = write_jsonl("a.jsonl", {"prompt": "abcd", "completion": "x", "n": 1}, {"prompt": "ab", "completion": " "})
    prompt, completion, number = inspect_file(path, tmp_path).columns
    assert (prompt.mean_characters, prompt.max_characters, prompt.samples) == (3.0, 4, ("abcd", "ab"))
    assert (completion.num_empty, number.num_empty, number.kind) == (1, 1, "number")


def test_chat_is_recognised_when_a_column_holds_messages(tmp_path, write_jsonl):
    talk = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    found = inspect_file(write_jsonl("a.jsonl", {"conversation": talk, "id": 1}), tmp_path)
    assert found.suggestion is not None
    assert found.suggestion.columns == Columns(messages="conversation")
    assert found.task_hint == "chat"


def test_file_is_refused_when_no_row_can_be_read(tmp_path):
    (tmp_path / "a.jsonl").write_text("not json\n")
    with pytest.raises(DataError, match="no usable row; the first is line 1: not valid JSON"):
        inspect_file("a.jsonl", tmp_path)


def test_sample_rows_have_different_answers_when_the_file_is_sorted_by_label(tmp_path):
    lines = [f"message number {number} of its kind,{label}" for label in "abcd" for number in range(100)]
    (tmp_path / "sorted.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    rows = inspect_file("sorted.csv", tmp_path).rows
    assert len({row["label"] for row in rows}) == len(rows) == 3


@pytest.mark.parametrize(("head", "is_doubted"), [("text,label", False), ("is it late,yes", True)])
def test_first_line_is_doubted_when_its_answer_is_one_of_the_labels(tmp_path, head, is_doubted):
    rows = "".join(f"message number {number},{'yes' if number % 2 else 'no'}\n" for number in range(40))
    (tmp_path / "a.csv").write_text(f"{head}\n{rows}")
    notices = inspect_file("a.csv", tmp_path).notices
    assert any("put a line with column names above it" in notice for notice in notices) is is_doubted
