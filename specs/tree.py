"""YAML text as a tree of plain values that knows where each one stands in the text.

Only the safe part of YAML 1.2 passes: one document, no anchors, aliases, tags or directives, text keys, no key twice,
finite numbers of at most 64 bits. What the values mean is not judged here.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from specs.errors import Problem, SpecError

Json: TypeAlias = Any
Path: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 1_000_000
_MAX_DEPTH = 24
_MAX_VALUES = 20_000
_MAX_INTEGER = 2**63
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_SYNTAX = (
    ("'\\t'", "a tab stands where YAML wants spaces", "Indent with spaces only."),
    (
        "mapping values are not allowed",
        "a colon stands where no key can begin",
        "Put a text that holds a colon into quotes, and check the indentation.",
    ),
    (
        "could not find expected ':'",
        "a line is not of the form `key: value`",
        "Add the colon and a space after it, or put a text of several lines into quotes.",
    ),
    ("block end", "the indentation does not fit the lines above", "Put the keys of one section into one column."),
    (
        "block mapping",
        "the indentation does not fit the lines above",
        "Put the keys of one section into one column.",
    ),
    ("unexpected end of stream", "a quote is opened here and never closed", "Close the quote."),
    ("or ']'", "a list in brackets is opened here and never closed", "Close it with ]."),
    ("or '}'", "a mapping in braces is opened here and never closed", "Close it with }."),
    ("escape", "a text in double quotes holds an unknown backslash escape", "Use single quotes, or write \\\\."),
    (
        "cannot start any token",
        "a character stands where no value can begin",
        "Put the text into quotes.",
    ),
)


@dataclass(frozen=True)
class Entry:
    """A key and its value in a mapping. Offsets count characters from 0, lines and columns from 1."""

    key: str
    start: int
    end: int
    line: int
    column: int
    node: "TreeNode"


@dataclass(frozen=True)
class TreeNode:
    """A value with its span in the text; the span of a collection ends with its last value."""

    kind: Literal["scalar", "mapping", "sequence"]
    value: Json
    start: int
    end: int
    line: int
    column: int
    flow: bool = False
    entries: tuple[Entry, ...] = ()
    items: tuple["TreeNode", ...] = ()

    def entry(self, key: str) -> Entry | None:
        """Return the entry of that key, None when there is none."""
        return next((entry for entry in self.entries if entry.key == key), None)


@dataclass(frozen=True)
class Tree:
    """A YAML document. `problems` lists the values that had to be left out, by the path they stand at."""

    root: TreeNode
    problems: tuple[tuple[Path, Problem], ...]

    def find(self, path: Path) -> TreeNode | None:
        """Return the node at `path`, None when there is none."""
        node = self.root
        for part in path:
            below = child(node, part)
            if below is None:
                return None
            node = below
        return node

    def place(self, path: Path) -> tuple[int | None, int | None]:
        """Return line and column of the key at `path`, or of the closest thing above it that exists."""
        line, column = (self.root.line, self.root.column) if path else (None, None)
        node = self.root
        for part in path:
            entry = node.entry(part) if isinstance(part, str) else None
            below = child(node, part)
            if below is None:
                break
            line, column = (entry.line, entry.column) if entry else (below.line, below.column)
            node = below
        return line, column


def child(node: TreeNode, part: str | int) -> TreeNode | None:
    """Return the value under a key or at an index, None when there is none."""
    if isinstance(part, int):
        return node.items[part] if 0 <= part < len(node.items) else None
    entry = node.entry(part)
    return entry.node if entry else None


def unprintable(value: Json) -> str | None:
    """Return the first character in the texts of a JSON value that cannot stand in a spec, None when all can."""
    if isinstance(value, str):
        found = _UNPRINTABLE.search(value)
        return found.group() if found else None
    if isinstance(value, dict):
        pairs = cast("dict[str, Json]", value)
        return next(filter(None, (unprintable(part) for pair in pairs.items() for part in pair)), None)
    items = cast("list[Json]", value) if isinstance(value, list) else []
    return next(filter(None, (unprintable(item) for item in items)), None)


def visible(text: str, limit: int = 80) -> str:
    """Return outside text for a message: unprintable characters escaped, at most `limit` characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit])
    return shown + ("…" if len(text) > limit else "")


def field_name(path: Path) -> str:
    """Return the path as a person writes it: `train.0.epochs`."""
    return ".".join(visible(str(part), 60) for part in path)


