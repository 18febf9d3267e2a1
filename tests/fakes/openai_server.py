"""A fake OpenAI-compatible endpoint over real HTTP: chat completions, streams, tools, and the rules of the real one."""

import itertools
import json
import re
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.fakes.chat_script import (
    ChatHandler,
    Failure,
    FakeChatServer,
    JsonDict,
    Recorded,
    Refused,
    Reply,
    Script,
    Text,
    ToolUse,
    pieces,
)

API_KEY = "sk-fake-openai-key"
MODEL = "fake-model"

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_ROLES = {"system", "developer", "user", "assistant", "tool"}
_ids = itertools.count(1)


def rate_limited(message: str = "Rate limit reached for requests.") -> Failure:
    """Return the answer to a caller that is too fast."""
    return Failure(429, "rate_limit_exceeded", message)


def server_error(message: str = "The server had an error while processing your request.") -> Failure:
    """Return a failure of the service."""
    return Failure(500, "server_error", message)


class OpenAIServer(FakeChatServer):
    """The service. `with OpenAIServer([...]) as openai:`; its base URL is `openai.base_url`."""

    def __init__(self, script: Script, *, api_key: str | None = API_KEY, models: tuple[str, ...] = (MODEL,)) -> None:
        self.handler = _Handler
        self.api_key = api_key
        """None = an endpoint without keys, as local servers are."""
        self.models = models
        super().__init__(script)

    @property
    def base_url(self) -> str:
        """Return the address that clients are given."""
        return f"{self.url}/v1"


class _Handler(ChatHandler):
    def do_GET(self) -> None:
        request = self._record()
        owner: OpenAIServer = self.server_of_test
        try:
            _check_key(request, owner.api_key)
            if request.path != "/v1/models":
                raise Refused(404, "unknown_url", f"Unknown request URL: GET {request.path}.")
        except Refused as refused:
            self.fail(refused.failure)
            return
        cards = [{"id": name, "object": "model", "created": 1, "owned_by": "fake"} for name in owner.models]
        self.send_json(200, {"object": "list", "data": cards})

    def check(self, request: Recorded) -> None:
        owner: OpenAIServer = self.server_of_test
        if request.path != "/v1/chat/completions":
            raise Refused(404, "unknown_url", f"Unknown request URL: POST {request.path}.")
        _check_key(request, owner.api_key)
        body = request.body
        unknown = sorted(set(body) - _known_fields())
        if unknown:
            raise _invalid(f"Unrecognized request argument supplied: {unknown[0]}")
        if body.get("model") not in owner.models:
            raise Refused(404, "model_not_found", f"The model `{body.get('model')}` does not exist.")
        _check_tools(body.get("tools"))
        _check_messages(body.get("messages"))

    def reply(self, request: Recorded, reply: Reply) -> None:
        head = {"id": f"chatcmpl-{next(_ids)}", "created": 1, "model": request.body["model"]}
        if not request.body.get("stream"):
            time.sleep(reply.pause_s)
            self.send_json(200, _body(head, reply))
            return
        self.begin_stream("text/event-stream")
        for number, delta in enumerate(_deltas(reply)):
            if number == reply.hang_up_after:
                self.hang_up()
                return
            if number == reply.break_after:
                self._event({"error": {"message": "scripted failure", "type": "server_error", "code": None}})
                self.send_chunk(b"")
                return
            time.sleep(reply.pause_s)
            self._event(_chunk(head, delta, None))
        self._event(_chunk(head, {}, _finish(reply)))
        if (request.body.get("stream_options") or {}).get("include_usage"):
            self._event({**head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(reply)})
        self.send_chunk(b"data: [DONE]\n\n")
        self.send_chunk(b"")

    def fail(self, failure: Failure) -> None:
        kind = "server_error" if failure.status >= 500 else "invalid_request_error"
        error = {"message": failure.message, "type": kind, "param": None, "code": failure.code}
        self.send_json(failure.status, {"error": error})

    def _event(self, body: JsonDict) -> None:
        self.send_chunk(f"data: {json.dumps(body)}\n\n".encode())


def _body(head: JsonDict, reply: Reply) -> JsonDict:
    text = "".join(block.text for block in reply.blocks if isinstance(block, Text))
    calls = [_call(block) for block in reply.blocks if isinstance(block, ToolUse)]
    message: JsonDict = {"role": "assistant", "content": text or None, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(reply)}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": _usage(reply)}


def _deltas(reply: Reply) -> Iterator[JsonDict]:
    yield {"role": "assistant", "content": ""}
    calls = itertools.count()
    for block in reply.blocks:
        if isinstance(block, Text):
            yield from ({"content": piece} for piece in pieces(block.text))
            continue
        index, call = next(calls), _call(block)
        arguments = call["function"]["arguments"]
        yield {"tool_calls": [{**call, "index": index, "function": {"name": block.name, "arguments": ""}}]}
        yield from ({"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces(arguments))


def _chunk(head: JsonDict, delta: JsonDict, finish: str | None) -> JsonDict:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**head, "object": "chat.completion.chunk", "choices": [choice]}


def _call(block: ToolUse) -> JsonDict:
    function = {"name": block.name, "arguments": json.dumps(block.input)}
    return {"id": block.id or f"call_{next(_ids)}", "type": "function", "function": function}


def _finish(reply: Reply) -> str:
    return "length" if reply.cut_off else "tool_calls" if reply.calls_tools else "stop"


def _usage(reply: Reply) -> JsonDict:
    total = reply.input_tokens + reply.output_tokens
    return {"prompt_tokens": reply.input_tokens, "completion_tokens": reply.output_tokens, "total_tokens": total}


def _invalid(message: str) -> Refused:
    return Refused(400, "invalid_value", message)


def _check_key(request: Recorded, api_key: str | None) -> None:
    if api_key is not None and request.headers.get("authorization") != f"Bearer {api_key}":
        raise Refused(401, "invalid_api_key", "Incorrect API key provided.")


@cache
def _known_fields() -> frozenset[str]:
    from openai.types.chat.completion_create_params import CompletionCreateParamsBase

    return frozenset(CompletionCreateParamsBase.__annotations__) | {"stream"}


def _check_tools(tools: Any) -> None:
    if tools is None:
        return
    if not isinstance(tools, list) or not tools:
        raise _invalid("[] is too short - 'tools'")
    for index, tool in enumerate(tools):
        function = tool.get("function", {})
        if tool.get("type") != "function" or not _NAME.match(function.get("name", "")):
            raise _invalid(f"Invalid 'tools[{index}].function.name'.")
        if function.get("parameters", {"type": "object"}).get("type") != "object":
            raise _invalid(f"Invalid schema for function '{function['name']}': schema must be of type object.")


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise _invalid("[] is too short - 'messages'")
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in _ROLES:
            raise _invalid(f"Invalid value for messages[{index}].role: {role!r}.")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise _invalid("Messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
            open_calls.discard(message["tool_call_id"])
        elif open_calls:
            break
        open_calls |= {call["id"] for call in message.get("tool_calls") or []}
        if message.get("content") is None and not message.get("tool_calls"):
            raise _invalid(f"Invalid value for 'content': expected a string, got null. (messages[{index}])")
    if open_calls:
        raise _invalid(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following were not answered: {sorted(open_calls)}"
        )
