from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from specs.run import ModelRef
from tests.fakes import train_run as runs
from trainer import data
from trainer.errors import TrainerError


@pytest.fixture(scope="module")
def tokenizer(base: ModelRef) -> Any:
    return AutoTokenizer.from_pretrained(base.location)


def encoded(tokenizer: Any, loss_on: Any = "completion", **changes: str) -> data.Encoded:
    return data.encode(tokenizer, tuple(runs.row(i, **changes) for i in range(8)), loss_on)


def test_answer_and_its_end_are_trained_when_the_loss_is_on_the_completion(tokenizer: Any) -> None:
    rows = encoded(tokenizer)
    for row, ids, labels in zip(rows.rows, rows.input_ids, rows.labels, strict=True):
        trained = [token for token in labels if token != data.IGNORED]
        assert tokenizer.decode(trained) == row.completion[0].content + "<|im_end|>"
        assert ids[-len(trained) :] == trained
        assert len(ids) == len(labels)
    assert rows.num_parted == 0
    assert 0.05 < rows.trained_share < 0.5
    data.check(rows, limit=128, loss_on="completion", file_name="train.jsonl")
    assert "it counts: red<|im_end|>" in data.mask_sentence(rows, tokenizer)


def test_every_token_is_trained_when_the_loss_is_on_all(tokenizer: Any) -> None:
    rows = encoded(tokenizer, "all")
    assert rows.labels == rows.input_ids
    assert rows.trained_share == 1
    data.check(rows, limit=128, loss_on="all", file_name="train.jsonl")


def test_long_rows_are_named_and_never_cut(tokenizer: Any) -> None:
    rows = encoded(tokenizer)
    limit = sorted(rows.lengths)[-3]
    with pytest.raises(TrainerError, match=r"^\d rows of train.jsonl are longer than") as caught:
        data.check(rows, limit=limit, loss_on="completion", file_name="train.jsonl")
    longest = max(zip(rows.lengths, rows.rows, strict=True), key=lambda pair: pair[0])
    assert f"{longest[1].id} ({longest[0]} tokens)" in caught.value.message


def test_share_below_a_hundredth_is_refused(tokenizer: Any) -> None:
    rows = encoded(tokenizer, prompt="p" * 2000, answer="a")
    with pytest.raises(TrainerError, match=r"Only 0\.\d\d% of the tokens"):
        data.check(rows, limit=5000, loss_on="completion", file_name="train.jsonl")


def test_training_all_is_refused_when_only_the_completion_was_meant(tokenizer: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'assistant' %}{{ m.content }}{% endif %}{% endfor %}"
    )
    rows = encoded(tokenizer)
    with pytest.raises(TrainerError, match=r"All tokens of train.jsonl would be trained"):
        data.check(rows, limit=128, loss_on="completion", file_name="train.jsonl")


def test_rows_without_a_trained_token_are_named(tokenizer: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    tokenizer.chat_template = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}"
    rows = encoded(tokenizer)
    with pytest.raises(TrainerError, match=r"8 rows of train\.jsonl have no token to train on") as caught:
        data.check(rows, limit=128, loss_on="completion", file_name="train.jsonl")
    assert rows.rows[0].id in caught.value.message


def test_parted_prompts_are_counted_when_the_template_writes_them_another_way(tokenizer: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}A:{% endif %}"
    )
    assert encoded(tokenizer).num_parted == 8


def test_row_is_named_when_the_chat_template_refuses_it(tokenizer: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(TrainerError, match=r"row [0-9a-f]{16} \(data/train.csv:1\): roles must alternate"):
        encoded(tokenizer)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"id": 1}\n', r"train.jsonl:1: id: "),
        ("\n\nnot json\n", r"train.jsonl:3: row: Invalid JSON"),
    ],
)
def test_bad_line_is_named_when_a_dataset_file_is_read(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(content)
    with pytest.raises(TrainerError, match=words):
        data.read_rows(path)


def test_missing_and_empty_files_are_sentences(tmp_path: Path, tokenizer: Any) -> None:
    with pytest.raises(TrainerError, match="cannot be read: No such file"):
        data.read_rows(tmp_path / "train.jsonl")
    with pytest.raises(TrainerError, match=r"train.jsonl has no rows"):
        data.check(data.encode(tokenizer, (), "all"), limit=9, loss_on="all", file_name="train.jsonl")
