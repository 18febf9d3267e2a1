"""Gives columns their meaning: a record becomes a prompt and the assistant's answer, or a reason why it cannot.

Accepted: prompt and completion as texts or message lists (TRL), `messages` that end with the assistant (OpenAI), and
any columns named in the spec. Rows are never repaired here; what is unclear is refused.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from specs.data import Columns
from tools.data.records import Record, SourceRow, Turn
from tools.data.strict_json import kind_of
from tools.escape import one_line

_ROLES = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_HARMLESS_KEYS = {"role", "content", "name", "weight"}


class BadRow(ValueError):
    """A row without a usable prompt and answer. The message is the reason in words."""


def default_columns(names: Iterable[str]) -> Columns | None:
    """Return the columns of a file that already uses prompt/completion or messages, None for any other."""
    given = set(names)
    system = "system" if "system" in given else None
    if {"prompt", "completion"} <= given:
        return Columns(prompt="prompt", completion="completion", system=system)
    if "messages" in given:
        return Columns(messages="messages", system=system)
    return None


def needed_names(columns: Columns) -> list[str]:
    """Return the column names that must exist in the file."""
    given = (columns.prompt, columns.completion, columns.messages, columns.text, columns.system)
    return [name for name in given if name is not None]


def to_row(record: Record, columns: Columns) -> SourceRow:
    """Return the prompt and answer of a record.

    Raises:
        BadRow: a column is missing, empty, no text, or its messages do not end with one answer of the assistant.
    """
    fields = record.fields
    if columns.messages is not None:
        turns = _turns(columns.messages, _value(fields, columns.messages))
        if len(turns) < 2 or turns[-1][0] != "assistant":
            raise BadRow(f"{_named(columns.messages)} does not end with the assistant after at least one other message")
        prompt, completion = turns[:-1], turns[-1][1]
    else:
        prompt = _prompt(columns.prompt or "", fields)
        completion = _completion(columns.completion or "", fields)
    prompt = _with_system(prompt, columns.system, fields)
    if not any(role != "system" and content.strip() for role, content in prompt):
        raise BadRow("the prompt is empty")
    if not completion.strip():
        raise BadRow("the completion is empty")
    return SourceRow(record.line, prompt, completion)


def _prompt(name: str, fields: Mapping[str, object]) -> tuple[Turn, ...]:
    value = _value(fields, name)
    if isinstance(value, list):
        turns = _turns(name, cast("object", value))
        if turns and turns[-1][0] == "assistant":
            raise BadRow(f"{_named(name)} ends with the assistant, so nothing is asked")
        return turns
    return (("user", _text(name, value)),)


def _completion(name: str, fields: Mapping[str, object]) -> str:
    value = _value(fields, name)
    if isinstance(value, list):
        turns = _turns(name, cast("object", value))
        if len(turns) != 1 or turns[0][0] != "assistant":
            raise BadRow(f"{_named(name)} must be one message of the assistant")
        return turns[0][1]
    return _text(name, value)


def _with_system(prompt: tuple[Turn, ...], name: str | None, fields: Mapping[str, object]) -> tuple[Turn, ...]:
    if any(role == "system" for role, _ in prompt[1:]):
        raise BadRow("a system message stands after the first message")
    value = fields.get(name) if name is not None else None
    if name is None or value is None:
        return prompt
    system = _text(name, value)
    if not system.strip():
        return prompt
    if prompt and prompt[0][0] == "system":
        raise BadRow(f"the row has two system prompts, one in its messages and one in {_named(name)}")
    return (("system", system), *prompt)


def _turns(name: str, value: object) -> tuple[Turn, ...]:
    if not isinstance(value, list):
        raise BadRow(f"{_named(name)} must be a list of messages, this is {kind_of(value)}")
    return tuple(_turn(name, number, item) for number, item in enumerate(cast("list[object]", value), start=1))


def _turn(name: str, number: int, item: object) -> Turn:
    place = f"message {number} of {_named(name)}"
    if not isinstance(item, dict):
        raise BadRow(f"{place} must be an object with role and content, this is {kind_of(item)}")
    message = cast("dict[str, object]", item)
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        known = ", ".join(_ROLES)
        given = repr(one_line(role, 40)) if isinstance(role, str) else kind_of(role)
        raise BadRow(f"{place} has the role {given}; known are {known}")
    extra = [key for key, held in message.items() if key not in _HARMLESS_KEYS and held not in (None, [], "")]
    if extra:
        raise BadRow(f"{place} holds {one_line(extra[0], 40)!r}, which this training does not use")
    if role == "assistant" and message.get("weight") == 0:
        raise BadRow(f"{place} has weight 0, which this training does not use")
    return _ROLES[role], _content(place, message.get("content"))


def _content(place: str, value: object) -> str:
    if not isinstance(value, list):
        return _checked(place, value)
    texts: list[str] = []
    for part in cast("list[object]", value):
        parts = cast("dict[str, object]", part) if isinstance(part, dict) else {}
        if parts.get("type") != "text":
            raise BadRow(f"{place} holds a part that is not text")
        texts.append(_checked(place, parts.get("text")))
    return "".join(texts)


def _value(fields: Mapping[str, object], name: str) -> object:
    if name not in fields:
        raise BadRow(f"there is no {_named(name)}")
    value = fields[name]
    if value is None:
        raise BadRow(f"{_named(name)} is empty")
    return value


def _text(name: str, value: object) -> str:
    if isinstance(value, str) and "\0" not in value:
        return value
    # labels are often whole numbers; their text has one form, which other numbers have not
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _checked(_named(name), value)


def _checked(place: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadRow(f"{place} must be text, this is {kind_of(value)}")
    if "\0" in value:
        raise BadRow(f"{place} holds a NUL character")
    return value


def _named(name: str) -> str:
    return f"column {one_line(name, 60)!r}"
