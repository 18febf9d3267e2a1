# pyright: basic
"""Between messages, tokens and text: safe encoding of a conversation and decoding token by token.

Nothing here knows about HTTP or about the model's weights.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

REPLACEMENT = "\ufffd"


class PromptRefused(Exception):
    """The conversation cannot be rendered by the model's chat template."""


class ChatEncoder:
    """Turns messages into the prompt's token ids.

    The ids equal those of `apply_chat_template(..., add_generation_prompt=True)`, except that a special token spelled
    out inside a message stays plain text: it cannot open or close a turn.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._special = _special_pattern(tokenizer)

    def encode(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Return the prompt's ids. Raises PromptRefused when the template refuses the conversation."""
        mark = f"\ue000{secrets.token_hex(8)}\ue001"
        guarded = [{**message, "content": self._broken(message["content"], mark)} for message in messages]
        try:
            text = self._tokenizer.apply_chat_template(guarded, add_generation_prompt=True, tokenize=False)
        except TemplateError as error:
            raise PromptRefused(str(error)) from error
        ids: list[int] = []
        for segment in str(text).split(mark):
            if segment:
                ids += self._tokenizer.encode(segment, add_special_tokens=False)
        return ids

    def _broken(self, content: str, mark: str) -> str:
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
        return mark.join(pieces)


def _special_pattern(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str] | None:
    added: dict[int, Any] = tokenizer.added_tokens_decoder
    spellings = {str(token) for token in added.values() if token.special} | set(tokenizer.all_special_tokens)
    longest_first = sorted((text for text in spellings if len(text) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


class TextStream:
    """Decodes an answer token by token into pieces that are always whole characters.

    Text that may be the beginning of a stop string is held back until it is known not to be one.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = tuple(stop)
        self._ids: list[int] = []
        self._context = 0
        """Index of the first id still decoded together with new ones: a token's text can depend on the one before."""
        self._read = 0
        """Index of the first id whose text is not in `_text`."""
        self._text = ""
        self._sent = 0
        self.stopped = False
        """Whether a stop string was met; nothing comes after it."""

    @property
    def text(self) -> str:
        """What was sent so far."""
        return self._text[: self._sent]

    def push(self, token: int) -> str:
        """Take one token and return the text that is now certain, possibly none."""
        self._ids.append(token)
        before, after = self._decode(self._context, self._read), self._decode(self._context, len(self._ids))
        if after.endswith(REPLACEMENT) or len(after) <= len(before):
            return ""
        self._context, self._read = self._read, len(self._ids)
        self._text += after[len(before) :]
        return self._send(held=self._held())

    def finish(self) -> str:
        """Return the rest of the text: the held part, and bytes that never became a character."""
        if not self.stopped:
            before, after = self._decode(self._context, self._read), self._decode(self._context, len(self._ids))
            self._text += after[len(before) :]
        return self._send(held=0)

    def _decode(self, start: int, end: int) -> str:
        return str(self._tokenizer.decode(self._ids[start:end], skip_special_tokens=True))

    def _held(self) -> int:
        """Return the length of the longest end of the text that a stop string begins with."""
        longest = max((len(stop) - 1 for stop in self._stop), default=0)
        for length in range(min(longest, len(self._text) - self._sent), 0, -1):
            if any(stop.startswith(self._text[-length:]) for stop in self._stop):
                return length
        return 0

    def _send(self, held: int) -> str:
        found = [index for stop in self._stop if (index := self._text.find(stop, self._sent)) >= 0]
        if found and not self.stopped:
            self.stopped = True
            self._text = self._text[: min(found)]
        end = len(self._text) if self.stopped else len(self._text) - held
        piece = self._text[self._sent : end]
        self._sent = max(self._sent, end)
        return piece
