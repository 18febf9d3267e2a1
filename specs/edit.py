"""Changes to the user's spec.yaml: validated patches that keep comments, order and quoting, and new files.

A patch is made whole or not at all, and its result is always a valid spec. Only a person accepts a licence.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import Field, JsonValue

from specs.base import StrictModel
from specs.errors import Problem, SpecError
from specs.load import LoadedSpec, parse_spec
from specs.render import entry_lines
from specs.spec import CustomizationSpec
from specs.splice import append, remove, same, set_value
from specs.tree import Json, Path, read_tree, unprintable, visible

SCHEMA_LINE = "# yaml-language-server: $schema=.tailor/schema/spec.json"
_SECTIONS = tuple(CustomizationSpec.model_fields)
_LICENSE: Path = ("model", "license_accepted")
_DEFAULTS: dict[str, Json] = {
    "version": 1,
    "deployment": {"target": "local", "ttl_hours": 8},
    "budget": {"usd": 0, "hours": 1},
}
_COMMENTS: dict[Path, str] = {
    ("model", "base"): "catalogue name, hub id, local path, or name@version of an earlier custom model",
    ("model", "revision"): "pinned commit, required for hub models",
    _LICENSE: "only you set this, after reading the licence",
    ("data", "test"): "rows that no training ever sees",
    ("deployment", "target"): "none | local | sagemaker | bedrock",
    ("budget", "usd"): "0 = nothing that costs money may run",
    ("budget", "hours"): "all jobs together; a job that reaches the cap saves and stops",
}


class Change(StrictModel):
    """One edit of the spec."""

    path: Annotated[str, Field(min_length=1, max_length=200)]
    """Field, as `train.0.epochs` or `evaluation.checks.0.threshold`; list entries count from 0."""
    op: Literal["set", "remove", "append"] = "set"
    """`set` a value, `remove` the field or list entry, `append` a value to the list at the path."""
    value: JsonValue = None
    """The new value; left out for `remove`."""


class SpecPatch(StrictModel):
    """Edits in order, made whole or not at all."""

    changes: Annotated[tuple[Change, ...], Field(min_length=1, max_length=100)]
    """The edits."""


@dataclass(frozen=True)
class PatchResult:
    """The outcome of a patch. Without a change the text is the old one, character by character."""

    text: str
    diff: str
    """Unified diff, empty when nothing changed."""
    spec: CustomizationSpec
    changed: bool


def apply_patch(text: str, patch: SpecPatch, source: str, *, by_person: bool = False) -> PatchResult:
    """Return the patched text of a spec.

    Args:
        text: the file as it is; it may be invalid as long as the result is valid.
        patch: the edits.
        source: name of the file, for errors and the diff.
        by_person: whether a person asked for exactly this; only then may the licence be accepted.

    Raises:
        SpecError: a path leads nowhere, the result would not be a valid spec, or it accepts the licence unasked.
    """
    text = text.removeprefix("\ufeff")
    before = _readable(text, source)
    edited = text.replace("\r\n", "\n")
    accepts = False
    for change in patch.changes:
        path = _path(change.path, source)
        accepts = accepts or path == _LICENSE
        if path == _LICENSE and not by_person:
            raise _license_refused(source)
        edited = _changed(edited, change, path, source)
    edited = _with_license(edited, before, source, accepts=accepts, by_person=by_person)
    if "\r\n" in text:
        edited = edited.replace("\n", "\r\n")
    loaded: LoadedSpec = parse_spec(edited, source)
    if same(before, read_tree(edited, source).root.value):
        edited = text
    return PatchResult(edited, diff_text(text, edited, source), loaded.spec, edited != text)


def new_spec_text(fields: Mapping[str, Any], *, by_person: bool = False) -> str:
    """Return a fresh spec.yaml with comments, sections in their usual order.

    The text is not validated, so that `parse_spec` can name every defect of `fields` at once.

    Args:
        fields: nested values in the shape of spec.yaml; what the user should see is added.
        by_person: whether a person accepted the licence in `fields`.

    Raises:
        SpecError: a value has no JSON form, or the licence is accepted without a person.
    """
    try:
        given: dict[str, Json] = json.loads(json.dumps(dict(fields), allow_nan=False))
    except (TypeError, ValueError) as error:
        message = f"the fields of a new spec must be plain values: {visible(str(error))}"
        raise SpecError("spec.yaml", (Problem("", message),)) from error
    given = {**_DEFAULTS, **given}
    if isinstance(given.get("model"), dict):
        model = {"license_accepted": False, **_model(given)}
        if model["license_accepted"] is True and not by_person:
            raise _license_refused("spec.yaml")
        given["model"] = {**_model(given), "license_accepted": model["license_accepted"]}
    names = [name for name in _SECTIONS if name in given] + [name for name in given if name not in _SECTIONS]
    lines = [SCHEMA_LINE]
    for name in names:
        lines += _section(name, given[name])
    return "\n".join(lines) + "\n"


def diff_text(old: str, new: str, name: str) -> str:
    """Return a unified diff of two texts, empty when they are equal."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{name} (before)", f"{name} (after)", lineterm="", n=2
    )
    return "".join(f"{line}\n" for line in lines)


