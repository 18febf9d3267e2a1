"""A fake Amazon Bedrock Runtime over real HTTP: Converse and ConverseStream, with the service's own rules.

Requests are held against botocore's service model (paths, fields, types, enums, patterns), their SigV4 signature is
computed again, and the rules of a conversation (roles, tool results, blank text) are those the service enforces.
"""

import hashlib
import hmac
import itertools
import json
import re
import struct
import time
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote, unquote

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

ACCESS_KEY = "AKIDFAKEBEDROCK00000"
SECRET_KEY = "fake-secret-key-of-bedrock"
REGION = "us-east-1"
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

_PATH = re.compile(r"^/model/(?P<model>[^/]+)/(?P<verb>converse|converse-stream)$")
_ids = itertools.count(1)


def throttled(message: str = "Too many requests, please wait before trying again.") -> Failure:
    """Return the answer to a caller that is too fast."""
    return Failure(429, "ThrottlingException", message)


def access_denied(message: str = "You don't have access to the model with the specified model ID.") -> Failure:
    """Return the answer to a caller without access to the model."""
    return Failure(403, "AccessDeniedException", message)


class BedrockServer(FakeChatServer):
    """The service. `with BedrockServer([...]) as bedrock:`; give `bedrock.url` to boto3 as endpoint_url."""

    def __init__(self, script: Script, *, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> None:
        self.handler = _Handler
        self.access_key = access_key
        self.secret_key = secret_key
        super().__init__(script)


class _Handler(ChatHandler):
    def check(self, request: Recorded) -> None:
        match = _PATH.match(request.path)
        if match is None:
            raise Refused(404, "UnknownOperationException", f"no operation at {request.path}")
        owner: BedrockServer = self.server_of_test
        _check_signature(request, owner.access_key, owner.secret_key)
        operation = "Converse" if match["verb"] == "converse" else "ConverseStream"
        _check_shape(operation, {**request.body, "modelId": unquote(match["model"])})
        _check_conversation(request.body)

    def reply(self, request: Recorded, reply: Reply) -> None:
        if request.path.endswith("/converse"):
            time.sleep(reply.pause_s)
            self.send_json(200, _converse_body(reply))
            return
        self.begin_stream("application/vnd.amazon.eventstream")
        deltas = 0
        for name, payload in _events(reply):
            if name == "contentBlockDelta":
                if deltas == reply.hang_up_after:
                    self.hang_up()
                    return
                if deltas == reply.break_after:
                    self.send_chunk(frame("exception", "modelStreamErrorException", {"message": "scripted failure"}))
                    self.send_chunk(b"")
                    return
                time.sleep(reply.pause_s)
                deltas += 1
            self.send_chunk(frame("event", name, payload))
        self.send_chunk(b"")

    def fail(self, failure: Failure) -> None:
        self.send_json(failure.status, {"message": failure.message}, {"x-amzn-ErrorType": failure.code})


def frame(message_type: str, name: str, payload: JsonDict) -> bytes:
    """Return one message of application/vnd.amazon.eventstream: lengths, CRC, headers, payload, CRC."""
    kind = "event" if message_type == "event" else "exception"
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": message_type}
    head = b"".join(
        struct.pack("!B", len(key)) + key.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for key, value in headers.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(head) + len(body), len(head))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + body
    return message + struct.pack("!I", zlib.crc32(message))


def _stop_reason(reply: Reply) -> str:
    return "max_tokens" if reply.cut_off else "tool_use" if reply.calls_tools else "end_turn"


def _usage(reply: Reply) -> JsonDict:
    total = reply.input_tokens + reply.output_tokens
    return {"inputTokens": reply.input_tokens, "outputTokens": reply.output_tokens, "totalTokens": total}


def _tool_id(block: ToolUse) -> str:
    return block.id or f"tooluse_{next(_ids)}"


def _converse_body(reply: Reply) -> JsonDict:
    content: list[JsonDict] = []
    for block in reply.blocks:
        if isinstance(block, Text):
            content.append({"text": block.text})
        else:
            content.append({"toolUse": {"toolUseId": _tool_id(block), "name": block.name, "input": block.input}})
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _stop_reason(reply),
        "usage": _usage(reply),
        "metrics": {"latencyMs": 5},
    }


def _events(reply: Reply) -> Iterator[tuple[str, JsonDict]]:
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(reply.blocks):
        if isinstance(block, ToolUse):
            start = {"toolUse": {"toolUseId": _tool_id(block), "name": block.name}}
            yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        deltas = (
            [{"text": piece} for piece in pieces(block.text)]
            if isinstance(block, Text)
            else [{"toolUse": {"input": piece}} for piece in pieces(json.dumps(block.input))]
        )
        for delta in deltas:
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": _stop_reason(reply)}
    yield "metadata", {"usage": _usage(reply), "metrics": {"latencyMs": 5}}


