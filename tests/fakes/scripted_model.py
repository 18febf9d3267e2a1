"""A chat model that says what a test tells it to, with a record of what it was shown."""

import uuid
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field


def says(text: str = "", *calls: tuple[str, dict[str, Any]]) -> AIMessage:
    made = [{"name": name, "args": args, "id": uuid.uuid4().hex} for name, args in calls]
    return AIMessage(text, tool_calls=made)


class ScriptedModel(BaseChatModel):
    """Plays `script`: a list, one message a call, or a function of the messages shown."""

    script: Any
    shown: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_options: Any) -> "ScriptedModel":
        return self

    def _generate(self, messages: list[BaseMessage], *_args: Any, **_options: Any) -> ChatResult:
        self.shown.append(messages)
        if callable(self.script):
            answer: AIMessage | Exception = self.script(messages)
        else:
            answer = self.script[len(self.shown) - 1] if len(self.shown) <= len(self.script) else says("(nothing more)")
        if isinstance(answer, Exception):
            raise answer
        return ChatResult(generations=[ChatGeneration(message=answer)])
