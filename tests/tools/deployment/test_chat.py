import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from specs.run import Message
from tools.deployment.chat import ChatServer

ODD = "a\u2028b\x85c\x0bd\u2029"


class Speaker(BaseHTTPRequestHandler):
    """Streams one answer that holds every line break but a line feed, as vLLM would write it."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        for piece in (ODD, "end"):
            choice = {"delta": {"content": piece}, "finish_reason": "stop"}
            event: dict[str, Any] = {"choices": [choice], "usage": {"completion_tokens": 2}}
            self.wfile.write(f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def speaker() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Speaker)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_answer_is_whole_when_it_holds_line_breaks_of_every_kind(speaker: str, tmp_path: Path):
    (tmp_path / "key").write_text("k")
    with ChatServer(speaker, tmp_path / "key") as server:
        answer = server.ask("m", [Message(role="user", content="x")], 8)
    assert (answer.text, answer.num_tokens, answer.finish) == (ODD + "end", 2, "stop")