def read_tree(text: str, source: str) -> Tree:
    """Parse `text`; `source` names it in errors. The tree is shared between callers and must not be changed.

    Raises:
        SpecError: it is too large, not YAML, or uses a part of YAML that is refused; every place is listed.
    """
    try:
        return _read(text)
    except SpecError as error:
        raise SpecError(source, error.problems) from error


@lru_cache(maxsize=8)
def _read(text: str) -> Tree:
    """Cached, because an edit reads the same text several times: to find, to compare and to validate."""
    _check_text(text)
    _check_events(text)
    try:
        node = cast("Node | None", _yaml().compose(text))
    except (YAMLError, ValueError, OverflowError) as error:
        raise SpecError("", (_syntax(error),)) from error
    if node is None:
        raise SpecError("", (_empty(),))
    builder = _Builder(text)
    root = builder.build(node, ())
    return Tree(root, tuple(builder.problems))


def _yaml() -> Any:
    return cast("Any", YAML(typ="safe", pure=True))


def _empty() -> Problem:
    return Problem("", "the file is empty", "Begin with `version: 1`; `tailor chat` writes a first spec for you.")


def _check_text(text: str) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise SpecError("", (Problem("", f"the file is larger than {MAX_BYTES // 1000} kB, a spec never is"),))
    found = _UNPRINTABLE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - (text.rfind("\n", 0, found.start()) + 1) + 1
        message = f"the character {visible(found.group())} cannot stand in a spec"
        raise SpecError("", (Problem("", message, "Save the file as plain UTF-8 text.", line, column),))
    if not text.strip():
        raise SpecError("", (_empty(),))


def _check_events(text: str) -> None:
    """Refuse before anything is composed: aliases can make a small text a tree of millions of values."""
    problems: list[Problem] = []
    depth = documents = values = 0
    try:
        for event in cast("Iterator[Any]", _yaml().parse(text)):
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            documents += isinstance(event, DocumentStartEvent)
            values += isinstance(event, NodeEvent)
            problems += _refused(event)
            if documents > 1:
                problems.append(_at(event, "a second document begins here", "Keep one document: remove the `---`."))
            if depth > _MAX_DEPTH:
                problems.append(_at(event, f"values are nested more than {_MAX_DEPTH} deep"))
            if values > _MAX_VALUES:
                problems.append(_at(event, f"the file holds more than {_MAX_VALUES} values, a spec never does"))
            if documents > 1 or depth > _MAX_DEPTH or values > _MAX_VALUES:
                break
    except (YAMLError, ValueError, OverflowError) as error:
        problems.append(_syntax(error))
    if problems:
        raise SpecError("", tuple(problems))


def _refused(event: Any) -> list[Problem]:
    problems: list[Problem] = []
    if isinstance(event, DocumentStartEvent):
        directive = cast("Any", event)
        if directive.version not in (None, (1, 2)) or directive.tags:
            problems.append(_at(event, "a YAML directive (%) is not allowed in a spec", "Remove the line."))
    if isinstance(event, AliasEvent):
        name = visible(str(cast("Any", event).anchor), 40)
        problems.append(_at(event, f"the alias *{name} is not allowed in a spec", "Write the value out here."))
    elif isinstance(event, NodeEvent) and cast("Any", event).anchor is not None:
        name = visible(str(cast("Any", event).anchor), 40)
        problems.append(_at(event, f"the anchor &{name} is not allowed in a spec", "Remove it; write values out."))
    if isinstance(event, ScalarEvent | CollectionStartEvent) and cast("Any", event).tag is not None:
        name = visible(str(cast("Any", event).tag), 60)
        problems.append(_at(event, f"the tag {name} is not allowed in a spec", "Remove it, or quote the text."))
    return problems


def _at(event: Any, message: str, hint: str = "") -> Problem:
    mark = event.start_mark
    return Problem("", message, hint, mark.line + 1, mark.column + 1)


def _syntax(error: Exception) -> Problem:
    marked = cast("Any", error) if isinstance(error, MarkedYAMLError) else None
    problem = str(marked.problem if marked else error)
    unknown = (problem, f"this is not YAML: {visible(problem)}", "Check quotes, colons and indentation.")
    _, message, hint = next((known for known in _SYNTAX if known[0] in problem), unknown)
    begins_earlier = "never closed" in message or "not of the form" in message
    mark = (marked.context_mark if begins_earlier else marked.problem_mark) if marked else None
    line, column = (int(mark.line) + 1, int(mark.column) + 1) if mark else (None, None)
    return Problem("", message, hint, line, column)


