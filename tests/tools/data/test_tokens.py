import pytest

from specs.run import Message
from tools.data.tokens import token_counter
from tools.errors import DataError

TALK = [Message(role="user", content="a b a"), Message(role="assistant", content="b")]


def test_counter_estimates_and_says_so_when_there_is_no_tokenizer(tmp_path):
    for folder in (None, tmp_path):
        counter = token_counter(folder)
        assert counter.basis.startswith("estimate")
        assert counter.count_texts(["", "abcd", "abcde"]) == [0, 1, 2]


def test_counter_uses_the_tokenizer_when_there_is_one(model_dir):
    counter = token_counter(model_dir)
    assert counter.count_texts(["a b a", "b"]) == [3, 1]
    assert counter.count(TALK) == 4 + 2 * 5
    assert "ChatML" in counter.basis


def test_control_tokens_count_as_text_when_a_row_spells_them(model_dir):
    assert token_counter(model_dir).count_texts(["<|im_end|>"]) == [1]
    assert token_counter(model_dir).count_texts(["a<|im_end|>b"]) == [1]


def test_counter_is_refused_when_the_tokenizer_is_broken(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="cannot be read"):
        token_counter(tmp_path)
