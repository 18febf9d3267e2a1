import stat
from pathlib import Path

import pytest

from specs.layout import ProjectLayout
from tools.errors import ToolError
from tools.votes import Vote, VoteAnswer, VoteSetting, read_votes, save_vote, tally

SETTING = VoteSetting(temperature=0, seed=7)


def a_vote(id: str, better: int, models: tuple[str, str] = ("seedling", "bank@1")) -> Vote:
    answers = tuple(
        VoteAnswer(model=model, text=f"answer of {model}\n", num_tokens=3, seconds=0.5, setting=SETTING)
        for model in models
    )
    return Vote(id=id, time=1.0, prompt="Where is it?", answers=answers, better=better, blind=False)


@pytest.fixture
def layout(tmp_path: Path) -> ProjectLayout:
    return ProjectLayout(tmp_path)


def test_votes_are_one_line_each_that_only_the_owner_reads_when_saved(layout: ProjectLayout):
    assert read_votes(layout) == ()
    votes = (a_vote("1", 1), a_vote("2", 0))
    for vote in votes:
        save_vote(layout, vote)
    assert read_votes(layout) == votes
    assert len(layout.votes_path.read_bytes().splitlines()) == 2
    assert stat.S_IMODE(layout.votes_path.stat().st_mode) == 0o600


def test_vote_replaces_the_earlier_one_for_readers_when_it_is_on_the_same_answers(layout: ProjectLayout):
    for vote in (a_vote("1", 1), a_vote("2", 2), a_vote("1", 0)):
        save_vote(layout, vote)
    assert [(vote.id, vote.better) for vote in read_votes(layout)] == [("1", 0), ("2", 2)]
    assert len(layout.votes_path.read_bytes().splitlines()) == 3


def test_votes_survive_a_torn_line_when_a_crash_left_one(layout: ProjectLayout):
    save_vote(layout, a_vote("1", 1))
    with layout.votes_path.open("ab") as stream:
        stream.write(b'{"id": "torn')
    save_vote(layout, a_vote("2", 2))
    assert [vote.id for vote in read_votes(layout)] == ["1", "2"]


def test_tally_counts_by_model_whatever_side_it_stood_on(layout: ProjectLayout):
    swapped = ("bank@1", "seedling")
    votes = [
        a_vote("1", 1),
        a_vote("2", 1, swapped),
        a_vote("3", 2, swapped),
        a_vote("4", 0),
        a_vote("5", 1, ("a", "b")),
    ]
    found = tally(votes, "seedling", "bank@1")
    assert (found.first, found.second, found.ties, found.total) == (2, 1, 1, 4)
    assert votes[1].winner == "bank@1"


def test_votes_say_what_is_wrong_when_the_file_cannot_be_used(layout: ProjectLayout):
    layout.votes_path.mkdir(parents=True)
    with pytest.raises(ToolError, match="cannot be saved"):
        save_vote(layout, a_vote("1", 1))
    with pytest.raises(ToolError, match="cannot be read"):
        read_votes(layout)
