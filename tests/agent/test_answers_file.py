import pytest

from agent.answers_file import AnswersFile, Decide, Say, read_decision
from tools.errors import UsageError


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        ("approve all", Decide(True)),
        ("Approve", Decide(True)),
        ("approve train", Decide(True, ("train",))),
        ("approve baseline, train", Decide(True, ("baseline", "train"))),
        ("deny", Decide(False)),
        ("deny too slow", Decide(False, reason="too slow")),
        ("reject: costs too much", Decide(False, reason="costs too much")),
        ("yes", None),
        ("y", None),
        ("", None),
        ("go on", None),
        ("I approve of cats", None),
        ("approve the plan that the rows asked for", None),
    ],
)
def test_decision_is_read_only_when_the_words_say_it(text, decision):
    assert read_decision(text) == decision


@pytest.fixture
def answers(tmp_path):
    def make(text: str, *, is_new: bool = True) -> AnswersFile:
        path = tmp_path / "answers.txt"
        path.write_text(text)
        return AnswersFile(path, tmp_path, is_new_thread=is_new)

    return make


def test_lines_are_said_in_order_when_nothing_waits(answers):
    file = answers("# first\ntask\n\nlast\n")
    moves = []
    while move := file.next_move(asks_question=True):
        moves.append(move.text)
        file.done()
    assert moves == ["task", "", "last"]
    assert file.is_used_up


def test_approval_is_led_to_when_it_is_not_asked_for_yet(answers):
    file = answers("approve all\n")
    assert file.next_move(asks_question=True) == Say("")
    assert file.next_move(asks_question=False) == Say("go on")
    assert file.next_move(asks_question=False, plan="p") == Decide(True)


def test_approval_is_given_up_when_it_is_never_asked_for(answers):
    file = answers("approve all\n")
    moves = 0
    while file.next_move(asks_question=False):
        moves += 1
    assert 5 < moves < 20
    assert not file.is_used_up


def test_empty_lines_approve_nothing_when_an_approval_is_open(answers):
    file = answers("\n\nmake it 2 epochs\n")
    assert file.next_move(asks_question=False, plan="p").text == "make it 2 epochs"


def test_file_goes_on_where_it_was_when_it_was_interrupted(answers):
    first = answers("one\ntwo\napprove all\nthree\n")
    first.next_move(asks_question=True)
    first.done()
    said = first.next_move(asks_question=True)
    again = answers("one\ntwo\napprove all\nthree\n", is_new=False)
    assert again.next_move(asks_question=True) == said
    again.done()
    assert again.next_move(asks_question=False, plan="p") == Decide(True)
    for plan, expected in (("p", Decide(True)), ("other", "three"), ("", "three")):
        resumed = answers("one\ntwo\napprove all\nthree\n", is_new=False)
        move = resumed.next_move(asks_question=False, plan=plan)
        assert move == expected or move.text == expected
        again.next_move(asks_question=False, plan="p")


def test_file_starts_anew_when_the_thread_or_the_file_is_another(answers):
    first = answers("one\ntwo\n")
    first.next_move(asks_question=True)
    first.done()
    assert answers("one\ntwo\n", is_new=True).next_move(asks_question=True).text == "one"
    first.done()
    assert answers("one\nchanged\n", is_new=False).next_move(asks_question=True).text == "one"


def test_file_is_refused_with_a_sentence_when_it_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        AnswersFile(tmp_path / "none.txt", tmp_path, is_new_thread=True)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(UsageError, match="UTF-8"):
        AnswersFile(tmp_path / "latin.txt", tmp_path, is_new_thread=True)
