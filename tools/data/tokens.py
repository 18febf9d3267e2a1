"""Counts tokens by the base model's own tokenizer, or estimates them where there is none on disk.

A conversation costs the tokens of its texts, a number for each message (role markers and turn ends) and a fixed number
(start token, generation prompt). Both are measured on the model's chat template where it can be rendered
(`tools/data/chat_overhead.py`), else those of ChatML are assumed. No model is loaded and nothing is downloaded here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from specs.run import Message
from tools.data.chat_overhead import Overhead, measure_overhead
from tools.errors import DataError
from tools.escape import one_line

# <|im_start|>role\n … <|im_end|>\n
CHATML = Overhead(per_message=5, fixed=0)
_BYTES_PER_TOKEN = 4


class TokenCounter(Protocol):
    """Counts tokens of conversations."""

    @property
    def basis(self) -> str:
        """What the numbers rest on, in words."""
        ...

    @property
    def overhead(self) -> Overhead:
        """Tokens of the chat template around the texts."""
        ...

    def count_texts(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text alone."""
        ...

    def count(self, messages: Sequence[Message]) -> int:
        """Return the tokens of a conversation with its chat template."""
        ...


class _Estimate:
    """Four bytes of UTF-8 a token: near for English, high for most other scripts."""

    basis = "estimate: one token per 4 bytes of text"
    overhead = CHATML

    def count_texts(self, texts: Sequence[str]) -> list[int]:
        """Return the estimated tokens of each text."""
        return [-(-len(text.encode()) // _BYTES_PER_TOKEN) for text in texts]

    def count(self, messages: Sequence[Message]) -> int:
        """Return the estimated tokens of a conversation."""
        return _whole(self, messages)


class _Tokenizer:
    """Exact counts by `tokenizer.json`."""

    def __init__(self, tokenizer: Any, overhead: Overhead, basis: str) -> None:
        self._tokenizer = tokenizer
        self.overhead = overhead
        self.basis = basis

    def count_texts(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, without special tokens."""
        encodings: list[Any] = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in encodings]

    def count(self, messages: Sequence[Message]) -> int:
        """Return the tokens of a conversation."""
        return _whole(self, messages)


def token_counter(model_dir: Path | None) -> TokenCounter:
    """Return the counter of the model in `model_dir`, an estimate where no tokenizer.json lies there.

    Raises:
        DataError: there is a tokenizer.json that cannot be read.
    """
    path = model_dir / "tokenizer.json" if model_dir is not None else None
    if model_dir is None or path is None or not path.is_file():
        return _Estimate()
    from tokenizers import Tokenizer

    # the library raises nothing more specific than Exception
    try:
        tokenizer: Any = Tokenizer.from_file(str(path))
    except Exception as error:
        message = f"{path}: the tokenizer cannot be read ({one_line(str(error), 120)})."
        raise DataError(message, "Download the base model again.") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False))

    overhead = measure_overhead(model_dir, count)
    # a row that spells a control token is text, and longer as text than as that token
    tokenizer.encode_special_tokens = True
    if overhead is None:
        return _Tokenizer(tokenizer, CHATML, "the model's tokenizer, with ChatML's 5 tokens a message")
    return _Tokenizer(tokenizer, overhead, "the model's tokenizer and chat template")


def _whole(counter: TokenCounter, messages: Sequence[Message]) -> int:
    texts = sum(counter.count_texts([message.content for message in messages]))
    return texts + counter.overhead.per_message * len(messages) + counter.overhead.fixed
