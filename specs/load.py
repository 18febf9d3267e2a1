"""spec.yaml from disk to a validated `CustomizationSpec`, with every defect named at once.

Nothing is filled in and nothing is repaired: what `auto` means is decided when the plan is made.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from specs.canonical import digest
from specs.errors import Problem, SpecError
from specs.explain import explain
from specs.spec import CustomizationSpec
from specs.tree import MAX_BYTES, read_tree

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec and the text it came from."""

    spec: CustomizationSpec
    text: str
    """The file's text without a byte order mark; line ends as they are in the file."""
    hash: str
    """`sha256:<hex>` of the values, so that comments and layout do not matter."""
    path: Path | None


def load_spec(path: Path | str) -> LoadedSpec:
    """Return the spec in the file at `path`. Raises SpecError with all defects of the file."""
    path = Path(path)
    text = read_spec_text(path)
    return _loaded(text, str(path), path)


def parse_spec(text: str, source: str) -> LoadedSpec:
    """Return the spec in `text`; `source` names it in errors. Raises SpecError with all defects of the text."""
    return _loaded(text.removeprefix("\ufeff"), source, None)


def spec_hash(spec: CustomizationSpec) -> str:
    """Return `sha256:<hex>` of the validated values of a spec."""
    return digest(spec.model_dump(mode="json"))


def read_spec_text(path: Path) -> str:
    """Return the text of the file at `path`, one byte order mark taken off, line ends kept.

    Raises:
        SpecError: it is missing, no ordinary file, too large or not UTF-8.
    """
    source = str(path)
    try:
        # O_NONBLOCK: opening a named pipe must not wait for somebody to write into it
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _refused(source, "this is not an ordinary file", "Name the YAML file itself.")
            data = stream.read(MAX_BYTES + len(_BOM) + 1)
    except IsADirectoryError as error:
        raise _refused(source, "this is a folder, not a file", "Name the spec in it, usually spec.yaml.") from error
    except FileNotFoundError as error:
        hint = "Check the path; `tailor chat` writes a first spec for you."
        raise _refused(source, "there is no such file", hint) from error
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise _refused(source, message, "Check its owner and its permissions.") from error
    return _decode(data, source)


def _loaded(text: str, source: str, path: Path | None) -> LoadedSpec:
    tree = read_tree(text, source)
    if tree.root.kind != "mapping":
        message = f"the file holds {'a list' if tree.root.kind == 'sequence' else 'a single value'}, not sections"
        hint = "A spec begins with `version: 1` and has one section per line: goal, model, data, train, …"
        raise SpecError(source, (Problem("", message, hint, tree.root.line, tree.root.column),))
    try:
        # JSON mode, because strict validation of Python values would refuse a list where a tuple is declared
        spec = CustomizationSpec.model_validate_json(json.dumps(tree.root.value), strict=True)
    except ValidationError as error:
        raise SpecError(source, explain(error, tree)) from error
    except RecursionError as error:
        raise _refused(source, "values are nested too deep", "Make the file flatter.") from error
    if tree.problems:
        raise SpecError(source, tuple(problem for _, problem in tree.problems))
    return LoadedSpec(spec, text, spec_hash(spec), path)


def _decode(data: bytes, source: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(source, "the file is UTF-16, not UTF-8", "Save it as UTF-8.")
    data = data.removeprefix(_BOM)
    if len(data) > MAX_BYTES:
        raise _refused(source, f"the file is larger than {MAX_BYTES // 1000} kB, a spec never is", "")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8", "replace")) + 1
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise SpecError(source, (Problem("", message, "Save the file as UTF-8.", line, column),)) from error


def _refused(source: str, message: str, hint: str) -> SpecError:
    return SpecError(source, (Problem("", message, hint),))