@dataclass
class _Builder:
    """Turns ruamel's nodes into ours and collects what cannot be a spec's value."""

    text: str
    problems: list[tuple[Path, Problem]] = field(default_factory=list[tuple[Path, Problem]])

    def build(self, node: Node, path: Path) -> TreeNode:
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return self._sequence(node, path)
        return self._scalar(cast("ScalarNode", node), path)

    def _mapping(self, node: Any, path: Path) -> TreeNode:
        entries: list[Entry] = []
        value: dict[str, Json] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            below = self._after_key(self.build(value_node, (*path, key)), key_node)
            if key in value:
                first = next(entry.line for entry in entries if entry.key == key)
                self._problem((*path, key), key_node, f"stands twice; the first is in line {first}", "Remove one.")
                continue
            value[key] = below.value
            mark = key_node.start_mark
            entries.append(Entry(key, mark.index, key_node.end_mark.index, mark.line + 1, mark.column + 1, below))
        last = entries[-1].node.end if entries else node.end_mark.index
        return self._node("mapping", value, node, last, entries=tuple(entries))

    def _sequence(self, node: Any, path: Path) -> TreeNode:
        items = tuple(self.build(item, (*path, index)) for index, item in enumerate(node.value))
        last = items[-1].end if items else node.end_mark.index
        return self._node("sequence", [item.value for item in items], node, last, items=items)

    def _scalar(self, node: Any, path: Path) -> TreeNode:
        end = node.start_mark.index + len(self.text[node.start_mark.index : node.end_mark.index].rstrip())
        return self._node("scalar", self._plain(node, path), node, end)

    def _node(self, kind: Any, value: Json, node: Any, end: int, **below: Any) -> TreeNode:
        mark = node.start_mark
        flow = bool(getattr(node, "flow_style", False))
        last = node.end_mark.index if flow else end
        return TreeNode(kind, value, mark.index, last, mark.line + 1, mark.column + 1, flow, **below)

    def _after_key(self, node: TreeNode, key_node: Any) -> TreeNode:
        """Put an empty value right behind its colon: ruamel places it at the next token, past comments."""
        if node.kind != "scalar" or node.start != node.end:
            return node
        offset = self.text.find(":", key_node.end_mark.index) + 1
        mark = key_node.end_mark
        return TreeNode("scalar", node.value, offset, offset, mark.line + 1, mark.column + 2)

    def _key(self, node: Any, path: Path) -> str | None:
        if not isinstance(node, ScalarNode):
            self._problem((*path, "?"), node, "a key must be a text, not a list or a mapping", "")
            return None
        key = str(cast("Any", node).value)
        tag = _tag(node)
        if tag in ("str", "timestamp", "value") and not _UNPRINTABLE.search(key):
            return key
        if tag == "merge":
            self._problem((*path, key), node, "merge keys are not allowed in a spec", "Write the keys out.")
        else:
            shown = visible(key, 40) or "nothing"
            self._problem(
                (*path, key), node, f"a key must be a text; found {shown}", "Put it into quotes, or remove it."
            )
        return None

    def _plain(self, node: Any, path: Path) -> Json:
        text = str(node.value)
        match _tag(node):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float" as kind:
                return self._number(node, kind, path)
            case _:
                found = _UNPRINTABLE.search(text)
                if found:
                    message = f"holds the character {visible(found.group())}, which cannot stand in a spec"
                    self._problem(path, node, message, "Remove the escape.")
                    return visible(text)
                return text

    def _number(self, node: Any, kind: str, path: Path) -> Json:
        text = str(node.value)
        try:
            number = _integer(text) if kind == "int" else float(_float_text(text))
        except ValueError:
            return text
        if not math.isfinite(number):
            self._problem(path, node, f"must be a finite number; found {visible(text, 30)}", "")
            return None
        if isinstance(number, int) and abs(number) >= _MAX_INTEGER:
            self._problem(path, node, f"the number {visible(text, 30)} is too large", "")
            return None
        return number

    def _problem(self, path: Path, node: Any, message: str, hint: str) -> None:
        mark = node.start_mark
        self.problems.append((path, Problem(field_name(path), message, hint, mark.line + 1, mark.column + 1)))


def _tag(node: Any) -> str:
    return str(node.tag).rpartition(":")[2]


def _integer(text: str) -> int | float:
    """Return the integer; YAML 1.2 reads 010 as ten. Lengths that can only overflow are not converted."""
    digits = text.replace("_", "").lower()
    if len(digits) > 80:
        return _MAX_INTEGER
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    for prefix, base in (("0b", 2), ("0o", 8), ("0x", 16)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    return sign * int(digits, 10)


def _float_text(text: str) -> str:
    lowered = text.replace("_", "").lower()
    return lowered.replace(".inf", "inf").replace(".nan", "nan")
