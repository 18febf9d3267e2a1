import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from specs.data import Columns, DataSource, DataSpec, HeldOut, TestFile
from tools.data.dataset import Prepared
from tools.data.prepare import prepare
from tools.data.tokens import token_counter

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, *rows: object) -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture
def prepare_pairs(tmp_path: Path, write_jsonl: Callable[..., Path]) -> Callable[..., Prepared]:
    """Prepares prompt and completion pairs, with test pairs or a share held out."""

    def run(train, test, *, system_prompt=None, context_length=None, rights="own", validation_fraction=0.0):
        write_jsonl("train.jsonl", *({"prompt": p, "completion": c} for p, c in train))
        if isinstance(test, float):
            held = HeldOut(fraction=test)
        else:
            write_jsonl("test.jsonl", *({"prompt": p, "completion": c} for p, c in test))
            held = TestFile(path="test.jsonl")
        source = DataSource(
            path="train.jsonl", rights=rights, columns=Columns(prompt="prompt", completion="completion")
        )
        return prepare(
            DataSpec(sources=(source,), test=held, validation_fraction=validation_fraction),
            name="pairs",
            root=tmp_path,
            datasets_dir=tmp_path / ".tailor" / "datasets",
            system_prompt=system_prompt,
            counter=token_counter(None),
            context_length=context_length,
        )

    return run


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A folder with a tokenizer of one token a word and no chat template."""
    folder = tmp_path / "model"
    folder.mkdir()
    words = ["[UNK]", "a", "b", "user", "assistant", "system", "\n"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Split(" ", "removed")]
    )
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
