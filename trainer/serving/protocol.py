# pyright: basic
"""The OpenAI-compatible wire format: what a request may hold, and the JSON of answers and errors.

No networking and no model here.
"""

import json
import time
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from trainer.serving.scheduler import Done

JsonObject: TypeAlias = dict[str, Any]

_MEANINGS_NOT_KEPT = {
    "tools": "Tools",
    "tool_choice": "Tools",
    "functions": "Functions",
    "function_call": "Functions",
    "logprobs": "Log-probabilities",
    "top_logprobs": "Log-probabilities",
    "logit_bias": "Logit biases",
    "audio": "Audio",
    "presence_penalty": "Penalties",
    "frequency_penalty": "Penalties",
}
"""Fields that would silently change the answer if ignored; refused unless they hold a value that means "off"."""


class ApiError(Exception):
    """An answer in OpenAI's error shape."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, code=code, param=param, kind=_kind(status))


class _Lenient(BaseModel):
    """Clients send fields that do not matter here (user, metadata, store), so unknown ones are let through."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class TextPart(_Lenient):
    """A part of a message. Only text can be read."""

    type: Literal["text"]
    text: str


class ChatMessage(_Lenient):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | tuple[TextPart, ...]

    def plain(self) -> dict[str, str]:
        """Return the message as chat templates take it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(_Lenient):
    """Options of a stream."""

    include_usage: bool = False


class ChatRequest(_Lenient):
    """Body of POST /v1/chat/completions."""

    model: str
    messages: Annotated[tuple[ChatMessage, ...], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    stop: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=16)] = ()
    n: Literal[1] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if value is None:
            return ()
        return (value,) if isinstance(value, str) else value

    @field_validator("stream", mode="before")
    @classmethod
    def _null_is_off(cls, value: object) -> object:
        return False if value is None else value

    @property
    def limit(self) -> int | None:
        """The longest answer in tokens, None when the client set none."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the token counts."""
        return self.stream_options is not None and self.stream_options.include_usage


def parse_request(body: bytes) -> ChatRequest:
    """Read a request body. Raises ApiError (400) that names the field."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The request body is not JSON: {error}.", code="invalid_json") from error
    if not isinstance(data, dict):
        raise ApiError(400, "The request body must be a JSON object.", code="invalid_json")
    _refuse_ignored_meanings(data)
    try:
        return ChatRequest.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ApiError(400, f"{field}: {first['msg']}.", code="invalid_value", param=field) from error


def _refuse_ignored_meanings(data: JsonObject) -> None:
    for name, title in _MEANINGS_NOT_KEPT.items():
        if data.get(name) not in (None, False, 0, [], {}, "none"):
            raise ApiError(400, f"{title} are not supported by this server.", code="unsupported_parameter", param=name)
    kind = (data.get("response_format") or {"type": "text"}) if isinstance(data, dict) else {}
    if not isinstance(kind, dict) or kind.get("type") != "text":
        message = "Only response_format text is supported by this server."
        raise ApiError(400, message, code="unsupported_parameter", param="response_format")


def error_body(message: str, *, code: str | None, param: str | None = None, kind: str) -> JsonObject:
    """Return an error in OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _kind(status: int) -> str:
    if status == 401:
        return "authentication_error"
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def usage(done: Done) -> JsonObject:
    """Return the token counts of an answer."""
    return {
        "prompt_tokens": done.num_prompt_tokens,
        "completion_tokens": done.num_tokens,
        "total_tokens": done.num_prompt_tokens + done.num_tokens,
    }


class AnswerShape:
    """The JSON of one answer, whole or in chunks."""

    def __init__(self, answer_id: str, model: str) -> None:
        self._head = {"id": answer_id, "created": int(time.time()), "model": model}

    def whole(self, text: str, done: Done) -> JsonObject:
        """Return the body of an answer that is not streamed."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": done.finish}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage(done)}

    def chunk(self, delta: JsonObject, finish: str | None = None) -> JsonObject:
        """Return one chunk of a stream."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def usage_chunk(self, done: Done) -> JsonObject:
        """Return the last chunk of a stream whose client asked for the token counts."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage(done)}
