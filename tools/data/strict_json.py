"""Parses one JSON object more strictly than any parser at hand does alone.

orjson refuses lone surrogates, NaN, infinities, broken UTF-8 and trailing text, but takes the last of repeated keys
and turns large integers into floats; the standard library's hooks catch those two. Files are read elsewhere.
"""

import json
from collections.abc import Iterable
from typing import Any, NoReturn, cast

import orjson

from tools.escape import one_line

MAX_DEPTH = 64
_LARGEST = 2**64 - 1
_SMALLEST = -(2**63)
_MAX_DIGITS = 20

_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


class BadJson(ValueError):
    """Text that is not one JSON object under our rules. The message completes the sentence `the row is refused:`."""


def parse_object(text: str) -> dict[str, object]:
    """Return the object that `text` holds.

    Raises:
        BadJson: no valid JSON, more than one document, not an object, a repeated key, NaN or an infinity, an integer
            beyond 64 bits, a lone surrogate, or deeper than `MAX_DEPTH`.
    """
    value = parse_value(text)
    if not isinstance(value, dict):
        raise BadJson(f"a row must be a JSON object, this is {kind_of(value)}")
    return cast("dict[str, object]", value)


def parse_value(text: str) -> object:
    """Return any JSON value under the same rules. Raises BadJson."""
    try:
        value = cast("object", orjson.loads(text))
    except orjson.JSONDecodeError as error:
        if error.doc.startswith(_NO_NUMBERS, error.pos):
            raise BadJson(
                f"not valid JSON (NaN or an infinity at character {error.pos + 1}, which JSON does not have; use null)"
            ) from error
        raise BadJson(f"not valid JSON ({error.msg} at character {error.pos + 1})") from error
    except UnicodeEncodeError as error:
        raise BadJson("not valid JSON (a lone surrogate)") from error
    if _deeper_than(value, MAX_DEPTH):
        raise BadJson(f"nested deeper than {MAX_DEPTH} levels")
    return cast("object", _DECODER.decode(text))


def kind_of(value: object) -> str:
    """Return what a JSON value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


def _deeper_than(value: object, limit: int) -> bool:
    level: list[object] = [value]
    for _ in range(limit):
        level = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    if isinstance(value, list):
        return cast("list[object]", value)
    return ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise BadJson(f"the key {one_line(repeated, 60)!r} stands twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) <= _MAX_DIGITS and _SMALLEST <= (value := int(digits)) <= _LARGEST:
        return value
    raise BadJson(f"the integer {digits[:12]}… does not fit in 64 bits")


def _constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_constant=_constant)
