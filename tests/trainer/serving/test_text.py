from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tests.fakes.tiny_chat_model import SPECIAL
from trainer.serving.text import TextStream

SETTINGS = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="session")
def tokenizer(folders) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folders.base)


def _pieces(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], stop: Sequence[str] = ()) -> list[str]:
    stream = TextStream(tokenizer, stop)
    pieces: list[str] = []
    for token in ids:
        pieces.append(stream.push(token))
        if stream.stopped:
            break
    return [*pieces, stream.finish()]


@SETTINGS
@given(text=st.text(max_size=40))
def test_stream_joins_to_the_whole_text_when_characters_span_tokens(tokenizer, text: str) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False)
    pieces = _pieces(tokenizer, ids)
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces if "\ufffd" not in text)


@SETTINGS
@given(ids=st.lists(st.integers(0, 255 + len(SPECIAL)), max_size=40))
def test_stream_joins_to_the_decoded_text_when_bytes_are_no_characters(tokenizer, ids: list[int]) -> None:
    assert "".join(_pieces(tokenizer, ids)) == tokenizer.decode(ids, skip_special_tokens=True)


@SETTINGS
@given(
    text=st.text(alphabet="abc", max_size=30),
    stop=st.lists(st.text(alphabet="abc", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_stream_ends_before_the_first_stop_string(tokenizer, text: str, stop: list[str]) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False)
    ends = [text.find(each) + len(each) for each in stop if each in text]
    shortest = text[: min(ends)] if ends else text
    starts = [shortest.find(each) for each in stop if each in shortest]
    assert "".join(_pieces(tokenizer, ids, stop)) == (shortest[: min(starts)] if starts else text)


def test_stream_sends_nothing_of_a_stop_string_when_it_begins(tokenizer) -> None:
    stream = TextStream(tokenizer, ["<end>"])
    assert [stream.push(token) for token in tokenizer.encode("a<e", add_special_tokens=False)] == ["a", "", ""]
    assert stream.push(tokenizer.encode("x", add_special_tokens=False)[0]) == "<ex"
