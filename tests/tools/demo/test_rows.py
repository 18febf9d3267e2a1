"""The example rows: deterministic, balanced, nothing on both sides, and new words on the test side."""

import re

import pytest

from tools.demo.rows import make_rows


def bare(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.casefold()))


def test_rows_are_the_same_when_the_seed_is_the_same() -> None:
    assert make_rows(7, 20, 5) == make_rows(7, 20, 5)
    assert make_rows(7, 20, 5) != make_rows(8, 20, 5)


def test_rows_hold_every_intent_equally_often_when_made() -> None:
    rows = make_rows(7, 40, 14)
    intents = {row.intent for row in rows.train}
    assert len(intents) >= 12
    assert {row.intent for row in rows.test} == intents
    assert all(sum(row.intent == intent for row in rows.train) == 40 for intent in intents)


@pytest.mark.parametrize("seed", [0, 7, 99])
def test_rows_share_no_message_between_the_sides_when_marks_and_capitals_are_ignored(seed: int) -> None:
    rows = make_rows(seed, 40, 14)
    train, test = [bare(row.text) for row in rows.train], [bare(row.text) for row in rows.test]
    assert not set(train) & set(test)
    assert len(set(train)) == len(train)
    assert len(set(test)) == len(test)


def test_test_rows_hold_words_that_training_never_shows_when_made() -> None:
    rows = make_rows(7, 40, 14)
    known = {word for row in rows.train for word in bare(row.text).split()}
    unseen = [row for row in rows.test if not set(bare(row.text).split()) <= known]
    assert len(unseen) > len(rows.test) / 4


def test_rows_are_refused_when_there_are_not_enough_wordings() -> None:
    with pytest.raises(ValueError, match="different messages for the intent unlock_bike"):
        make_rows(7, 100_000, 1)
