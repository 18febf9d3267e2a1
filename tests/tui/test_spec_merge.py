import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.tui.spec_merge import base_range, hunks, merge, moved_line, settle

BASE = tuple("abcdefgh")
LINES = st.lists(st.sampled_from(["a", "b", "c", "", "  d: 1"]), max_size=12).map(tuple)


@st.composite
def separate_edits(draw: st.DrawFn) -> tuple[tuple[str, ...], ...]:
    """Return a base of distinct lines, each side's edit of its own lines, and the text with both."""
    base = tuple(f"line {number}" for number in range(draw(st.integers(1, 30))))
    mine: list[str] = []
    theirs: list[str] = []
    both: list[str] = []
    for number, line in enumerate(base):
        side = draw(st.sampled_from(["none", "none", "mine", "theirs"]))
        edit = draw(st.sampled_from([(), (f"new {number} {side}",), (line, f"more {number} {side}")]))
        # a line kept between two edits, so that neither side's edit touches the other's
        parts = (*(edit if side != "none" else (line,)), f"kept {number}")
        mine += parts if side == "mine" else (line, f"kept {number}")
        theirs += parts if side == "theirs" else (line, f"kept {number}")
        both += parts
    base = tuple(part for number, line in enumerate(base) for part in (line, f"kept {number}"))
    return base, tuple(mine), tuple(theirs), tuple(both)


@given(separate_edits())
@settings(max_examples=200)
def test_merge_keeps_every_edit_of_both_sides_when_they_do_not_meet(texts: tuple[tuple[str, ...], ...]):
    base, mine, theirs, both = texts
    merged = merge(base, mine, theirs)
    assert merged.overlaps == ()
    assert merged.lines() == both


@given(LINES, LINES, LINES)
@settings(max_examples=500)
def test_merge_drops_no_line_of_either_side_whatever_was_edited(base: tuple[str, ...], mine, theirs):
    merged = merge(base, mine, theirs)
    assert merge(base, mine, base).lines() == mine
    assert merge(base, base, theirs).lines() == theirs
    assert merge(base, mine, mine).lines() == mine
    for side, choice in ((mine, "mine"), (theirs, "theirs")):
        added = [side[line] for hunk in hunks(base, side) for line in range(hunk.start, hunk.stop)]
        result = merged.lines(choice)
        assert all(result.count(line) >= 1 for line in added)
    other = merge(base, theirs, mine)
    assert other.lines("mine") == merged.lines("theirs")
    assert [(one.mine, one.theirs) for one in merged.overlaps] == [(two.theirs, two.mine) for two in other.overlaps]
    for overlap in merged.overlaps:
        assert mine[slice(*overlap.place)] == overlap.mine


@given(LINES, LINES, LINES, st.sampled_from(["mine", "theirs", "both"]))
@settings(max_examples=300)
def test_settling_overlaps_one_by_one_ends_with_a_merge(base: tuple[str, ...], mine, theirs, choice):
    first = merge(base, mine, theirs)
    for _ in range(50):
        overlaps = merge(base, mine, theirs).overlaps
        if not overlaps:
            break
        base, mine = settle(base, mine, overlaps[0], choice)
    assert merge(base, mine, theirs).overlaps == ()
    if choice == "theirs" and len(first.overlaps) == 1:
        assert merge(base, mine, theirs).lines() == first.lines("theirs")


@given(LINES, LINES)
def test_hunks_lead_from_one_text_to_the_other(old: tuple[str, ...], new: tuple[str, ...]):
    made: list[str] = []
    done = 0
    for hunk in hunks(old, new):
        assert hunk.first > done or done == 0
        made += [*old[done : hunk.first], *new[hunk.start : hunk.stop]]
        done = hunk.last
    assert tuple(made) + old[done:] == new


def test_merge_asks_when_both_sides_change_the_same_line():
    mine = (*"abc", "mine", *"efgh")
    theirs = (*"abc", "theirs", *"efgh")
    (overlap,) = merge(BASE, mine, theirs).overlaps
    assert (overlap.base, overlap.place, overlap.mine, overlap.theirs) == ((3, 4), (3, 4), ("mine",), ("theirs",))
    assert merge(BASE, mine, theirs).lines("both") == (*"abc", "mine", "# theirs", *"efgh")


def test_merge_asks_when_one_side_removes_what_the_other_changes():
    (overlap,) = merge(BASE, (*"abc", *"efgh"), (*"abc", "D", *"efgh")).overlaps
    assert (overlap.mine, overlap.theirs) == ((), ("D",))


def test_merge_takes_a_change_both_sides_made_once():
    both = (*"abc", "D", *"efgh")
    assert merge(BASE, both, both).lines() == both


@pytest.mark.parametrize(
    ("mine", "theirs", "merged"),
    [
        ("aBcdefgh", "abCdefgh", "aBCdefgh"),
        ("aXbcdefgh", "aBcdefgh", "aXBcdefgh"),
        ("abXcdefgh", "aBcdefgh", "aBXcdefgh"),
        ("abcdefghX", "Xabcdefgh", "XabcdefghX"),
    ],
)
def test_merge_lets_neighbours_be_when_only_their_edges_touch(mine: str, theirs: str, merged: str):
    assert merge(BASE, tuple(mine), tuple(theirs)).lines() == tuple(merged)


def test_merge_asks_when_the_other_side_changes_a_held_line():
    theirs = tuple("abcDefGh")
    (overlap,) = merge(BASE, BASE, theirs, held=[(3, 4)]).overlaps
    assert (overlap.mine, overlap.theirs) == (("d",), ("D",))
    assert merge(BASE, BASE, theirs, held=[(4, 5)]).lines() == theirs
    base, mine = settle(BASE, BASE, overlap, "mine")
    assert merge(base, mine, theirs).lines() == tuple("abcdefGh")


def test_a_commented_line_keeps_its_indentation():
    merged = merge(("  a: 1",), ("  a: 2",), ("  a: 3",))
    assert merged.lines("both") == ("  a: 2", "  # a: 3")


def test_lines_are_found_again_after_an_edit():
    new = tuple("aXbcDfgh")
    assert [moved_line(BASE, new, line) for line in range(8)] == [0, 2, 3, 4, 4, 5, 6, 7]
    assert base_range(BASE, new, 2) == (1, 2)
    assert base_range(BASE, new, 1) is None
    assert base_range(BASE, new, 5) == (5, 6)
