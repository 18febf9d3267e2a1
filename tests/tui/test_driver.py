import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual._xterm_parser import XTermParser

from agent.tui.driver import KeyDecoder

PASTE = "\x1b[200~hi \x1b[31mred\x07 \x11\x1b[0m\x1b\x1b end\x1b[201~"
CLEAN = "\x1b[200~hi [31mred\x07 \x11[0m end\x1b[201~"


def decoded(*reads: bytes) -> str:
    decoder = KeyDecoder()
    last = len(reads) - 1
    return "".join(decoder.decode(read, final=number == last) for number, read in enumerate(reads))


@pytest.mark.parametrize("data", [b"caf\xe9 x", b"\x9b", b"a\xff\xfeb", b"\xc3"])
def test_bytes_that_are_no_utf8_become_the_replacement_character(data: bytes):
    assert "\ufffd" in decoded(data)


def test_character_is_whole_when_it_comes_in_two_reads():
    assert decoded("né".encode()[:2], "né".encode()[2:]) == "né"


def test_keys_are_left_alone_outside_a_paste():
    keys = "a\x1b\x1b[A\x1b[20~\x1bOP\x1b[201~b"
    assert decoded(keys.encode()) == keys


def test_escape_is_given_at_once_when_it_is_pressed_alone():
    assert KeyDecoder().decode(b"\x1b") == "\x1b"


@given(st.lists(st.integers(1, 60), max_size=8))
def test_paste_holds_no_escape_wherever_the_reads_end(cuts: list[int]):
    data = f"x{PASTE}\x1b[Ay{PASTE}".encode()
    places = sorted({min(cut, len(data)) for cut in cuts})
    reads = [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]
    assert decoded(*reads) == f"x{CLEAN}\x1b[Ay{CLEAN}"


def test_pasted_text_is_one_paste_and_no_key_for_textual():
    told = list(XTermParser().feed(decoded(PASTE.encode())))
    assert [type(event) for event in told] == [events.Paste]
    assert told[0].text == "hi [31mred\x07 \x11[0m end"
