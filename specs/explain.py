"""Validation errors in plain sentences: what was found where, and what is wanted there.

Wanted values are read off the JSON Schema, so a new field of the spec needs no words here.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from pydantic import ValidationError

from specs.errors import Problem
from specs.schema import JsonSchema, json_schema
from specs.tree import Json, Path, Tree, TreeNode, child, field_name, visible

_PATTERNS = {
    "^[a-z0-9][a-z0-9-]{0,47}$": "a name of lower-case letters, digits and dashes, at most 48",
    "^[a-z0-9][a-z0-9_-]{0,47}$": "a name of lower-case letters, digits, dashes and underscores, at most 48",
}
_TYPES = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "string": "a text"}
_BOOLEAN_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


@dataclass(frozen=True)
class _Spot:
    """Where an error stands: the path in the file and the schema of that field."""

    path: Path
    schema: JsonSchema
    applies: bool
    """False for the alternatives of a union that the user plainly did not mean."""


def explain(error: ValidationError, tree: Tree) -> tuple[Problem, ...]:
    """Return one problem per defective field, those that `tree` found included, in the order of the file."""
    schema = _schema()
    problems: dict[Path, Problem] = dict(tree.problems)
    for detail in error.errors(include_url=False):
        spot = _follow(schema, detail["loc"], tree)
        if _counts_only_valid(cast("dict[str, Any]", detail), tree.find(spot.path)):
            continue
        if spot.applies and not any(spot.path[: len(known)] == known for known in problems):
            path, problem = _problem(cast("dict[str, Any]", detail), spot, tree)
            problems.setdefault(path, problem)
    return tuple(sorted(problems.values(), key=lambda p: (p.line or 0, p.column or 0)))


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known word that `name` was probably meant to be, None when none is close."""
    found = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return found[0] if found else None


@lru_cache(maxsize=1)
def _schema() -> JsonSchema:
    return json_schema()


