"""What the guide does next: words, a tool call, or both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.guide.interview import Interview
from tools.steps import JsonDict


@dataclass(frozen=True)
class Reply:
    """One step of the guide."""

    interview: Interview
    text: str = ""
    tool: str = ""
    """Tool to call; empty = none."""
    arguments: JsonDict | None = None


def call(interview: Interview, tool: str, arguments: Mapping[str, Any] | None = None, text: str = "") -> Reply:
    """Return a reply that calls a tool."""
    return Reply(interview, text, tool, dict(arguments or {}))


def remark(interview: Interview, text: str = "") -> Reply:
    """Return words alone; in the interview the next question follows them."""
    return Reply(interview, text)


def ask(interview: Interview, lead: str, asked: JsonDict) -> Reply:
    """Return a question, kept so that it can be asked again."""
    return call(interview.model_copy(update={"question": asked}), "ask_user", asked, lead)
