"""One change to a YAML text that leaves every other character as it was.

The new text is always read back: its values must be exactly the wanted ones. Where the layout is too unusual for a
small edit, the smallest enclosing section is written anew instead.
"""

import copy
import re
from typing import Any, TypeAlias, cast

from specs.canonical import canonical_json
from specs.errors import Problem, SpecError
from specs.render import block_lines, entry_lines, inline, item_lines, scalar
from specs.tree import Entry, Path, Tree, TreeNode, child, field_name, read_tree

Json: TypeAlias = Any


def set_value(text: str, path: Path, value: Json, order: tuple[str, ...] = ()) -> str:
    """Return `text` with `value` at `path`. What is equal already stays untouched, comments and layout included.

    Args:
        text: a YAML mapping with line ends of one character.
        path: keys and list indexes; missing mappings on the way are made.
        value: a JSON value.
        order: the order of the top-level keys, for a section that has to be added.

    Raises:
        SpecError: the path leads through a value that has no fields, or the text is not usable YAML.
    """
    path, value = _through_missing(read_tree(text, ""), path, value)
    for edit, at, new in _edits(read_tree(text, "").root, path, value):
        text = _apply(text, edit, at, new, order)
    return text


def remove(text: str, path: Path) -> str:
    """Return `text` without the entry at `path`. Raises SpecError when there is none."""
    if not path or read_tree(text, "").find(path) is None:
        raise _problem(path, "is not in the file, so it cannot be removed")
    return _apply(text, "remove", path, None, ())


def append(text: str, path: Path, value: Json, order: tuple[str, ...] = ()) -> str:
    """Return `text` with `value` at the end of the list at `path`. Raises SpecError when that is no list."""
    node = read_tree(text, "").find(path)
    if node is None or (node.kind == "scalar" and node.value is None):
        return set_value(text, path, [value], order)
    if node.kind != "sequence":
        raise _problem(path, "is no list, so nothing can be appended")
    return _apply(text, "append", path, value, order)


def same(left: Json, right: Json) -> bool:
    """Return whether two JSON values are equal, with 1, 1.0 and True told apart; the order of keys does not count."""
    return canonical_json(left) == canonical_json(right)


def _problem(path: Path, message: str, hint: str = "") -> SpecError:
    return SpecError("spec", (Problem(field_name(path), message, hint),))


def _through_missing(tree: Tree, path: Path, value: Json) -> tuple[Path, Json]:
    """Return the path of the first thing that is missing, and what has to be put there to hold `value`."""
    node = tree.root
    for depth, part in enumerate(path):
        if node.kind == "scalar" and depth:
            if node.value is None:
                return path[:depth], _wrapped(path[depth:], value)
            raise _problem(path, f"cannot be set: {field_name(path[:depth])} holds a single value")
        if (node.kind == "sequence") != isinstance(part, int):
            kind = "a list: use a number" if node.kind == "sequence" else "no list: use a key"
            raise _problem(path, f"cannot be set: {field_name(path[:depth]) or 'the file'} is {kind}")
        below = child(node, part)
        if below is None:
            if isinstance(part, int) and part != len(node.items):
                raise _problem(path, f"cannot be set: the list has {len(node.items)} entries, counted from 0")
            return path[: depth + 1], _wrapped(path[depth + 1 :], value)
        node = below
    return path, value


def _wrapped(path: Path, value: Json) -> Json:
    for part in reversed(path):
        if isinstance(part, int) and part != 0:
            raise _problem(path, "cannot be set: a new list begins with entry 0")
        value = [value] if isinstance(part, int) else {part: value}
    return value


def _edits(root: TreeNode, path: Path, value: Json) -> list[tuple[str, Path, Json]]:
    node = root
    for part in path:
        below = child(node, part)
        if below is None:
            return [("append", path[:-1], value)] if isinstance(part, int) else [("set", path, value)]
        node = below
    return _difference(node, path, value)


