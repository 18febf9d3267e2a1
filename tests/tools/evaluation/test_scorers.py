from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from specs.evaluation import Check
from specs.run import Message
from tools.errors import UsageError
from tools.evaluation import scorers
from tools.evaluation.records import Answer
from tools.evaluation.scorers import label_scores, last_number, macro_f1, score_rows

LABEL = st.sampled_from(["a", "b", "c", "d", "stray", ""])


def scored(scorer: str, wanted: str, text: str, **settings: Any) -> bool:
    check = Check.model_validate({"name": "c", "scorer": scorer, "threshold": 0.5, **settings})
    answer = Answer("1", "data/test.csv:2", (Message(role="user", content="?"),), wanted, text, "stop")
    (right,) = score_rows(check, [answer])
    return right


@pytest.mark.parametrize(
    ("wanted", "text", "ignore_case", "right"),
    [
        ("card", "card", False, True),
        ("card", "  card\n", False, True),
        ("card", "Card", False, False),
        ("card", "Card", True, True),
        ("Straße", "STRASSE", True, True),
        ("card", "card.", False, False),
        ("card", "", False, False),
    ],
)
def test_exact_match_compares_stripped_texts(wanted: str, text: str, ignore_case: bool, right: bool):
    assert scored("exact_match", wanted, text, ignore_case=ignore_case) is right


def test_contains_looks_for_the_wanted_answer_anywhere():
    assert scored("contains", "Paris ", "It is Paris, of course")
    assert not scored("contains", "Paris", "It is paris")
    assert scored("contains", "Paris", "it is PARIS", ignore_case=True)


@pytest.mark.parametrize("text", ['{"a": 1}', " [1, 2]\n", '"text"', "42", "null"])
def test_json_valid_accepts_one_json_value(text: str):
    assert scored("json_valid", "", text)


@pytest.mark.parametrize(
    "text",
    ["", "{'a': 1}", '{"a": 1,}', '{"a": 1, "a": 2}', "NaN", '```json\n{"a": 1}\n```', '{"a": 1} done', "[" * 100_000],
)
def test_json_valid_refuses_what_is_not_strict_json(text: str):
    assert not scored("json_valid", "", text)


def test_regex_finds_the_pattern_anywhere_unless_it_is_anchored():
    assert scored("regex", "", "order 4711", pattern=r"\d{4}")
    assert not scored("regex", "", "order 4711", pattern=r"^\d{4}$")
    assert scored("regex", "", " 4711 ", pattern=r"^\d{4}$")
    assert scored("regex", "", "YES", pattern="yes", ignore_case=True)


def test_a_prompt_the_model_cannot_read_is_never_right():
    check = Check(name="c", scorer="regex", threshold=0.5, pattern="^$")
    unread = Answer("1", "data/test.csv:2", (), "x", "", "prompt_too_long")
    empty = Answer("2", "data/test.csv:3", (), "x", "", "stop")
    assert score_rows(check, [unread, empty]) == [False, True]


def test_regex_is_refused_with_the_row_when_it_backtracks_without_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scorers, "PATTERN_TIMEOUT_S", 0.05)
    with pytest.raises(UsageError, match=r"data/test.csv:2"):
        scored("regex", "", "a" * 60 + "b", pattern="(a|aa)+$")


def test_regex_is_refused_when_it_is_no_pattern():
    with pytest.raises(UsageError, match="no regular expression"):
        scored("regex", "", "x", pattern="(")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 42", "42"),
        ("3 apples and 4 pears make 7.", "7"),
        ("first 5 #### 6 of 7", "6"),
        ("it is 1,234.5", "1234.5"),
        ("$1,000,000!", "1000000"),
        ("12\u202f345", "12345"),
        ("1,2345", "2345"),
        ("-3", "-3"),
        ("x = \u22127", "-7"),
        ("5-3", "3"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("12 %", "12"),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_last_number_reads_the_number_as_written(text: str, number: str):
    assert last_number(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "none", "####", "NaN", "infinity"])
def test_last_number_is_none_when_there_is_none(text: str):
    assert last_number(text) is None


def test_numeric_compares_numbers_within_the_tolerance():
    assert scored("numeric", "a … #### 42", "so it is 42.0")
    assert not scored("numeric", "42", "42.1")
    assert scored("numeric", "42", "42.1", tolerance=0.1)
    assert not scored("numeric", "42", "no idea")
    assert not scored("numeric", "42", "1e999999999", tolerance=1)


def test_numeric_reads_the_part_the_pattern_names():
    assert scored("numeric", "total: 7", "total: 7 of 9", pattern=r"total: (\d+)")
    assert not scored("numeric", "7", "7", pattern=r"total: (\d+)")


def test_numeric_is_refused_with_the_row_when_the_wanted_answer_has_no_number():
    with pytest.raises(UsageError, match=r"data/test.csv:2 holds none: many"):
        scored("numeric", "many", "3")


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d"]), LABEL), min_size=1, max_size=60))
def test_macro_f1_agrees_with_scikit_learn(pairs: list[tuple[str, str]]):
    wanted, answered = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    expected = f1_score(wanted, answered, average="macro", labels=sorted(set(wanted)), zero_division=0)
    assert macro_f1(wanted, answered) == pytest.approx(expected, abs=1e-12)


def test_label_scores_name_the_worst_first():
    scores = label_scores(["a", "a", "b", "b"], ["a", "a", "a", "b"])
    assert [(score.label, score.rows, score.right, score.answered) for score in scores] == [
        ("b", 2, 1, 1),
        ("a", 2, 2, 3),
    ]