def _check_signature(request: Recorded, access_key: str, secret_key: str) -> None:
    """Compute the SigV4 signature again (AWS General Reference, "Create a signed AWS API request")."""
    header = request.headers.get("authorization", "")
    match = re.match(
        r"^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/bedrock/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$",
        header,
    )
    if match is None or "x-amz-date" not in request.headers:
        raise Refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    key_id, day, region, signed, signature = match.groups()
    if key_id != access_key:
        raise Refused(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    names = signed.split(";")
    canonical = "\n".join(
        [
            request.method,
            quote(request.path, safe="/~"),
            "",
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in names),
            "",
            signed,
            hashlib.sha256(request.raw).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/bedrock/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "bedrock", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{digest}"
    if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature):
        message = "The request signature we calculated does not match the signature you provided."
        raise Refused(403, "InvalidSignatureException", message)


@cache
def _service_model() -> Any:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


def _check_shape(operation: str, parameters: JsonDict) -> None:
    from botocore.validate import ParamValidator

    shape = _service_model().operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        raise _invalid(report.generate_report())
    _check_values(parameters, shape, "")


def _check_values(value: Any, shape: Any, place: str) -> None:
    """Check what botocore leaves to the service: enums, patterns and lengths of strings."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        for name, member in value.items():
            _check_values(member, shape.members[name], f"{place}.{name}".lstrip("."))
    elif shape.type_name == "list":
        for index, member in enumerate(value):
            _check_values(member, shape.member, f"{place}.{index}")
    elif shape.type_name == "string":
        _check_string(value, shape, place)


def _check_string(value: str, shape: Any, place: str) -> None:
    limits = shape.metadata
    allowed = getattr(shape, "enum", None)
    if allowed and value not in allowed:
        raise _invalid(f"Value '{value}' at '{place}' failed to satisfy constraint: Member must satisfy {allowed}")
    if "pattern" in limits and re.fullmatch(limits["pattern"], value, re.DOTALL) is None:
        raise _invalid(f"Value '{value}' at '{place}' must satisfy regular expression pattern {limits['pattern']}")
    if not limits.get("min", 0) <= len(value) <= limits.get("max", float("inf")):
        raise _invalid(f"Value at '{place}' has {len(value)} characters: {limits}")


def _invalid(message: str) -> Refused:
    return Refused(400, "ValidationException", message)


def _check_conversation(body: JsonDict) -> None:
    messages: list[JsonDict] = body.get("messages") or []
    if not messages:
        raise _invalid("The messages field is required and may not be empty.")
    if messages[0]["role"] != "user":
        raise _invalid("A conversation must start with a user message.")
    if messages[-1]["role"] != "user":
        raise _invalid("This model does not support assistant message prefill. End with a user message.")
    for index, message in enumerate(messages):
        if index and message["role"] == messages[index - 1]["role"]:
            raise _invalid("A conversation must alternate between user and assistant roles.")
        if not message["content"]:
            raise _invalid(f"The content field in the Message object at messages.{index} is empty.")
        _check_blank(message["content"], f"messages.{index}.content")
        _check_tool_results(messages[index - 1] if index else None, message, index)
    _check_blank(body.get("system") or [], "system")
    _check_tools(body, messages)


def _check_blank(content: list[JsonDict], place: str) -> None:
    for index, block in enumerate(content):
        if "text" in block and not block["text"].strip():
            raise _invalid(f"The text field in the ContentBlock object at {place}.{index} is blank.")
        for inner in block.get("toolResult", {}).get("content", []):
            if "text" in inner and not inner["text"].strip():
                raise _invalid(f"The text field in the toolResult at {place}.{index} is blank.")


def _check_tool_results(before: JsonDict | None, message: JsonDict, index: int) -> None:
    asked = [block["toolUse"]["toolUseId"] for block in (before or {"content": []})["content"] if "toolUse" in block]
    answered = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
    if message["role"] == "assistant":
        asked = []
    missing = [identity for identity in asked if identity not in answered]
    if missing:
        raise _invalid(f"Expected toolResult blocks at messages.{index}.content for the following Ids: {missing}")
    if len(answered) != len(set(answered)) or set(answered) - set(asked):
        raise _invalid(
            f"The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of "
            "previous turn."
        )


def _check_tools(body: JsonDict, messages: list[JsonDict]) -> None:
    blocks = [block for message in messages for block in message["content"]]
    config = body.get("toolConfig")
    if config is None and any("toolUse" in block or "toolResult" in block for block in blocks):
        raise _invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    for block in blocks:
        if not isinstance(block.get("toolUse", {"input": {}})["input"], dict):
            raise _invalid("The value of toolUse.input is invalid. Provide a json object for the field.")
    names = [tool["toolSpec"]["name"] for tool in (config or {}).get("tools", []) if "toolSpec" in tool]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise _invalid(f"The tool {repeated[0]} is already defined at toolConfig.tools.")