def _difference(node: TreeNode, path: Path, value: Json) -> list[tuple[str, Path, Json]]:
    """Return the smallest edits from a node to a value, removals of list entries from the end on."""
    if same(node.value, value):
        return []
    edits: list[tuple[str, Path, Json]] = []
    if node.kind == "mapping" and isinstance(value, dict) and value:
        wanted = cast("dict[str, Json]", value)
        for key, item in wanted.items():
            entry = node.entry(key)
            edits += _difference(entry.node, (*path, key), item) if entry else [("set", (*path, key), item)]
        return edits + [("remove", (*path, entry.key), None) for entry in node.entries if entry.key not in wanted]
    if node.kind == "sequence" and isinstance(value, list) and value and node.items:
        items = cast("list[Json]", value)
        for index, (old, new) in enumerate(zip(node.items, items, strict=False)):
            edits += _difference(old, (*path, index), new)
        edits += [("append", path, item) for item in items[len(node.items) :]]
        return edits + [("remove", (*path, index), None) for index in range(len(node.items) - 1, len(items) - 1, -1)]
    return [("set", path, value)]


def _apply(text: str, edit: str, path: Path, value: Json, order: tuple[str, ...]) -> str:
    """Make one edit, or rewrite ever larger parts around it until the text reads back as wanted."""
    tree = read_tree(text, "")
    wanted = _expected(tree.root.value, edit, path, value)
    for candidate in _candidates(text, tree, (edit, path, value), wanted, order):
        try:
            if same(read_tree(candidate, "").root.value, wanted):
                return candidate
        except SpecError:
            continue
    raise _problem(path, "cannot be changed here because of how the file is laid out", "Edit the file by hand.")


def _candidates(text: str, tree: Tree, change: tuple[str, Path, Json], wanted: Json, order: tuple[str, ...]) -> Any:
    edit, path, value = change
    match edit:
        case "set":
            yield _set(text, tree, path, value, order)
        case "append":
            yield _append(text, tree, path, value)
        case _:
            yield _remove(text, tree, path)
    for depth in range(len(path) - 1, -1, -1):
        node = tree.find(path[:depth])
        if node is not None:
            yield _replace(text, tree, path[:depth], node, _at(wanted, path[:depth]))


def _at(value: Json, path: Path) -> Json:
    for part in path:
        value = value[part]
    return value


def _expected(root: Json, edit: str, path: Path, value: Json) -> Json:
    root = copy.deepcopy(root)
    if edit == "append":
        _at(root, path).append(value)
    elif not path:
        return value
    elif edit == "remove":
        del _at(root, path[:-1])[path[-1]]
    else:
        _at(root, path[:-1])[path[-1]] = value
    return root


def _set(text: str, tree: Tree, path: Path, value: Json, order: tuple[str, ...]) -> str:
    node = tree.find(path)
    if node is not None:
        return _replace(text, tree, path, node, value)
    parent = tree.find(path[:-1])
    assert parent is not None
    key = str(path[-1])
    if not parent.entries:
        return _replace(text, tree, path[:-1], parent, {key: value})
    if parent.flow or _in_flow(tree, path[:-1]):
        return _inserted(text, parent.entries[-1].node.end, f", {scalar(key, flow=True)}: {inline(value)}")
    before = _before(parent, key, order if len(path) == 1 else ())
    return _new_lines(text, before.node.end, entry_lines(key, value, parent.column - 1))


def _before(parent: TreeNode, key: str, order: tuple[str, ...]) -> Entry:
    """Return the entry behind which a new key belongs: the last one that comes before it in `order`."""
    if key in order:
        earlier = [entry for entry in parent.entries if entry.key in order[: order.index(key)]]
        if earlier:
            return earlier[-1]
    return parent.entries[-1]


def _append(text: str, tree: Tree, path: Path, value: Json) -> str:
    node = tree.find(path)
    assert node is not None
    if not node.items:
        return _replace(text, tree, path, node, [value])
    if node.flow or _in_flow(tree, path):
        return _inserted(text, node.items[-1].end, f", {inline(value)}")
    return _new_lines(text, node.items[-1].end, item_lines(value, node.column - 1))


