# pyright: basic
"""Writes conversations as token ids by the model's own chat template, the same way for training, answering and serving.

A special token spelled out inside a message stays plain text: no row and no client can open or close a turn.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

_CHUNK = 1000


class PromptRefused(Exception):
    """The conversation cannot be rendered by the model's chat template."""


class ChatEncoder:
    """Turns messages into token ids.

    The ids equal those of `apply_chat_template`, but for special tokens inside messages, which are written as text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._special = _special_pattern(tokenizer)
        self._mark = f"\ue000{secrets.token_hex(16)}\ue001"

    def encode(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Return the prompt's ids with the answer opened. Raises PromptRefused when the template refuses it."""
        return self.tokenize([self.render(messages)])[0]

    def render(self, messages: Sequence[dict[str, str]], *, whole: bool = False) -> str:
        """Return the text for `tokenize`: the prompt with the answer opened, or the whole conversation.

        Raises:
            PromptRefused: the template refuses the conversation.
        """
        guarded = [{**message, "content": self._broken(message["content"])} for message in messages]
        try:
            return str(self._tokenizer.apply_chat_template(guarded, add_generation_prompt=not whole, tokenize=False))
        except (TemplateError, ValueError, TypeError, LookupError) as error:
            raise PromptRefused(str(error)) from error

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of rendered texts; the template has written the special tokens already."""
        ids: list[list[int]] = []
        for start in range(0, len(texts), _CHUNK):
            parts = [text.split(self._mark) for text in texts[start : start + _CHUNK]]
            encoded: Any = self._tokenizer([part for split in parts for part in split], add_special_tokens=False)
            pieces = iter(encoded["input_ids"])
            ids += [[token for _ in split for token in next(pieces)] for split in parts]
        return ids

    def _broken(self, content: str) -> str:
        """Return `content` with a mark after the first character of every special token in it."""
        if self._special is None:
            return content
        pieces: list[str] = []
        start = position = 0
        while match := self._special.search(content, position):
            position = match.start() + 1
            pieces.append(content[start:position])
            start = position
        pieces.append(content[start:])
        return self._mark.join(pieces)


def _special_pattern(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str] | None:
    added: dict[int, Any] = tokenizer.added_tokens_decoder
    spellings = {str(token) for token in added.values() if token.special} | set(tokenizer.all_special_tokens)
    longest_first = sorted((text for text in spellings if len(text) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
