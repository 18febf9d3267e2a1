"""The messages of a thread: what is kept, and what a chat model is shown of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage

from agent.state import MAX_QUESTIONS, NOTES, OPENING, ConversationState

MAX_MESSAGES = 120
_KEPT_MESSAGES = 80
_MAX_CHARS = 400_000
_PROMPT_PATH = Path(__file__).parent / "prompts" / "system.md"


def surplus(messages: Sequence[AnyMessage]) -> list[RemoveMessage]:
    """Return removals of the oldest turns, once a thread holds more than 120 messages or 400,000 characters."""
    sizes = [len(message.text) for message in messages]
    if len(messages) <= MAX_MESSAGES and sum(sizes) <= _MAX_CHARS:
        return []
    first = max(0, len(messages) - _KEPT_MESSAGES)
    while first < len(messages) - 2 and sum(sizes[first:]) > _MAX_CHARS // 2:
        first += 1
    while first < len(messages) - 1 and not isinstance(messages[first], HumanMessage):
        first += 1
    return [RemoveMessage(id=message.id) for message in messages[:first] if message.id is not None]


def prompt_messages(state: ConversationState) -> list[AnyMessage]:
    """Return what a chat model is given: instructions, then the thread, well-formed whatever was interrupted."""
    shown: list[AnyMessage] = [SystemMessage(f"{_PROMPT_PATH.read_text(encoding='utf-8')}\n{_situation(state)}")]
    messages = state.get("messages", [])
    answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    for message in messages:
        if isinstance(message, HumanMessage):
            shown.append(_with_notes(message))
        elif isinstance(message, AIMessage):
            if message.text or message.tool_calls:
                shown.append(message)
            shown += [
                ToolMessage("Not carried out: the turn ended before.", tool_call_id=call_id)
                for call in message.tool_calls
                if (call_id := call["id"] or "") not in answered
            ]
        else:
            shown.append(message)
    return shown


def notes_of(message: HumanMessage) -> list[str]:
    """Return what Tailor added to a user's message."""
    return cast("list[str]", message.additional_kwargs.get(NOTES, []))


def is_opening(message: AnyMessage) -> bool:
    """Return whether the message only starts a guide that speaks first."""
    return isinstance(message, HumanMessage) and bool(cast("dict[str, Any]", message.additional_kwargs).get(OPENING))


def _with_notes(message: HumanMessage) -> HumanMessage:
    notes = notes_of(message)
    text = message.text or "(The user has just opened the conversation.)"
    if notes:
        text += "\n\n" + "\n".join(f"[Note by Tailor, not by the user: {note}]" for note in notes)
    return HumanMessage(text, id=message.id)


def _situation(state: ConversationState) -> str:
    asked = len(state.get("asked", []))
    lines = [
        "## Now",
        f"- Questions asked in this interview: {asked} of at most {MAX_QUESTIONS}.",
        f"- spec.yaml: {'exists' if state.get('spec_text') else 'not written yet'}.",
    ]
    if state.get("broken_spec"):
        lines.append("- spec.yaml is not valid at the moment; nothing can be planned or run until the user mends it.")
    if plan := state.get("plan"):
        lines.append(f"- Last plan: {plan} ({state.get('plan_state', 'planned')}).")
    return "\n".join(lines)