def _remove(text: str, tree: Tree, path: Path) -> str:
    parent = tree.find(path[:-1])
    assert parent is not None
    if parent.kind == "mapping":
        spans = [(entry.start, entry.node.end) for entry in parent.entries]
        index = next(i for i, entry in enumerate(parent.entries) if entry.key == path[-1])
    else:
        index = int(path[-1])
        flow = parent.flow or _in_flow(tree, path[:-1])
        spans = [(item.start if flow else text.rfind("-", 0, item.start), item.end) for item in parent.items]
    if len(spans) == 1:
        return _replace(text, tree, path[:-1], parent, {} if parent.kind == "mapping" else [])
    start, end = spans[index]
    following = spans[index + 1][0] if index + 1 < len(spans) else None
    if parent.flow or _in_flow(tree, path[:-1]):
        return text[:start] + text[following:] if following else text[: spans[index - 1][1]] + text[end:]
    line = _line_start(text, start)
    if not text[line:start].strip():
        return text[:line] + text[_line_end(text, end) + 1 :]
    if following is not None and "#" not in text[end:following]:
        return text[:start] + text[following:]
    return text[:start] + text[end:]


def _replace(text: str, tree: Tree, path: Path, node: TreeNode, value: Json) -> str:
    old = text[node.start : node.end]
    space = " " if node.start == node.end else ""
    if not isinstance(value, dict | list) or not value:
        start = _after_colon(text, tree, path, node)
        several = isinstance(value, str) and "\n" in value and not node.flow and not _in_flow(tree, path)
        if several and path and isinstance(path[-1], str):
            lines = entry_lines(path[-1], value, _column(tree, path) - 1)
            return text[: _key(tree, path).start] + "\n".join(lines).lstrip() + text[node.end :]
        new = (space or (" " if start < node.start else "")) + _single(value, old, flow=_in_flow(tree, path))
        return text[:start] + new + _realigned(text[node.end :], len(new) - (node.end - start))
    empty = not node.entries and not node.items
    if (node.flow and not empty) or _in_flow(tree, path):
        return text[: node.start] + space + inline(value) + text[node.end :]
    if empty and path and isinstance(path[-1], str):
        lines = entry_lines(path[-1], value, _column(tree, path) - 1)
        return text[: _key(tree, path).start] + "\n".join(lines).lstrip() + text[node.end :]
    return text[: node.start] + "\n".join(block_lines(value, node.column - 1)).lstrip() + text[node.end :]


def _single(value: Json, old: str, *, flow: bool) -> str:
    """Return a single value or an empty collection, quoted like the text it replaces."""
    return inline(value) if isinstance(value, dict | list) else scalar(value, like=old, flow=flow)


def _realigned(rest: str, growth: int) -> str:
    """Keep a comment behind the value in its column where there is room."""
    comment = re.match(" +(?=#)", rest)
    return rest if comment is None else " " * max(1, comment.end() - growth) + rest[comment.end() :]


def _after_colon(text: str, tree: Tree, path: Path, node: TreeNode) -> int:
    """Return where a single value may begin: right behind the colon, when only white space lies between."""
    if path and isinstance(path[-1], str) and "\n" in (gap := text[_key(tree, path).end : node.start]):
        return _key(tree, path).end + gap.index(":") + 1 if not gap.replace(":", "", 1).strip() else node.start
    return node.start


def _key(tree: Tree, path: Path) -> Entry:
    parent = tree.find(path[:-1])
    entry = parent.entry(str(path[-1])) if parent else None
    assert entry is not None
    return entry


def _column(tree: Tree, path: Path) -> int:
    return _key(tree, path).column


def _in_flow(tree: Tree, path: Path) -> bool:
    """Return whether something above `path` is written in braces or brackets."""
    return any(above is not None and above.flow for above in (tree.find(path[:depth]) for depth in range(len(path))))


def _inserted(text: str, offset: int, new: str) -> str:
    return text[:offset] + new + text[offset:]


def _new_lines(text: str, offset: int, lines: list[str]) -> str:
    """Insert lines behind the line that holds `offset`, its comment included."""
    end = _line_end(text, offset)
    return text[:end] + "\n" + "\n".join(lines) + text[end:]


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end
