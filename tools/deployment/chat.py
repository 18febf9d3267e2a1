"""Talks to a served model over its OpenAI-compatible HTTP interface. Says in sentences why a server does not answer."""

import json
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from specs.run import Message
from tools.errors import BackendError, ToolError, UsageError
from tools.escape import one_line

_CONNECT_S = 5.0
_READ_S = 300.0
"""The longest silence of a server at work: a long prompt on a slow processor."""
_GONE_HINT = "See `tailor runs`; deploy the model again with `tailor run --approve deploy`."


@dataclass(frozen=True)
class Sampling:
    """How an answer is chosen."""

    temperature: float = 0.0
    """0 = the most likely token, always; the server takes up to 2."""
    seed: int | None = None
    """The same seed and temperature give the same answer; None = another one each time. No effect at temperature 0."""


GREEDY = Sampling()


@dataclass(frozen=True)
class Answer:
    """What one model said."""

    model: str
    text: str
    num_tokens: int
    seconds: float
    """From the request to the last token."""
    first_token_s: float | None
    """From the request to the first text, None for an empty answer."""
    finish: str
    """Why it ended: stop or length."""


class ChatServer:
    """A client of one server; use it as a context manager. Safe to use from several threads."""

    def __init__(self, url: str, api_key_path: Path) -> None:
        self._url = url
        # an HTTP proxy set in the environment must not see what goes to this machine's own address
        self._http = httpx.Client(
            base_url=url,
            headers={"authorization": f"Bearer {_read_key(api_key_path)}"},
            timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all open requests."""
        self._http.close()

    def models(self) -> tuple[str, ...]:
        """Return the models the server offers. Raises BackendError when it does not answer as it should."""
        try:
            response = self._http.get("models", timeout=_CONNECT_S)
            self._check(response)
            return tuple(str(card["id"]) for card in response.json()["data"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise self._gone(error) from error

    def ask(self, model: str, messages: Sequence[Message], max_tokens: int) -> Answer:
        """Return the model's greedy answer. Raises as `stream` does."""
        pieces = self.stream(model, messages, max_tokens)
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                answer: Answer = end.value
                return answer

    def stream(
        self, model: str, messages: Sequence[Message], max_tokens: int, sampling: Sampling = GREEDY
    ) -> Generator[str, None, Answer]:
        """Yield the model's answer as it comes and return it with its figures.

        Raises:
            UsageError: the server does not have the model, or the prompt is too long for it.
            BackendError: the server is gone, busy or refuses the key.
        """
        body: dict[str, Any] = {
            "model": model,
            "messages": [message.model_dump() for message in messages],
            "max_tokens": max_tokens,
            "temperature": sampling.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        begun = time.monotonic()
        reading = _Reading()
        try:
            with self._http.stream("POST", "chat/completions", json=body) as response:
                if not response.is_success:
                    response.read()
                self._check(response)
                for line in _lines(response.iter_bytes()):
                    if piece := reading.take(line):
                        reading.first_s = reading.first_s or time.monotonic() - begun
                        yield piece
        except (httpx.HTTPError, httpx.StreamError, ValueError, KeyError, TypeError) as error:
            raise self._gone(error) from error
        if not reading.complete:
            raise BackendError(f"The server at {self._url} ended in the middle of an answer.", _GONE_HINT)
        seconds = time.monotonic() - begun
        return Answer(model, "".join(reading.pieces), reading.num_tokens, seconds, reading.first_s, reading.finish)

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        try:
            message = str(response.json()["error"]["message"])
        except (ValueError, KeyError, TypeError):
            message = f"HTTP {response.status_code}"
        sentence = f"The server at {self._url} refused the request: {one_line(message, 300)}"
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            raise BackendError(sentence, "Another program may have taken its port. " + _GONE_HINT)
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise BackendError(sentence, "Try again in a moment.", retryable=True)
        if response.is_client_error:
            raise UsageError(sentence, "Change the prompt or the model's name and ask again.")
        raise BackendError(sentence, _GONE_HINT)

    def _gone(self, error: Exception) -> BackendError:
        reason = "does not answer" if isinstance(error, httpx.TransportError) else "did not answer as it should"
        return BackendError(f"The server at {self._url} {reason} ({type(error).__name__}).", _GONE_HINT)


class _Reading:
    """The state of a stream of server-sent events."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.first_s: float | None = None
        self.finish = ""
        self.num_tokens = 0
        self.complete = False

    def take(self, line: str) -> str:
        """Take one line and return the text in it. Raises ToolError for an error told in the stream."""
        if not line.startswith("data: "):
            return ""
        data = line.removeprefix("data: ")
        if data == "[DONE]":
            self.complete = True
            return ""
        event: dict[str, Any] = json.loads(data)
        if "error" in event:
            raise BackendError(f"The answer broke off: {one_line(str(event['error']['message']), 300)}", _GONE_HINT)
        if event.get("usage"):
            self.num_tokens = int(event["usage"]["completion_tokens"])
        piece = ""
        for choice in event["choices"]:
            self.finish = choice["finish_reason"] or self.finish
            piece += choice["delta"].get("content") or ""
        if piece:
            self.pieces.append(piece)
        return piece


def _lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a stream. Line feeds alone end one: an answer may hold every other break."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r").decode()
    if rest:
        yield rest.decode()


def _read_key(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ToolError(f"The server's API key {path} cannot be read: {error.strerror}.", _GONE_HINT) from error
