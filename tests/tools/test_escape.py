from hypothesis import given
from hypothesis import strategies as st

from tools.escape import one_line, visible


def test_terminal_commands_are_shown_not_obeyed():
    assert visible("\x1b[2Jgone\x07") == "\\x1b[2Jgone\\x07"


def test_bidi_and_zero_width_characters_are_shown():
    assert visible("a\u202eb\u200bc") == "a\\u202eb\\u200bc"


def test_long_text_is_cut_with_the_count():
    assert visible("x" * 500, limit=10) == "xxxxxxxxxx… (490 more characters)"


def test_one_line_stays_on_one_line():
    assert one_line("a\nb\tc") == "a\\nb\\tc"


@given(st.text())
def test_nothing_a_terminal_obeys_is_left(text: str):
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in one_line(text, 10_000))


def test_text_is_shown_whole_when_the_mark_would_be_longer_than_what_it_replaces():
    assert visible("x" * 30, limit=10) == "x" * 30
    assert visible("\x1b" * 11, limit=10) == "\\x1b" * 11
