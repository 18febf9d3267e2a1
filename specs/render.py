"""Plain values as YAML text: block style for people, flow style for short rows. Reads nothing and validates nothing."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

Json: TypeAlias = Any

_FLOW_COLUMNS = 100
_SHORT_COLUMNS = 60
_PLAIN = re.compile(r"[^\W\d][^\n]*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Words that some YAML reader takes for something else than text."""


def scalar(value: Json, *, like: str = "", flow: bool = False) -> str:
    """Return a single value on one line.

    Args:
        value: None, a bool, a number or a text.
        like: the text it replaces; its kind of quotes is kept.
        flow: whether it stands inside brackets or braces.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    if like.startswith("'") and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if like.startswith('"') or not _stays_text(value, flow=flow):
        return _quoted(value)
    return value


def inline(value: Json, *, like: str = "") -> str:
    """Return a value in flow style, on one line."""
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Json]", value).items()
        return "{" + ", ".join(f"{scalar(key, flow=True)}: {inline(item)}" for key, item in pairs) + "}"
    if _is_list(value):
        return "[" + ", ".join(inline(item) for item in value) + "]"
    return scalar(value, like=like, flow=True)


def entry_lines(key: str, value: Json, indent: int) -> list[str]:
    """Return a key with its value in block style, indented by so many spaces."""
    name = " " * indent + scalar(key)
    if not value or not (isinstance(value, Mapping) or _is_list(value)):
        return _scalar_lines(f"{name}:", value, indent)
    if indent and _is_short(value, indent + len(key), _SHORT_COLUMNS):
        return [f"{name}: {inline(value)}"]
    return [f"{name}:", *block_lines(value, indent + 2)]


def item_lines(value: Json, indent: int) -> list[str]:
    """Return a list item with its dash in block style, indented by so many spaces."""
    dash = " " * indent + "-"
    if not value or not (isinstance(value, Mapping) or _is_list(value)):
        return _scalar_lines(dash, value, indent)
    if "method" not in value and _is_short(value, indent, _FLOW_COLUMNS):
        return [f"{dash} {inline(value)}"]
    lines = block_lines(value, indent + 2)
    return [f"{dash} {lines[0].lstrip()}", *lines[1:]]


def block_lines(value: Json, indent: int) -> list[str]:
    """Return a mapping or list that is not empty in block style."""
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Json]", value).items()
        return [line for key, item in pairs for line in entry_lines(key, item, indent)]
    return [line for item in value for line in item_lines(item, indent)]


def _scalar_lines(opening: str, value: Json, indent: int) -> list[str]:
    if isinstance(value, str) and _fits_literal(value):
        return [f"{opening} |-", *(" " * (indent + 2) + line if line else "" for line in value.split("\n"))]
    return [f"{opening} {inline(value) if isinstance(value, Mapping) or _is_list(value) else scalar(value)}"]


def _is_list(value: Json) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_short(value: Json, used: int, limit: int) -> bool:
    """Return whether a collection reads well on one line: short, a mapping, and nothing long or manifold inside."""
    if not isinstance(value, Mapping):
        return False
    items = list(cast("Mapping[str, Json]", value).values())
    if any(_is_list(item) or (isinstance(item, str) and "\n" in item) for item in items):
        return False
    return used + len(inline(value)) <= limit


def _stays_text(value: str, *, flow: bool) -> bool:
    """Return whether `value` without quotes is read as this same text. Cautious: unusual text gets quotes."""
    if not _PLAIN.fullmatch(value) or not value.isprintable() or value.lower() in _WORDS:
        return False
    if value.endswith((" ", ":")) or ": " in value or " #" in value:
        return False
    return not (flow and any(character in value for character in ",[]{}:\"'"))


def _fits_literal(value: str) -> bool:
    lines = value.split("\n")
    if len(lines) < 2 or not lines[-1] or not lines[0] or lines[0][0] == " ":
        return False
    return all(line.isprintable() and not line.endswith(" ") for line in lines)


def _quoted(value: str) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