def _resolved(schema: JsonSchema) -> JsonSchema:
    while "$ref" in schema:
        schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _members(schema: JsonSchema) -> list[JsonSchema]:
    """Return the alternatives of a schema, null left out; a schema without alternatives is its own."""
    schema = _resolved(schema)
    choices: list[JsonSchema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return [choice for choice in choices if choice.get("type") != "null"]


def _follow(schema: JsonSchema, loc: Sequence[str | int], tree: Tree) -> _Spot:
    """Walk pydantic's location, which names union members between the keys, down to a path of the file."""
    path: Path = ()
    here = field = schema
    applies = True
    for part in loc:
        here = _resolved(here)
        if "discriminator" in here:
            here = {"$ref": here["discriminator"]["mapping"][str(part)]}
            continue
        members = _members(here)
        if len(members) > 1:
            meant = _meant(members, tree.find(path))
            labelled = [m for m in members if m.get("$ref", "").endswith(f"/{part}")]
            applies = applies and (not labelled or labelled[0] is meant)
            here = labelled[0] if labelled else here
            continue
        here = _resolved(members[0])
        path = (*path, part)
        here = field = here.get("items", {}) if isinstance(part, int) else here.get("properties", {}).get(part, {})
    return _Spot(path, field, applies)


def _meant(members: list[JsonSchema], node: TreeNode | None) -> JsonSchema:
    """Return the alternative that shares most keys with what the user wrote."""
    keys: set[str] = {entry.key for entry in node.entries} if node else set()
    return max(members, key=lambda member: len(keys & _resolved(member).get("properties", {}).keys()))


def _problem(detail: dict[str, Any], spot: _Spot, tree: Tree) -> tuple[Path, Problem]:
    path = spot.path
    match detail["type"]:
        case "missing":
            return path, _missing(spot, tree)
        case "extra_forbidden":
            return path, _unknown_key(path, tree)
        case "value_error":
            message = str(detail["ctx"]["error"])
            field, separator, rest = message.partition(": ")
            if separator and not path:
                return path, _make(tuple(field.split(".")), tree, rest, "")
            return path, _make(path, tree, message, _description(spot.schema))
        case "union_tag_not_found" if _is_mapping(tree, path):
            known = list(_resolved(spot.schema)["discriminator"]["mapping"])
            path = (*path, "method")
            return path, _make(path, tree, f"is missing; wants one of {_listed(known)}", "Name the training method.")
        case "union_tag_invalid":
            return _unknown_method(spot, tree)
        case _:
            return path, _wrong_value(spot, tree)


def _counts_only_valid(detail: dict[str, Any], node: TreeNode | None) -> bool:
    """Return whether pydantic calls a list too short because it left out entries that have errors of their own."""
    return detail["type"] == "too_short" and node is not None and len(node.items) >= detail["ctx"]["min_length"]


def _make(path: Path, tree: Tree, message: str, hint: str) -> Problem:
    line, column = tree.place(path)
    return Problem(field_name(path), message, hint, line, column)


def _is_mapping(tree: Tree, path: Path) -> bool:
    node = tree.find(path)
    return node is not None and node.kind == "mapping"


def _missing(spot: _Spot, tree: Tree) -> Problem:
    wanted = _wanted(spot.schema)
    return _make(spot.path, tree, f"is missing; wants {wanted}", _description(spot.schema))


def _unknown_key(path: Path, tree: Tree) -> Problem:
    key = str(path[-1])
    known = _keys_beside(path, tree)
    close = nearest(key, known)
    hint = f"Did you mean `{close}`?" if close else f"Known here: {', '.join(known)}."
    return _make(path, tree, "is no known key", hint)


def _keys_beside(path: Path, tree: Tree) -> list[str]:
    """Return the keys allowed in the mapping that holds the last part of `path`."""
    here = _schema()
    node = tree.root
    for part in path[:-1]:
        here = _resolved(_one_of(here, node))
        here = here.get("items", {}) if isinstance(part, int) else here.get("properties", {}).get(part, {})
        node = child(node, part) or node
    return list(_resolved(_one_of(here, node)).get("properties", {}))


def _one_of(schema: JsonSchema, node: TreeNode) -> JsonSchema:
    schema = _resolved(schema)
    if "discriminator" in schema:
        return {"$ref": schema["discriminator"]["mapping"][node.value["method"]]}
    return _meant(_members(schema), node)


def _unknown_method(spot: _Spot, tree: Tree) -> tuple[Path, Problem]:
    path = (*spot.path, "method")
    known = list(_resolved(spot.schema)["discriminator"]["mapping"])
    node = tree.find(path)
    found = node.value if node else None
    close = nearest(found, known) if isinstance(found, str) else None
    hint = f"Did you mean `{close}`?" if close else "sft is the method for prompt and answer pairs."
    return path, _make(path, tree, f"wants one of {_listed(known)}; found {_found(found)}", hint)


def _wrong_value(spot: _Spot, tree: Tree) -> Problem:
    node = tree.find(spot.path)
    value = node.value if node else None
    return _make(
        spot.path, tree, f"wants {_wanted(spot.schema)}; found {_found(value)}", _value_hint(spot.schema, value)
    )


def _value_hint(schema: JsonSchema, value: Json) -> str:
    types = {_resolved(member).get("type") for member in _members(schema)}
    if isinstance(value, str):
        close = nearest(value, _choices(schema))
        if close:
            return f"Did you mean `{close}`?"
        if "boolean" in types and value.lower() in _BOOLEAN_WORDS:
            return f"YAML 1.2 knows true and false only: write {_BOOLEAN_WORDS[value.lower()]}."
        if types & {"integer", "number"} and _looks_numeric(value):
            return "Take the quotes away."
    if isinstance(value, float) and "integer" in types and value.is_integer():
        return f"Write {int(value)}."
    if types == {"string"} and isinstance(value, bool | int | float):
        return "Put it into quotes."
    if types == {"array"} and isinstance(value, dict):
        return "Put a dash before the entry: this is a list."
    return _description(schema)


def _looks_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _choices(schema: JsonSchema) -> list[str]:
    found: list[str] = []
    for member in _members(schema):
        shape = _resolved(member)
        found += [choice for choice in shape.get("enum", [shape.get("const")]) if isinstance(choice, str)]
    return found


def _description(schema: JsonSchema) -> str:
    return str(schema.get("description") or _resolved(schema).get("description") or "")


def _wanted(schema: JsonSchema) -> str:
    return ", or ".join(dict.fromkeys(_wanted_one(_resolved(member)) for member in _members(schema)))


def _wanted_one(shape: JsonSchema) -> str:
    if "enum" in shape:
        return f"one of {_listed(shape['enum'])}"
    if "const" in shape:
        return str(shape["const"])
    kind = shape.get("type", "")
    if kind == "array":
        return "a list" + _bounds(shape, "minItems", "maxItems", " of {} entries")
    if kind == "object":
        required: list[str] = shape.get("required", [])
        keys = required or list(shape.get("properties", {}))
        return f"a mapping with {'' if required else 'keys such as '}{_listed(keys[:5], 'and')}"
    if "pattern" in shape:
        return _PATTERNS.get(shape["pattern"], f"a text that matches {shape['pattern']}")
    if kind == "string":
        return "a text" + _bounds(shape, "minLength", "maxLength", " of {} characters")
    return _TYPES.get(kind, "another value") + _range(shape)


def _bounds(shape: JsonSchema, low: str, high: str, sentence: str) -> str:
    least, most = shape.get(low), shape.get(high)
    if least is None and most is None:
        return ""
    if most is None:
        return sentence.format(f"at least {least}")
    return sentence.format(f"{least or 0} to {most}")


def _range(shape: JsonSchema) -> str:
    words = (
        ("minimum", "of at least {}"),
        ("exclusiveMinimum", "above {}"),
        ("maximum", "at most {}"),
        ("exclusiveMaximum", "below {}"),
    )
    parts = [word.format(shape[key]) for key, word in words if key in shape]
    return " " + " and ".join(parts) if parts else ""


def _listed(words: Sequence[str], link: str = "or") -> str:
    texts = [str(word) for word in words]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {link} {texts[-1]}"


def _found(value: Json) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value!r}"
        case str():
            size = f" ({len(value)} characters)" if len(value) > 40 else ""
            return f"the text '{visible(value, 40)}'{size}" if value else "an empty text"
        case list():
            return f"a list of {len(cast('list[Json]', value))} entries" if value else "an empty list"
        case _:
            return "a mapping"
