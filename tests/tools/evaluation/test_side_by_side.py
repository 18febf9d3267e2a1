import pytest

from specs.run import Message
from tools.errors import UsageError
from tools.evaluation.report import EvaluationReport
from tools.evaluation.side_by_side import prompt_text, side_by_side


def test_rows_show_losses_then_wins_then_ties(evaluated: EvaluationReport):
    rows = side_by_side(evaluated, 10)
    outcomes = [row.outcome for row in rows]
    assert len(rows) == 10
    assert outcomes == sorted(outcomes, key=["loss", "win", "tie"].index)
    assert set(outcomes) == {"loss", "win", "tie"}


def test_rows_agree_with_the_checks_counts_when_all_are_shown(evaluated: EvaluationReport):
    outcomes = [row.outcome for row in side_by_side(evaluated, 1000)]
    difference = evaluated.checks[0].difference
    assert difference is not None
    counts = (outcomes.count("win"), outcomes.count("tie"), outcomes.count("loss"))
    assert counts == (difference.wins, difference.ties, difference.losses)


def test_rows_are_scored_by_the_check_that_is_named(evaluated: EvaluationReport):
    assert side_by_side(evaluated, 3, "balance")
    with pytest.raises(UsageError, match="no check 'style'"):
        side_by_side(evaluated, 3, "style")


def test_side_by_side_is_refused_when_there_is_one_side(evaluated: EvaluationReport):
    with pytest.raises(UsageError, match="baseline"):
        side_by_side(evaluated.model_copy(update={"custom": None}))


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 39, 40])
def test_rows_fill_the_limit(evaluated: EvaluationReport, limit: int):
    rows = side_by_side(evaluated, limit)
    assert len(rows) == limit
    assert len({row.id for row in rows}) == limit


def test_prompt_names_roles_when_there_are_several_messages():
    alone = Message(role="user", content="Where is it?")
    assert prompt_text([Message(role="system", content="Be brief."), alone]) == "Where is it?"
    talk = [alone, Message(role="assistant", content="Here."), Message(role="user", content="Thanks")]
    assert prompt_text(talk) == "user: Where is it?\nassistant: Here.\nuser: Thanks"