def _readable(text: str, source: str) -> Json:
    tree = read_tree(text, source)
    if tree.problems:
        raise SpecError(source, tuple(problem for _, problem in tree.problems))
    if tree.root.kind != "mapping":
        raise SpecError(source, (Problem("", "the file holds no sections, so there is nothing to change"),))
    return tree.root.value


def _path(text: str, source: str) -> Path:
    parts = text.split(".")
    if any(not part or part != part.strip() for part in parts) or parts[0].isdigit():
        message = f"{visible(text)} is no path of a field"
        raise SpecError(source, (Problem(visible(text), message, "Write it as `train.0.epochs`."),))
    return tuple(int(part) if part.isascii() and part.isdigit() and len(part) < 6 else part for part in parts)


def _changed(text: str, change: Change, path: Path, source: str) -> str:
    try:
        if change.op == "remove":
            return remove(text, path)
        if found := unprintable(change.value):
            message = f"holds the character {visible(found)}, which cannot stand in a spec"
            raise SpecError(source, (Problem(visible(change.path), message, "Leave it out."),))
        if change.op == "append":
            return append(text, path, change.value, _SECTIONS)
        return set_value(text, path, change.value, _SECTIONS)
    except SpecError as error:
        raise SpecError(source, error.problems) from error


def _with_license(text: str, before: Json, source: str, *, accepts: bool, by_person: bool) -> str:
    """Take the acceptance back when the base model changed: it was given for another licence."""
    old, new = _model(before), _model(read_tree(text, source).root.value)
    if new.get("license_accepted") is not True or (accepts and by_person):
        return text
    if old.get("license_accepted") is not True:
        raise _license_refused(source)
    if old.get("base") == new.get("base"):
        return text
    return set_value(text, _LICENSE, False)


def _model(values: Json) -> dict[str, Json]:
    model = values.get("model")
    return cast("dict[str, Json]", model) if isinstance(model, dict) else {}


def _license_refused(source: str) -> SpecError:
    message = "only a person accepts a licence"
    hint = "Read the licence of the base model, then set model.license_accepted: true in the file yourself."
    return SpecError(source, (Problem("model.license_accepted", message, hint),))


def _section(name: str, value: Json) -> list[str]:
    if not isinstance(value, dict) or not value:
        blank = [""] if isinstance(value, list) else []
        return [*blank, *_headline(name, value), *entry_lines(name, value, 0)]
    lines = ["", *_headline(name, value), f"{name}:"]
    for key, item in cast("dict[str, Json]", value).items():
        written = entry_lines(key, item, 2)
        comment = _COMMENTS.get((name, key))
        if comment and len(written) == 1:
            written = [f"{written[0]}  # {comment}"]
        lines += written
    return lines


def _headline(name: str, value: Json) -> list[str]:
    known = CustomizationSpec.model_fields.get(name)
    return [f"# {known.description}"] if known and known.description and isinstance(value, dict | list) else []
