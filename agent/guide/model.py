"""The guide as a chat model: it reads the messages like any other brain and answers with words and tool calls.

What it knows travels in its own last message, so that a thread holds all there is. No network, no weights.
"""

import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any, cast

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import ValidationError

from agent.guide import flow
from agent.guide.interview import Interview
from agent.guide.reply import Reply
from agent.state import NOTES, OPENING
from tools.steps import JsonDict

_KEY = "interview"
_QUIET = frozenset({"ask_user"})


class GuideModel(BaseChatModel):
    """A fixed interviewer in the place of a model."""

    @property
    def _llm_type(self) -> str:
        return "tailor-guide"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the guide itself: it knows the tools by name."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = next_reply(messages)
        calls = [{"name": reply.tool, "args": reply.arguments or {}, "id": uuid.uuid4().hex}] if reply.tool else []
        message = AIMessage(
            reply.text, tool_calls=calls, additional_kwargs={_KEY: reply.interview.model_dump(mode="json")}
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def next_reply(messages: Sequence[BaseMessage]) -> Reply:
    """Return the guide's next step after `messages`."""
    reply = _next(messages)
    return flow.without_repeating(reply) if _was_called(messages, reply) else reply


def _next(messages: Sequence[BaseMessage]) -> Reply:
    interview, since = _taken_up(messages)
    said = next((message for message in reversed(since) if isinstance(message, HumanMessage)), None)
    if said is not None and not _is_opening(said):
        notes = cast("list[str]", said.additional_kwargs.get(NOTES, []))
        return flow.heard(_learnt(interview, since), said.text, notes, _last_plan(messages))
    told = next((message for message in reversed(since) if isinstance(message, ToolMessage)), None)
    if told is None or said is not None:
        return flow.opening(interview)
    return flow.told(interview, told.name or "", _data(told))


def _taken_up(messages: Sequence[BaseMessage]) -> tuple[Interview, Sequence[BaseMessage]]:
    """Return the interview as the guide left it, and the messages since."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, AIMessage):
            try:
                return Interview.model_validate(message.additional_kwargs.get(_KEY, {})), messages[index + 1 :]
            except ValidationError:
                return Interview(), messages[index + 1 :]
    return Interview(), messages


def _learnt(interview: Interview, since: Sequence[BaseMessage]) -> Interview:
    """A run that was talked over leaves nothing to follow up; an approval that was talked over is still open."""
    told = [message for message in since if isinstance(message, ToolMessage) and message.name not in _QUIET]
    is_open = any(message.name == "run_steps" and "error" in _data(message) for message in told)
    return interview.model_copy(update={"is_talked_over": is_open, **({"after": ""} if told else {})})


def _was_called(messages: Sequence[BaseMessage], reply: Reply) -> bool:
    """Whether the guide made just this call since the person's last words."""
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            return False
        if isinstance(message, AIMessage) and any(
            made["name"] == reply.tool and made["args"] == (reply.arguments or {}) for made in message.tool_calls
        ):
            return True
    return False


def _last_plan(messages: Sequence[BaseMessage]) -> JsonDict:
    for message in reversed(messages):
        if isinstance(message, ToolMessage) and message.name == "make_plan":
            return _data(message)
    return {}


def _data(message: ToolMessage) -> JsonDict:
    try:
        value = json.loads(message.text)
    except ValueError:
        return {"error": message.text}
    return cast("JsonDict", value) if isinstance(value, dict) else {"error": message.text}


def _is_opening(message: HumanMessage) -> bool:
    return bool(cast("dict[str, Any]", message.additional_kwargs).get(OPENING))
