"""What a fake chat service says, and the loopback HTTP server under it. The wire formats live in `bedrock` and
`openai_server`.

A script is a list played one reply a call, or a function of the recorded request. A call beyond the end of a list is an
error of the test: it is answered with a failure and kept in `unexpected`.
"""

import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self, TypeAlias

JsonDict: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Text:
    """Text the model says."""

    text: str


@dataclass(frozen=True)
class ToolUse:
    """A tool the model calls."""

    name: str
    input: JsonDict
    id: str = ""
    """Made by the server when empty."""


@dataclass(frozen=True)
class Reply:
    """One answer: text, tool calls, or both in any order."""

    blocks: tuple[Text | ToolUse, ...]
    input_tokens: int = 11
    output_tokens: int = 7
    cut_off: bool = False
    """The answer ran into the token limit."""
    break_after: int | None = None
    """A stream fails with an error of the service after so many deltas."""
    hang_up_after: int | None = None
    """A stream ends with a closed connection after so many deltas."""
    pause_s: float = 0.0
    """Wait before each delta, and before an answer that is not streamed."""

    @property
    def calls_tools(self) -> bool:
        """Whether there is a tool call in it."""
        return any(isinstance(block, ToolUse) for block in self.blocks)


@dataclass(frozen=True)
class Failure:
    """The call fails before anything is said."""

    status: int
    code: str
    """Bedrock: the exception's name. OpenAI: error.code."""
    message: str = "scripted failure"


Answer: TypeAlias = Reply | Failure


@dataclass(frozen=True)
class Recorded:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: JsonDict
    raw: bytes

    def mentions(self, text: str) -> bool:
        """Return whether the text stands anywhere in the request: path, headers or body."""
        everything = f"{self.path} {self.headers} {json.dumps(self.body, ensure_ascii=False)} {self.raw!r}"
        return text in everything


Script: TypeAlias = Sequence[Answer | str] | Callable[[Recorded], Answer | str]


def say(*parts: str | ToolUse, **settings: Any) -> Reply:
    """Return a reply of texts and tool calls."""
    return Reply(tuple(Text(part) if isinstance(part, str) else part for part in parts), **settings)


def pieces(text: str, size: int = 7) -> list[str]:
    """Cut text as a stream would."""
    return [text[start : start + size] for start in range(0, len(text), size)]


class Refused(Exception):
    """The request breaks a rule of the service."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(status, code, message)


@dataclass
class ScriptPlayer:
    """Plays a script from several threads."""

    script: Script
    unexpected: list[Recorded] = field(default_factory=list)
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Recorded) -> Answer:
        """Return the answer to a request that passed the rules."""
        if callable(self.script):
            answer = self.script(request)
        else:
            with self._lock:
                index, self._next = self._next, self._next + 1
            if index >= len(self.script):
                self.unexpected.append(request)
                return Failure(400, "ValidationException", "the script of the fake is over")
            answer = self.script[index]
        return say(answer) if isinstance(answer, str) else answer


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that left; whatever else breaks in a fake must be seen."""
        if not isinstance(sys.exception(), ConnectionError | ValueError):
            super().handle_error(request, client_address)


class FakeChatServer:
    """A threaded HTTP server on loopback. Subclasses know a wire format."""

    handler: ClassVar[type["ChatHandler"]]

    def __init__(self, script: Script) -> None:
        self.player = ScriptPlayer(script)
        self.requests: list[Recorded] = []
        self.refused: list[str] = []
        """Messages of the rules that requests broke."""
        owner = self

        class Bound(self.handler):  # type: ignore[name-defined,misc]
            server_of_test = owner

        self._http = _QuietServer(("127.0.0.1", 0), Bound)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Return the address without a path."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def unexpected(self) -> list[Recorded]:
        """Return the calls that came after the end of the script."""
        return self.player.unexpected

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class ChatHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_of_test: ClassVar[Any]

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def do_POST(self) -> None:
        """Record the request, hold it against the rules, answer."""
        request = self._record()
        try:
            self.check(request)
            answer = self.server_of_test.player.answer(request)
        except Refused as refused:
            self.server_of_test.refused.append(refused.failure.message)
            answer = refused.failure
        try:
            if isinstance(answer, Failure):
                self.fail(answer)
            else:
                self.reply(request, answer)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def check(self, request: Recorded) -> None:
        """Raise Refused when the request breaks a rule."""
        raise NotImplementedError

    def reply(self, request: Recorded, reply: Reply) -> None:
        """Write an answer."""
        raise NotImplementedError

    def fail(self, failure: Failure) -> None:
        """Write an error."""
        raise NotImplementedError

    def send_json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """Write a JSON response."""
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin_stream(self, content_type: str) -> None:
        """Write the head of a chunked response."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_chunk(self, data: bytes) -> None:
        """Write one chunk; an empty one ends the response."""
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def hang_up(self) -> None:
        """Close the connection in the middle of a response."""
        self.close_connection = True
        self.connection.shutdown(2)

    def _record(self) -> Recorded:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = {}
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Recorded(self.command, self.path, headers, body if isinstance(body, dict) else {}, raw)
        self.server_of_test.requests.append(request)
        return request
