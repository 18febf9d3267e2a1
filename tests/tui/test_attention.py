from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tui.attention import Attention

BELL = "\x07"


@dataclass
class Desk:
    """A terminal that records, a clock that is set by hand, and timers that run when it is."""

    now: float = 10.0
    written: list[str] = field(default_factory=list)
    timers: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.timers.append((self.now + seconds, call))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        due, self.timers = [t for t in self.timers if t[0] <= self.now], [t for t in self.timers if t[0] > self.now]
        for _, call in due:
            call()

    def attention(self, **options: bool) -> Attention:
        attention = Attention(self.written.append, lambda: self.now, self.later, **options)
        attention.start("bank-intents")
        return attention

    def taken(self) -> str:
        text, self.written[:] = "".join(self.written), []
        return text


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_attention_rings_and_notifies_when_blurred(desk: Desk) -> None:
    attention = desk.attention()
    assert desk.taken() == f"\x1b[22;2t\x1b]2;tailor bank-intents{BELL}"
    attention.blurred()
    attention.needed("approval")
    title, note = f"\x1b]2;tailor bank-intents · ! approval{BELL}", f"\x1b]9;tailor bank-intents: ! approval{BELL}"
    assert desk.taken() == title + note + BELL
    attention.answered()
    assert desk.taken() == f"\x1b]2;tailor bank-intents{BELL}"


def test_attention_tells_what_finished_when_blurred(desk: Desk) -> None:
    attention = desk.attention()
    attention.blurred()
    desk.taken()
    attention.finished("run r7 done")
    assert desk.taken() == f"\x1b]9;tailor bank-intents: ✓ run r7 done{BELL}{BELL}"


def test_attention_changes_the_title_alone_when_the_terminal_is_in_front(desk: Desk) -> None:
    attention = desk.attention()
    attention.focused()
    desk.taken()
    attention.needed("approval")
    attention.finished("run r7 done")
    assert desk.taken() == f"\x1b]2;tailor bank-intents · ! approval{BELL}"


def test_attention_rings_for_approvals_alone_when_the_terminal_never_reports_focus(desk: Desk) -> None:
    attention = desk.attention()
    desk.taken()
    attention.finished("run r7 done")
    assert desk.taken() == ""
    attention.needed("approval")
    assert desk.taken().endswith(f"! approval{BELL}{BELL}")
    assert "\x1b]9;" not in desk.taken()


def test_attention_is_silent_when_it_is_off(desk: Desk) -> None:
    attention = desk.attention(is_on=False)
    attention.blurred()
    attention.needed("approval")
    attention.finished("run")
    attention.answered()
    attention.stop()
    desk.wait(5)
    assert desk.taken() == ""


def test_attention_follows_the_setting_when_it_is_turned(desk: Desk) -> None:
    attention = desk.attention()
    attention.blurred()
    attention.turn(is_on=False)
    assert desk.taken().endswith("\x1b]2;\x07\x1b[23;2t")
    attention.needed("approval")
    assert desk.taken() == ""
    attention.turn(is_on=True)
    attention.needed("approval")
    assert desk.taken().count("\x1b]9;") == 1


def test_attention_tells_at_most_once_a_second_when_much_happens(desk: Desk) -> None:
    attention = desk.attention()
    attention.blurred()
    desk.taken()
    for number in range(30):
        attention.finished(f"run {number}")
        desk.wait(0.125)
    desk.wait(2)
    notes = [text for text in desk.written if text.startswith("\x1b]9;")]
    assert [note.split("✓ ")[1].rstrip(BELL) for note in notes] == ["run 0", "run 7", "run 15", "run 23", "run 29"]


def test_attention_says_within_a_second_that_a_person_is_needed_when_something_else_was_just_told(desk: Desk) -> None:
    attention = desk.attention()
    attention.blurred()
    attention.finished("run 1")
    desk.taken()
    desk.wait(0.2)
    attention.finished("run 2")
    attention.needed("approval")
    attention.finished("run 3")
    assert "\x1b]9;" not in desk.taken()
    desk.wait(0.8)
    assert desk.taken() == f"\x1b]9;tailor bank-intents: ! approval{BELL}{BELL}"


@pytest.mark.parametrize("what", ["focused", "answered"])
def test_attention_drops_what_waits_when_the_person_is_back(desk: Desk, what: str) -> None:
    attention = desk.attention()
    attention.blurred()
    attention.finished("run 1")
    attention.needed("approval")
    getattr(attention, what)()
    desk.taken()
    desk.wait(3)
    assert desk.taken() == ""


def test_attention_puts_the_title_back_when_it_stops(desk: Desk) -> None:
    attention = desk.attention()
    desk.taken()
    attention.stop()
    attention.stop()
    assert desk.taken() == "\x1b]2;\x07\x1b[23;2t"


def test_attention_rings_alone_when_the_terminal_knows_no_titles(desk: Desk) -> None:
    attention = desk.attention(has_titles=False)
    attention.blurred()
    attention.needed("approval")
    attention.stop()
    assert desk.taken() == BELL


@given(st.text(st.characters() | st.sampled_from("\x07\x1b\x9c\x9d;\\\u202e\u200b\n4"), max_size=300))
def test_attention_lets_no_control_sequence_through_when_the_name_is_hostile(text: str) -> None:
    desk = Desk()
    attention = Attention(desk.written.append, lambda: desk.now, desk.later)
    attention.start(text)
    attention.blurred()
    attention.needed(text)
    desk.wait(2)
    attention.finished(text)
    for written in desk.written[1:]:
        body = written.removeprefix("\x1b]2;").removeprefix("\x1b]9;").rstrip(BELL)
        assert len(body) < len(written)
        assert body.isprintable() or all(not (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0) for c in body)
        assert ";" not in body
        assert body.startswith("tailor ")
        assert "\u202e" not in body
