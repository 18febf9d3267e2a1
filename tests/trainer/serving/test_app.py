import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import openai
import pytest
import uvicorn

from trainer.hardware import Profile
from trainer.serving.app import build_app
from trainer.serving.guard import MAX_BODY_BYTES
from trainer.serving.loading import load_fleet
from trainer.serving.scheduler import Scheduler

KEY = "the-key"
NAMES = ["base", "first@1", "second@1.5", "full@1"]
HELLO = [{"role": "user", "content": "hello"}]


@dataclass(frozen=True)
class Running:
    url: str
    scheduler: Scheduler

    def client(self, key: str = KEY) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url, api_key=key, max_retries=0, timeout=60)

    def post(self, **changes: object) -> httpx.Response:
        headers = {"authorization": f"Bearer {KEY}", **changes.pop("headers", {})}  # type: ignore[dict-item]
        return httpx.request(headers=headers, **{"method": "POST", "url": f"{self.url}/chat/completions", **changes})  # type: ignore[arg-type]


def _start(folders, *, max_batch: int, max_waiting: int) -> Iterator[Running]:
    fleet = load_fleet(folders.refs(), Profile("cpu", bf16=False, attention="eager"))
    scheduler = Scheduler(fleet.decoders, max_batch=max_batch, max_waiting=max_waiting)
    config = uvicorn.Config(build_app(fleet, scheduler, KEY), log_level="warning", timeout_graceful_shutdown=1)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield Running(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", scheduler)
    scheduler.close("The server is stopping.", "server_stopping")
    server.should_exit = True
    thread.join()
    assert scheduler.join(5)


@pytest.fixture(scope="module")
def running(folders) -> Iterator[Running]:
    yield from _start(folders, max_batch=8, max_waiting=64)


@pytest.fixture
def narrow(folders) -> Iterator[Running]:
    yield from _start(folders, max_batch=1, max_waiting=1)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _ask(running: Running, model: str, content: str, **changes: object) -> openai.types.chat.ChatCompletion:
    messages = [{"role": "user", "content": content}]
    return running.client().chat.completions.create(
        **{"model": model, "messages": messages, "max_tokens": 24, "temperature": 0, **changes}  # type: ignore[call-overload]
    )


def test_models_are_listed_in_order(running: Running) -> None:
    assert [model.id for model in running.client().models.list()] == NAMES
    assert running.client().models.retrieve("second@1.5").id == "second@1.5"


def test_health_answers_without_a_key(running: Running) -> None:
    assert httpx.get(running.url.removesuffix("/v1") + "/health").json() == {"status": "ok"}


def test_chat_counts_tokens_when_the_limit_ends_it(running: Running) -> None:
    answer = _ask(running, "full@1", "hello")
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    # one token a byte: <|im_start|>user\nhello<|im_end|><|im_start|>assistant\n
    assert answer.usage.prompt_tokens == 1 + 5 + 5 + 1 + 1 + 10
    assert answer.usage.completion_tokens == 24
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 24


@pytest.mark.parametrize("model", NAMES)
def test_stream_joins_to_the_whole_answer(running: Running, model: str) -> None:
    whole = _ask(running, model, "hello")
    stream = running.client().chat.completions.create(
        model=model, messages=HELLO, max_tokens=24, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        == whole.choices[0].message.content
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage == whole.usage
    assert len(chunks) > 4


def test_stream_is_ascii_whatever_the_answer_holds(running: Running) -> None:
    body = {"model": "base", "messages": HELLO, "max_tokens": 64, "temperature": 0, "stream": True}
    lines = running.post(json=body).content.split(b"\n\n")
    events = [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: {")]
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
    assert not text.isascii()
    assert all(line.isascii() for line in lines)


def test_stream_has_no_usage_when_it_was_not_asked_for(running: Running) -> None:
    chunks = list(running.client().chat.completions.create(model="base", messages=HELLO, max_tokens=2, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_stop_string_cuts_the_answer_before_it(running: Running) -> None:
    whole = _ask(running, "base", "hello", max_tokens=64).choices[0].message.content
    assert whole is not None
    stop = next(text for text in (whole[start : start + 2] for start in range(5, len(whole))) if "\ufffd" not in text)
    answer = _ask(running, "base", "hello", max_tokens=64, stop=[stop])
    assert answer.choices[0].message.content == whole[: whole.index(stop)]
    assert answer.choices[0].finish_reason == "stop"


def test_sampling_repeats_itself_when_seeded_and_differs_without(running: Running) -> None:
    settings = {"temperature": 1.5, "top_p": 0.95}
    seeded = [_ask(running, "base", "hello", seed=11, **settings).choices[0].message.content for _ in range(2)]
    free = [_ask(running, "base", "hello", **settings).choices[0].message.content for _ in range(2)]
    assert seeded[0] == seeded[1]
    assert len({*seeded, *free}) == 3


def test_answers_stay_their_own_when_sixteen_clients_ask_at_once(running: Running) -> None:
    asked = [(NAMES[index % 4], f"question {index % 8}", index % 3 == 0) for index in range(16)]

    def ask(job: tuple[str, str, bool]) -> str:
        model, content, sampled = job
        settings = {"temperature": 1.0, "seed": 5} if sampled else {"temperature": 0}
        return _ask(running, model, content, **settings).choices[0].message.content or ""

    alone = [ask(job) for job in asked]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(ask, asked))
    assert together == alone
    assert len(set(alone)) > 8


def test_key_is_needed(running: Running) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        running.client("wrong").models.list()
    assert caught.value.code == "invalid_api_key"
    assert httpx.get(f"{running.url}/models").status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::2]:1"])
def test_host_of_another_machine_is_refused(running: Running, host: str) -> None:
    answer = running.post(json={}, headers={"host": host})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "host_not_allowed"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "[::1]:99", "127.0.0.1:1"])
def test_host_of_this_machine_is_accepted(running: Running, host: str) -> None:
    assert running.post(method="GET", url=f"{running.url}/models", headers={"host": host}).status_code == 200


def test_no_origin_is_given_access(running: Running) -> None:
    preflight = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = running.post(method="OPTIONS", headers=preflight)
    assert answer.status_code == 405
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_body_is_refused_when_it_is_too_large(running: Running) -> None:
    assert running.post(content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
    chunks = (b"x" * 65536 for _ in range(MAX_BODY_BYTES // 65536 + 1))
    try:
        answer = running.post(content=chunks)
    except httpx.TransportError:
        return  # the server hung up in the middle of it
    assert answer.status_code == 413


def test_unknown_model_is_refused_with_the_names(running: Running) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        _ask(running, "nope", "x")
    assert caught.value.code == "model_not_found"
    assert "base, first@1, second@1.5, full@1" in str(caught.value)


def test_unknown_path_is_refused_in_the_same_shape(running: Running) -> None:
    answer = running.post(url=f"{running.url}/embeddings", json={})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_url"


def test_prompt_is_refused_when_it_fills_the_context(running: Running) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        _ask(running, "full@1", "x" * 300)
    assert caught.value.code == "context_length_exceeded"
    assert "318 tokens" in str(caught.value)
    assert "256" in str(caught.value)


def test_answer_ends_with_the_context_when_the_limit_is_beyond_it(running: Running) -> None:
    answer = _ask(running, "full@1", "x" * 222, max_tokens=1000)
    assert answer.usage is not None
    assert answer.usage.total_tokens == 256
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("streamed", [True, False])
def test_decoding_ends_when_the_client_leaves(running: Running, streamed: bool) -> None:
    body = {"model": "base", "messages": HELLO, "max_tokens": 4000, "stream": streamed, "temperature": 0}
    address = running.url.removeprefix("http://").removesuffix("/v1").split(":")
    content = json.dumps(body)
    with socket.create_connection((address[0], int(address[1]))) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n{content}".encode())
        _until(lambda: running.scheduler.num_active() == 1)
    _until(lambda: running.scheduler.num_active() == 0)


def test_request_is_refused_when_the_queue_is_full(narrow: Running) -> None:
    streams = []
    for number in range(2):
        long = {"model": "base", "messages": HELLO, "max_tokens": 4000, "stream": True, "temperature": 0}
        streams.append(narrow.client().chat.completions.create(**long))  # type: ignore[call-overload]
        _until(lambda number=number: narrow.scheduler.num_active() == number + 1)
    with pytest.raises(openai.RateLimitError) as caught:
        _ask(narrow, "base", "x")
    assert caught.value.code == "queue_full"
    assert caught.value.response.headers["retry-after"] == "1"
    for stream in streams:
        stream.close()
    _until(lambda: narrow.scheduler.num_active() == 0)
    assert _ask(narrow, "base", "x").choices[0].message.content


def test_open_stream_ends_with_an_error_when_the_server_stops(narrow: Running) -> None:
    long = {"model": "base", "messages": HELLO, "max_tokens": 4000, "stream": True, "temperature": 0}
    stream = narrow.client().chat.completions.create(**long)  # type: ignore[call-overload]
    next(iter(stream))
    narrow.scheduler.close("The server is stopping.", "server_stopping")
    with pytest.raises(openai.APIError, match="The server is stopping"):
        list(stream)
    with pytest.raises(openai.InternalServerError) as caught:
        _ask(narrow, "base", "x")
    assert caught.value.status_code == 503


def test_server_goes_on_when_a_model_fails(narrow: Running, monkeypatch) -> None:
    answer = _ask(narrow, "base", "x").choices[0].message.content
    decoder = narrow.scheduler._decoders[0]

    def fail() -> None:
        raise RuntimeError("a bad batch")

    monkeypatch.setattr(decoder, "step", fail)
    with pytest.raises(openai.InternalServerError, match="The model failed while answering"):
        _ask(narrow, "base", "x")
    monkeypatch.undo()
    assert _ask(narrow, "base", "x").choices[0].message.content == answer
