# pyright: basic
"""The thread that decodes: takes requests from a bounded queue, lets them join running batches, and sends out the text.

Nothing here knows about HTTP. Callbacks are called from the decoding thread.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from trainer.serving.decoder import Decoder, Row
from trainer.serving.loading import Served
from trainer.serving.sampling import Sampling, TokenChooser
from trainer.serving.text import TextStream

LOG = logging.getLogger(__name__)


class QueueFull(Exception):
    """As many requests wait as may."""


@dataclass(frozen=True)
class Delta:
    """More text of the answer."""

    text: str


@dataclass(frozen=True)
class Done:
    """The answer is complete."""

    finish: Literal["stop", "length"]
    num_prompt_tokens: int
    num_tokens: int
    """Tokens of the answer; the end-of-turn token is not one of them."""


@dataclass(frozen=True)
class Broken:
    """The answer cannot be completed."""

    message: str
    code: str


Update: TypeAlias = Delta | Done | Broken


@dataclass(eq=False)
class Request:
    """One answer asked for."""

    served: Served
    prompt_ids: list[int]
    max_tokens: int
    sampling: Sampling
    stop: Sequence[str]
    send: Callable[[Update], None]
    cancelled: bool = False
    row: Row = field(init=False)
    stream: TextStream = field(init=False)

    def __post_init__(self) -> None:
        self.row = Row(self.prompt_ids, self.served.adapter, TokenChooser(self.sampling))
        self.stream = TextStream(self.served.decoding_tokenizer, self.stop)

    def advance(self) -> Done | None:
        """Send the text of the token just chosen; return the end of the answer when this was it."""
        token = self.row.last_token
        if token in self.served.stop_ids:
            return self._end("stop", self.row.num_tokens - 1)
        if piece := self.stream.push(token):
            self.send(Delta(piece))
        if self.stream.stopped:
            return self._end("stop", self.row.num_tokens)
        if self.row.num_tokens >= self.max_tokens:
            return self._end("length", self.row.num_tokens)
        return None

    def _end(self, finish: Literal["stop", "length"], num_tokens: int) -> Done:
        if piece := self.stream.finish():
            self.send(Delta(piece))
        return Done("stop" if self.stream.stopped else finish, len(self.prompt_ids), num_tokens)


class Scheduler:
    """Decodes for all models of a server in one thread, so that they do not fight for the processor."""

    def __init__(self, decoders: Sequence[Decoder], *, max_batch: int, max_waiting: int) -> None:
        self._decoders = tuple(decoders)
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._waiting: dict[Decoder, deque[Request]] = {decoder: deque() for decoder in decoders}
        self._running: dict[Decoder, list[Request]] = {decoder: [] for decoder in decoders}
        self._closing: Broken | None = None
        self._thread = threading.Thread(target=self._work, name="decode", daemon=True)

    def start(self) -> None:
        """Start the decoding thread."""
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Queue a request. Raises QueueFull."""
        with self._changed:
            if self._closing is not None:
                request.send(self._closing)
                return
            if sum(map(len, self._waiting.values())) >= self._max_waiting:
                raise QueueFull
            self._waiting[request.served.decoder].append(request)
            self._changed.notify()

    def cancel(self, request: Request) -> None:
        """Stop working on a request nobody waits for any more."""
        with self._changed:
            request.cancelled = True
            self._changed.notify()

    def num_active(self) -> int:
        """Return the number of requests waiting or being answered."""
        with self._changed:
            return sum(map(len, self._waiting.values())) + sum(map(len, self._running.values()))

    def close(self, message: str, code: str) -> None:
        """End every open answer at once with an error, and the thread after the token it is at."""
        with self._changed:
            self._closing = Broken(message, code)
            for requests in (*self._waiting.values(), *self._running.values()):
                for request in requests:
                    request.cancelled = True
                    request.send(self._closing)
            self._changed.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end after `close`; return whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while self._wait_for_work():
            for decoder in self._decoders:
                self._turn(decoder)

    def _wait_for_work(self) -> bool:
        """Return True when there is something to do, False when the scheduler closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing is not None or self._has_work())
            return self._closing is None

    def _has_work(self) -> bool:
        return any(self._waiting.values()) or any(self._running.values())

    def _turn(self, decoder: Decoder) -> None:
        """Move one model forward: drop what was cancelled, choose a token for each row, take in new requests."""
        self._drop(decoder, [request for request in self._running[decoder] if request.cancelled])
        self._attempt(decoder, self._running[decoder], decoder.step)
        joining = self._next_requests(decoder)
        self._attempt(decoder, joining, lambda: decoder.admit([request.row for request in joining]))

    def _next_requests(self, decoder: Decoder) -> list[Request]:
        """Take requests off the queue into the running ones, as many as fit beside the rows at work."""
        room = (self._max_batch if decoder.joins else 1) - len(decoder.rows)
        joining: list[Request] = []
        with self._changed:
            queue = self._waiting[decoder]
            while queue and len(joining) < room:
                request = queue.popleft()
                if not request.cancelled:
                    joining.append(request)
            self._running[decoder] += joining
        return joining

    def _attempt(self, decoder: Decoder, requests: Sequence[Request], forward: Callable[[], None]) -> None:
        """Run one forward pass for `requests` and send what came of it; a failure ends all rows of the decoder."""
        if not requests:
            return
        requests = tuple(requests)
        try:
            forward()
            finished = [(request, done) for request in requests if (done := request.advance()) is not None]
        except Exception as error:
            LOG.exception("decoding failed")
            broken = Broken(f"The model failed while answering: {error}", "model_failure")
            failed = tuple(self._running[decoder])
            self._drop(decoder, failed)
            for request in failed:
                request.send(broken)
            return
        self._drop(decoder, [request for request, _ in finished])
        for request, done in finished:
            request.send(done)

    def _drop(self, decoder: Decoder, leaving: Sequence[Request]) -> None:
        if not leaving:
            return
        decoder.remove([request.row for request in leaving])
        with self._changed:
            self._running[decoder] = [request for request in self._running[decoder] if request not in leaving]
