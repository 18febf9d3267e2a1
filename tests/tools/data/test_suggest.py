from dataclasses import dataclass

import pytest

from specs.data import Columns
from tools.data.suggest import suggest


@dataclass
class Column:
    name: str
    kind: str = "text"
    num_distinct: int = 100
    num_empty: int = 0
    mean_characters: float = 60.0
    is_label: bool = False


def label(name):
    return Column(name, num_distinct=5, mean_characters=8.0, is_label=True)


@pytest.mark.parametrize(
    ("columns", "expected", "confidence", "task"),
    [
        ([Column("text"), label("category")], Columns(prompt="text", completion="category"), "high", "generation"),
        ([label("kind"), Column("msg")], Columns(prompt="msg", completion="kind"), "high", "generation"),
        ([Column("question"), Column("answer")], Columns(prompt="question", completion="answer"), "high", "generation"),
        (
            [Column("id", mean_characters=4), Column("text"), label("label")],
            Columns(prompt="text", completion="label"),
            "high",
            "generation",
        ),
        (
            [Column("prompt"), Column("completion"), Column("system")],
            Columns(prompt="prompt", completion="completion", system="system"),
            "high",
            "generation",
        ),
        ([Column("messages", kind="messages")], Columns(messages="messages"), "high", "chat"),
        (
            [Column("prompt"), Column("chosen"), Column("rejected")],
            Columns(prompt="prompt", completion="chosen"),
            "medium",
            "preference",
        ),
        ([Column("body")], Columns(text="body"), "medium", "text"),
    ],
)
def test_columns_are_suggested_with_confidence(columns, expected, confidence, task):
    found, alternatives = suggest(columns)
    assert found is not None
    assert (found.columns, found.confidence, found.task) == (expected, confidence, task)
    assert alternatives == ()


@pytest.mark.parametrize(
    "columns",
    [
        [Column("instruction"), Column("input"), Column("output")],
        [Column("text"), label("topic"), label("tone")],
        [Column("left"), Column("right")],
    ],
)
def test_alternatives_are_listed_when_columns_are_ambiguous(columns):
    found, alternatives = suggest(columns)
    assert found is not None
    assert found.confidence != "high"
    assert alternatives
    assert found.columns not in [other.columns for other in alternatives]


def test_nothing_is_suggested_when_there_is_no_text():
    assert suggest([Column("n", kind="number")]) == (None, ())
