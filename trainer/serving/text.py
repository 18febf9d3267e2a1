# pyright: basic
"""From tokens to text: decoding an answer token by token.

Nothing here knows about HTTP or about the model's weights.
"""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

REPLACEMENT = "\ufffd"


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
