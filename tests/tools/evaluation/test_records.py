from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specs.run import Generation
from tests.fakes.measured_project import row
from tools.errors import ToolError
from tools.evaluation.records import draw_rows, join, read_generations, read_rows

PATH = Path("/runs/r1/generations.jsonl")
ROWS = [row(index, "card") for index in range(6)]


def made(count: int) -> list[Generation]:
    return [Generation(id=each.id, text="card", num_tokens=1, finish="stop") for each in ROWS[:count]]


def test_join_gives_each_row_its_answer_in_the_order_of_the_rows():
    joined = join(ROWS, made(6)[::-1], PATH)
    assert [answer.id for answer in joined] == [each.id for each in ROWS]
    assert (joined[0].wanted, joined[0].text, joined[0].source) == ("card", "card", "data/test.csv:2")


def test_join_says_how_many_answers_are_missing():
    with pytest.raises(ToolError, match=r"5 of 6 test rows have no answer in .*000001, .*000003 and 2 more"):
        join(ROWS, made(1), PATH)


def test_join_is_refused_when_answers_belong_to_other_rows():
    with pytest.raises(ToolError, match=r"1 answers .* belong to no test row"):
        join(ROWS[:5], made(6), PATH)


def test_join_counts_a_repeated_answer_once_and_refuses_a_contradiction():
    assert len(join(ROWS, [*made(6), made(1)[0]], PATH)) == 6
    with pytest.raises(ToolError, match="two different answers"):
        join(ROWS, [*made(6), made(1)[0].model_copy(update={"text": "loan"})], PATH)


def test_reading_names_file_and_line_when_a_line_is_damaged(tmp_path: Path):
    path = tmp_path / "generations.jsonl"
    path.write_text(made(1)[0].model_dump_json() + '\n{"id": "torn')
    with pytest.raises(ToolError, match=r"generations\.jsonl:2"):
        read_generations(path)


def test_reading_is_refused_with_a_sentence_when_the_file_is_missing(tmp_path: Path):
    with pytest.raises(ToolError, match=r"dataset file .* cannot be read"):
        read_rows(tmp_path / "test.jsonl")


@given(st.integers(1, 30), st.integers(1, 30))
def test_a_smaller_draw_is_part_of_every_larger_one(one: int, other: int):
    rows = [row(index, "card") for index in range(20)]
    small, large = (draw_rows(rows, size) for size in sorted((one, other)))
    assert {each.id for each in small} <= {each.id for each in large}
    assert len(large) == min(20, max(one, other))
    assert large == [each for each in rows if each in large]


def test_every_row_is_drawn_when_there_is_no_limit():
    assert draw_rows(ROWS, None) == ROWS
